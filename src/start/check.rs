//! `-t`: reads the command line and the config files, and says what a start would do and what is wrong, without binding anything.

use super::summary::{listeners, served, shown};
use super::{Exit, SWITCHES, Start};
use crate::access;
use crate::config::cli::Cli;
use crate::config::file::{ConfigFile, Problem};
use crate::config::{Directive, Switches, TRACKER_PORT, Transport, advice, help};
use crate::sys::failure::reason;
use crate::sys::file::open_regular;
use crate::sys::privileges;
use std::ffi::{OsStr, OsString};
use std::io::BufRead;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// What a start would bind, and what is wrong with what the operator says.
#[derive(Debug, Default)]
pub(super) struct Plan {
    tcp: Vec<SocketAddr>,
    udp: Vec<SocketAddr>,
    pub(super) has_cluster: bool,
    /// A line each.
    messages: Vec<String>,
    /// How many of them are about what would not work.
    problems: usize,
}

impl Plan {
    pub(super) fn bind(&mut self, transport: Transport, address: SocketAddr) {
        if transport != Transport::Udp {
            self.tcp.push(address);
        }
        if transport != Transport::Tcp {
            self.udp.push(address);
        }
    }

    /// Something would not work.
    pub(super) fn problem(&mut self, what: String) {
        self.problems += 1;
        self.messages.push(what);
    }

    /// There is something to be said of the line of a config file that was read last.
    pub(super) fn line<R: BufRead>(&mut self, name: &OsStr, config: &ConfigFile<R>, problem: &Problem) {
        let what = place(name, config) + &advice::of(problem, &SWITCHES);
        if advice::is_grave(problem) {
            self.problem(what);
        } else {
            self.messages.push(what);
        }
    }
}

/// The file, the number and the text of the line read last.
pub(super) fn place<R: BufRead>(name: &OsStr, config: &ConfigFile<R>) -> String {
    let line = String::from_utf8_lossy(config.line().trim_ascii_start()).into_owned();
    let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("{}:{}: {line}: ", shown(name), config.number())
}

/// Whether a command line asks for this, with what is read before something else ends the program.
pub(super) fn is_asked(words: &[OsString], switches: Switches) -> bool {
    let directives = Cli::new(words.iter().cloned(), switches).map_while(Result::ok);
    let mut directives = directives.take_while(|said| !matches!(said, Directive::Help | Directive::Version));
    directives.any(|directive| directive == Directive::Check)
}

/// Carries out a command line that asks for this. Returns what to print, and 0 or 1.
pub(super) fn check(name: &OsStr, words: Vec<OsString>, switches: Switches) -> Exit {
    let mut start = Start::new(switches, Vec::new());
    start.plan = Some(Plan::default());
    for directive in Cli::new(words, switches) {
        let outcome = match directive {
            Err(_) => return Exit { code: 1, message: help::usage(name, &SWITCHES) },
            Ok(Directive::Include(file)) => start.include(&file),
            Ok(directive) => start.apply(directive),
        };
        if let (Err(exit), Some(plan)) = (outcome, &mut start.plan) {
            plan.problem(text(&exit));
        }
    }
    let mut plan = start.plan.take().unwrap_or_default();
    if plan.tcp.is_empty() && plan.udp.is_empty() {
        plan.bind(Transport::TcpAndUdp, SocketAddr::new(start.address, TRACKER_PORT));
    }
    if SWITCHES.sync_live && !plan.has_cluster {
        plan.problem("no address for live sync is named".into());
    }
    if start.idle_workers {
        plan.messages.push("listen.udp.workers has no effect, since no address for UDP follows it".into());
    }
    let identity = start.planned_identity(&mut plan);
    let list = start.planned_list(&mut plan);
    let mut lines = vec![
        format!("opentracker {} would listen on {}", env!("CARGO_PKG_VERSION"), listeners(&plan.tcp, &plan.udp)),
        identity,
        list,
    ];
    lines.extend(start.planned_state(&mut plan));
    lines.append(&mut plan.messages);
    lines.push(match plan.problems {
        0 => "no problems".into(),
        1 => "1 problem".into(),
        n => format!("{n} problems"),
    });
    Exit { code: u8::from(plan.problems > 0), message: (lines.join("\n") + "\n").into_bytes() }
}

/// A message without its line feed.
pub(super) fn text(exit: &Exit) -> String {
    String::from_utf8_lossy(&exit.message).trim_end().to_owned()
}

impl Start {
    /// As whom the tracker would run, and where.
    fn planned_identity(&self, plan: &mut Plan) -> String {
        if let Some(directory) = &self.root_directory {
            match std::fs::metadata(directory) {
                Ok(found) if found.is_dir() => {}
                Ok(_) => plan.problem(format!("root directory {}: it is no directory", shown(directory))),
                Err(error) => plan.problem(format!("root directory {}: {}", shown(directory), reason(&error))),
            }
        }
        let directory = |otherwise: &str| self.root_directory.clone().unwrap_or_else(|| OsString::from(otherwise));
        if !self.started_by_root {
            let number = privileges::effective_user();
            let user = shown(&self.user);
            let at = shown(&directory("."));
            return format!(
                "as user {number} in {at}; started as root it would be {user}, and that its root directory"
            );
        }
        let user = match privileges::user_number(&self.user) {
            Some(privileges::ROOT) => {
                plan.problem(format!("user {}: the tracker refuses to serve as root", shown(&self.user)));
                "refused".into()
            }
            Some(number) => format!("user {number}"),
            None => {
                plan.problem(format!("user {}: there is no such user", shown(&self.user)));
                "unknown, so with the number -2".into()
            }
        };
        format!("as {} ({user}), root directory {}", shown(&self.user), shown(&directory("/")))
    }

    /// Which torrents would be served.
    fn planned_list(&self, plan: &mut Plan) -> String {
        let (kind, file) = (self.access_list.kind(), self.access_list.file());
        let mut said = served(kind, file);
        if let (Some(_), Some(file)) = (kind, file) {
            match access::lines_that_count(self.below_root(file).as_os_str()) {
                Ok((counted, lines)) => said += &format!(" ({counted} of its {lines} lines count)"),
                Err(why) => plan.problem(format!("access list {}: {why}", shown(file))),
            }
        }
        said
    }

    /// What would be restored.
    fn planned_state(&self, plan: &mut Plan) -> Option<String> {
        let file = self.state_file.as_ref()?;
        match open_regular(self.below_root(file).as_os_str()) {
            Ok((_, metadata)) => Some(format!("restores {} ({} bytes)", shown(file), metadata.len())),
            Err(error) => {
                plan.problem(format!("state file {}: {}", shown(file), reason(&error)));
                None
            }
        }
    }

    /// Where a file is before the root directory changes.
    fn below_root(&self, file: &OsStr) -> PathBuf {
        let root = match &self.root_directory {
            Some(directory) => Path::new(directory),
            // root goes to /, others stay where they are
            None if self.started_by_root => Path::new("/"),
            None => Path::new(""),
        };
        let file = Path::new(file);
        if self.started_by_root { root.join(file.strip_prefix("/").unwrap_or(file)) } else { root.join(file) }
    }
}
