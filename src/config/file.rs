//! The config file: one directive in each line. A line with an unknown key or a bad value is reported and skipped. A line that its
//! author hardly meant so is reported, too. There is no include.
//!
//! Lines are as C's `fgets` reads them: at most [`CONFIG_LINE_MAX`] bytes, each ending at its first NUL (as the original).

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;

use super::keys::{self, BadValue, Reading, skip_space};
pub use super::problem::Problem;
use super::{Directive, Switches};
use crate::address::is_space;
use crate::limits::CONFIG_LINE_MAX;
use crate::types::skip_byte_order_mark;

/// The message for a file that [`open`] failed on, without a line feed (as the original). Print it and go on.
pub fn cannot_open(name: &OsStr) -> Vec<u8> {
    [b"Warning: Can't open config file: ", name.as_bytes(), b"."].concat()
}

/// Opens a config file. What fails later, while reading, ends the file where it is (as the original).
pub fn open(name: &OsStr, switches: Switches) -> io::Result<ConfigFile<BufReader<File>>> {
    Ok(ConfigFile::new(BufReader::new(File::open(name)?), switches))
}

/// The rest of a config file. Iterating reads on to the next line that is no comment and not empty.
pub struct ConfigFile<R> {
    reader: R,
    switches: Switches,
    at_start: bool,
    /// The directive of a line whose problem was returned first.
    next: Option<Directive>,
    /// The line read last, as it is reported.
    line: Vec<u8>,
    /// Its number in the file, and that of the next one.
    number: u64,
    next_number: u64,
}

impl ConfigFile<BufReader<File>> {
    /// The file, if it is one that can be read again.
    pub fn into_regular_file(self) -> Option<File> {
        let file = self.reader.into_inner();
        file.metadata().is_ok_and(|metadata| metadata.is_file()).then_some(file)
    }
}

impl<R: BufRead> ConfigFile<R> {
    /// Reads lines from any source.
    pub fn new(reader: R, switches: Switches) -> Self {
        Self { reader, switches, at_start: true, next: None, line: Vec::new(), number: 0, next_number: 1 }
    }

    /// The number of the line read last. Of a long line, which is read as several, all have one number.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The line read last, without white space at its end.
    pub fn line(&self) -> &[u8] {
        &self.line
    }
}

impl<R: BufRead> Iterator for ConfigFile<R> {
    type Item = Result<Directive, Problem>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(directive) = self.next.take() {
            return Some(Ok(directive));
        }
        if std::mem::take(&mut self.at_start) {
            skip_byte_order_mark(&mut self.reader).ok()?;
        }
        let mut line = Vec::with_capacity(CONFIG_LINE_MAX);
        loop {
            line.clear();
            let mut piece = self.reader.by_ref().take(CONFIG_LINE_MAX as u64);
            if !matches!(piece.read_until(b'\n', &mut line), Ok(1..)) {
                return None;
            }
            self.number = self.next_number;
            self.next_number += u64::from(line.ends_with(b"\n"));
            let line = trimmed(&line);
            self.line = line.to_vec();
            let (directive, problem) = read_line(line, &self.switches);
            if let Some(problem) = problem {
                self.next = directive;
                return Some(Err(problem));
            }
            if let Some(directive) = directive {
                return Some(Ok(directive));
            }
        }
    }
}

/// Why a line yields no directive.
enum Fault {
    Unhandled,
    Parse,
}

/// A line up to its first NUL, without white space at its end.
fn trimmed(line: &[u8]) -> &[u8] {
    let line = line.split(|byte| *byte == 0).next().unwrap_or_default();
    let end = line.iter().rposition(|byte| !is_space(*byte)).map_or(0, |last| last + 1);
    line.get(..end).unwrap_or_default()
}

/// Reads one line that is trimmed: what it changes, and what is to be said of it.
fn read_line(line: &[u8], switches: &Switches) -> (Option<Directive>, Option<Problem>) {
    let setting = skip_space(line);
    if setting.is_empty() || setting.starts_with(b"#") {
        return (None, None);
    }
    match read_setting(setting, switches) {
        Ok(Reading { directive, doubt }) => (directive, doubt.map(|doubt| Problem::Doubtful(doubt, line.to_vec()))),
        Err(Fault::Unhandled) => (None, Some(Problem::Unhandled(line.to_vec()))),
        Err(Fault::Parse) => (None, Some(Problem::Parse(line.to_vec()))),
    }
}

/// Reads a line that is trimmed on both sides.
fn read_setting(line: &[u8], switches: &Switches) -> Result<Reading, Fault> {
    // trimmed, so where white space follows the key, a value follows that
    let space = line.iter().position(|byte| is_space(*byte)).ok_or(Fault::Unhandled)?;
    let (name, rest) = line.split_at_checked(space).ok_or(Fault::Unhandled)?;
    let key = keys::find(name, switches).ok_or(Fault::Unhandled)?;
    key.read(rest, switches).map_err(|BadValue| Fault::Parse)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{AccessList, Doubt, Permissions, Transport};
    use proptest::prelude::*;

    const ALL: Switches = Switches {
        fullscrape: true,
        accesslist: Some(AccessList::White),
        dynamic_accesslist: true,
        sync_live: true,
        restrict_stats: true,
        ip_from_proxy: true,
        metrics: true,
        ..Switches::NONE
    };

    fn read(text: &[u8], switches: Switches) -> Vec<Result<Directive, Problem>> {
        ConfigFile::new(text, switches).collect()
    }

    /// What a line changes, whatever is to be said of it.
    fn changes(line: &[u8]) -> Vec<Directive> {
        read(line, ALL).into_iter().filter_map(Result::ok).collect()
    }

    fn messages(text: &[u8], switches: Switches) -> String {
        let problems = ConfigFile::new(text, switches).filter_map(Result::err);
        problems.map(|problem| String::from_utf8(problem.message()).unwrap()).collect()
    }

    fn bless(net: &str, permissions: Permissions) -> Option<Directive> {
        Some(Directive::Bless(net.parse().unwrap(), permissions))
    }

    #[test]
    fn every_key() {
        let bind = |transport, at: &str| Some(Directive::Bind(transport, at.parse().unwrap()));
        let table = [
            ("tracker.rootdir\t/srv", Some(Directive::RootDirectory("/srv".into()))),
            ("tracker.user nobody", Some(Directive::User("nobody".into()))),
            ("tracker.max_memory 4096", Some(Directive::MaxMemory(4096))),
            ("tracker.max_memory  2G", Some(Directive::MaxMemory(2 << 30))),
            ("tracker.redirect_url   https://a/ b  ", Some(Directive::RedirectUrl(b"https://a/ b".to_vec()))),
            ("listen.tcp_udp 127.0.0.1", bind(Transport::TcpAndUdp, "127.0.0.1:6969")),
            (" listen.tcp\x0b[::1]:80 #", bind(Transport::Tcp, "[::1]:80")),
            ("listen.udp ::1.80", bind(Transport::Udp, "[::1]:80")),
            ("tracker.coalesce_rate 0", Some(Directive::CoalesceRate(0))),
            ("tracker.max_connections 100", Some(Directive::MaxConnections(100))),
            ("tracker.max_connections many", None),
            ("tracker.max_torrents 100", Some(Directive::MaxTorrents(100))),
            ("tracker.max_peers 4294967295", Some(Directive::MaxPeers(u32::MAX))),
            ("tracker.max_peers_per_torrent 1", Some(Directive::MaxPeersPerTorrent(1))),
            ("listen.udp.workers  4x", Some(Directive::UdpWorkers(4))),
            ("listen.udp.workers 0", Some(Directive::UdpWorkers(0))),
            ("listen.udp.workers x", None),
            ("listen.udp.workers -1", None),
            ("access.udp_reject_interval 86400", Some(Directive::UdpRejectInterval(86400))),
            ("access.http_reject_interval  3600", Some(Directive::HttpRejectInterval(3600))),
            ("access.reject_budget 0", Some(Directive::RejectBudget(0))),
            ("access.min_port 1024", Some(Directive::MinPort(1024))),
            ("access.whitelist l", Some(Directive::AccessListFile(AccessList::White, "l".into()))),
            ("access.fifo_add\trun/add me ", Some(Directive::AddPipe("run/add me".into()))),
            ("access.fifo_delete  d", Some(Directive::DeletePipe("d".into()))),
            ("access.stats 1.2.3.4x", bless("1.2.3.4/32", Permissions::STATS)),
            ("access.stats\t::1", bless("::1/128", Permissions::STATS)),
            ("access.metrics_path m", Some(Directive::MetricsPath(b"m".to_vec()))),
            ("access.stats_path  a/b", Some(Directive::StatsPath(b"a/b".to_vec()))),
            ("access.proxy 10.0.0.1/8", bless("10.0.0.0/8", Permissions::PROXY)),
            ("livesync.cluster.node_ip 10.0.0.1", bless("10.0.0.1/32", Permissions::SYNC)),
            ("livesync.cluster.listen 10.0.0.1", Some(Directive::LiveSyncListen("10.0.0.1:9696".parse().unwrap()))),
            ("livesync.cluster.listen 10.0.0.1:5", Some(Directive::LiveSyncListen("10.0.0.1:5".parse().unwrap()))),
        ];
        for (line, wanted) in table {
            let wanted: Vec<_> = wanted.into_iter().collect();
            assert_eq!(changes(line.as_bytes()), wanted, "{line}");
            assert_eq!(changes(format!("{line}\n").as_bytes()), wanted, "{line}");
        }
        let black = Switches { accesslist: Some(AccessList::Black), v6: true, ..ALL };
        assert_eq!(read(b"access.blacklist l", black), [Ok(Directive::AccessListFile(AccessList::Black, "l".into()))]);
        assert_eq!(
            read(b"access.stats 1.2.3.4", black),
            [Ok(bless("::ffff:1.2.3.4/128", Permissions::STATS).unwrap())]
        );
        assert_eq!(read(b"access.whitelist l", black), [Err(Problem::Unhandled(b"access.whitelist l".to_vec()))]);
    }

    #[test]
    fn keys_of_switches_that_are_off() {
        let lines = "access.reject_budget 1\naccess.udp_reject_interval 1\naccess.http_reject_interval 1\naccess.whitelist x\naccess.blacklist x\naccess.stats 1.2.3.4\naccess.proxy 1.2.3.4\n\
                     livesync.cluster.node_ip 1.2.3.4\nlivesync.cluster.listen 1.2.3.4\n";
        let wanted: String = lines.lines().map(|line| format!("Unhandled line in config file: {line}\n")).collect();
        assert_eq!(messages(lines.as_bytes(), Switches::default()), wanted);
    }

    #[test]
    fn unhandled_lines() {
        // line, as it is reported
        let table: [(&[u8], &[u8]); 17] = [
            (b"no.such.option 1", b"no.such.option 1"),
            (b"   no.such  thing   ", b"   no.such  thing"),
            (b"\t\x0bno.such\x0b\x0c \r\n", b"\t\x0bno.such"),
            (b"no.such\rthing\r\n", b"no.such\rthing"),
            (b"tracker.user", b"tracker.user"),
            (b"tracker.user  \t ", b"tracker.user"),
            (b"tracker.user\0 x", b"tracker.user"),
            (b"tracker.userx y", b"tracker.userx y"),
            (b"listen.tcp=127.0.0.1", b"listen.tcp=127.0.0.1"),
            (b"Listen.tcp 127.0.0.1", b"Listen.tcp 127.0.0.1"),
            (b"listen.tcp\xa0127.0.0.1", b"listen.tcp\xa0127.0.0.1"),
            (b"listen.udp.workers", b"listen.udp.workers"),
            (b"access.stats ", b"access.stats"),
            (b"f /etc/conf", b"f /etc/conf"),
            (b"\x1ffoo\x1f", b"\x1ffoo\x1f"),
            (b"\xa0", b"\xa0"),
            (b"no\0such", b"no"),
        ];
        for (line, reported) in table {
            assert_eq!(read(line, ALL), [Err(Problem::Unhandled(reported.to_vec()))], "{line:?}");
        }
    }

    #[test]
    fn bad_values() {
        let table: [(&[u8], &[u8]); 20] = [
            (b"access.udp_reject_interval 0", b"access.udp_reject_interval 0"),
            (b"access.reject_budget 5/s", b"access.reject_budget 5/s"),
            (b"access.min_port 65536", b"access.min_port 65536"),
            (b"tracker.max_memory 2T", b"tracker.max_memory 2T"),
            (b"tracker.max_torrents 0", b"tracker.max_torrents 0"),
            (b"tracker.max_peers 10M", b"tracker.max_peers 10M"),
            (b"tracker.max_peers 4294967296", b"tracker.max_peers 4294967296"),
            (b"listen.udp nonsense", b"listen.udp nonsense"),
            (b"listen.udp 127.0.0.1:", b"listen.udp 127.0.0.1:"),
            (b"\t listen.tcp   x y  \t", b"\t listen.tcp   x y"),
            (b"listen.tcp \xa0127.0.0.1", b"listen.tcp \xa0127.0.0.1"),
            (b"listen.tcp x\0y", b"listen.tcp x"),
            (b"access.stats  1.2.3.4", b"access.stats  1.2.3.4"),
            (b"access.stats \t1.2.3.4", b"access.stats \t1.2.3.4"),
            (b"access.stats [1.2.3.4]", b"access.stats [1.2.3.4]"),
            (b"access.stats x", b"access.stats x"),
            (b"access.stats 1.2.3.4/33", b"access.stats 1.2.3.4/33"),
            (b"access.proxy 1.2.3", b"access.proxy 1.2.3"),
            (b"livesync.cluster.node_ip  ::1", b"livesync.cluster.node_ip  ::1"),
            (b"livesync.cluster.listen :1", b"livesync.cluster.listen :1"),
        ];
        for (line, reported) in table {
            assert_eq!(read(line, ALL), [Err(Problem::Parse(reported.to_vec()))], "{line:?}");
        }
    }

    #[test]
    fn what_has_no_effect_is_reported() {
        let (behind, address, number) = (Doubt::Behind, Doubt::SecondAddress, Doubt::NoNumber);
        let (comment, blank, path) = (Doubt::Comment, Doubt::Blank, Doubt::Path);
        let table = [
            ("listen.tcp 127.0.0.1:80 # here", behind),
            ("listen.tcp 127.0.0.1 :80", behind),
            ("listen.udp 127.0.0.1:99999", behind),
            ("listen.tcp_udp [::1]:80 1.2.3.4", address),
            ("listen.udp.workers four", number),
            ("listen.udp.workers -1", number),
            ("listen.udp.workers 4x", behind),
            ("tracker.coalesce_rate 9000 # a second", behind),
            ("tracker.max_connections 4294967296", behind),
            ("access.stats 1.2.3.4 5.6.7.8", address),
            ("access.stats 10.0.0.0/8, 5.6.7.8", address),
            ("access.proxy 1.2.3.4 2001:db8::1", address),
            ("livesync.cluster.node_ip 1.2.3.4:9696", behind),
            ("livesync.cluster.listen 1.2.3.4:9696 #", behind),
            ("tracker.user nobody # the default", blank),
            ("tracker.redirect_url http://a/ b", blank),
            ("tracker.rootdir /srv/my tracker # mine", comment),
            ("access.whitelist list\t#", comment),
            ("access.stats_path statistics # hidden", blank),
            ("access.stats_path /stats", path),
            ("access.stats_path a/b", path),
            ("access.stats_path scores", path),
            ("access.stats_path ?", path),
        ];
        for (line, doubt) in table {
            let problems: Vec<_> = read(line.as_bytes(), ALL).into_iter().filter_map(Result::err).collect();
            assert_eq!(problems, [Problem::Doubtful(doubt, line.into())], "{line}");
        }
        let fine =
            "listen.tcp 127.0.0.1:80\n\taccess.stats 10.0.0.0/8\naccess.whitelist my list\naccess.stats_path s\n";
        assert_eq!(messages(fine.as_bytes(), ALL), "");
        let said = messages(b" listen.udp.workers four \n", ALL);
        assert_eq!(said, "Warning in config file, the value is no number:  listen.udp.workers four\n");
    }

    #[test]
    fn a_byte_order_mark_is_skipped() {
        let marked = |text: &str| read(format!("\u{feff}{text}").as_bytes(), ALL);
        assert_eq!(marked("tracker.user x\ntracker.user y").len(), 2);
        assert!(marked("tracker.user x\ntracker.user y").iter().all(Result::is_ok));
        assert_eq!(marked(""), []);
        assert_eq!(marked("# x\n"), []);
        assert!(matches!(marked("\u{feff}tracker.user x")[..], [Err(Problem::Unhandled(_))]), "there is one of them");
        assert!(matches!(marked(&"x".repeat(511))[..], [Err(Problem::Unhandled(_))]), "it is no part of the line");
    }

    #[test]
    fn every_setting_of_the_sample_is_valid() {
        let sample = include_str!("../../opentracker.conf.sample");
        assert_eq!(read(sample.as_bytes(), Switches::default()), [], "all of it is commented out");
        for setting in sample.lines().filter_map(|line| line.strip_prefix('#')) {
            if let Some((key, _)) = setting.split_once(' ').filter(|(key, _)| key.contains('.')) {
                let list = if key == "access.blacklist" { AccessList::Black } else { AccessList::White };
                let switches = Switches { accesslist: Some(list), accesslist_any: key == "access.list_mode", ..ALL };
                assert!(matches!(read(setting.as_bytes(), switches)[..], [Ok(_)]), "{setting}");
            }
        }
    }

    #[test]
    fn lines_that_change_nothing() {
        let text = b"\n   \n# x\n \t\x0b# x\n\0\n  \0foo\n\0listen.tcp x\n# x\0\n";
        assert_eq!(read(text, ALL), []);
    }

    #[test]
    fn long_lines_are_several() {
        let lengths = |text: &[u8]| -> Vec<usize> {
            let line = |problem| match problem {
                Err(Problem::Unhandled(line) | Problem::Parse(line) | Problem::Doubtful(_, line)) => line.len(),
                Ok(_) => 0,
            };
            ConfigFile::new(text, ALL).map(line).collect()
        };
        let x = |length| vec![b'x'; length];
        assert_eq!(lengths(&x(510)), [510]);
        assert_eq!(lengths(&x(511)), [511]);
        assert_eq!(lengths(&[x(511), b"\nx\n".to_vec()].concat()), [511, 1]);
        assert_eq!(lengths(&x(512)), [511, 1]);
        assert_eq!(lengths(&x(1023)), [511, 511, 1]);
        // white space where a line is cut, a comment that runs over, a NUL that ends a piece only
        assert_eq!(lengths(&[x(500), vec![b' '; 30], x(1)].concat()), [500, 20]);
        assert_eq!(lengths(&[b"#".to_vec(), x(511)].concat()), [1]);
        assert_eq!(lengths(&[x(1), vec![0], x(600), b"\n".to_vec()].concat()), [1, 91]);
    }

    #[test]
    fn files_that_are_missing_or_unreadable() {
        let missing = OsStr::from_bytes(b"/nonexistent/\xff.conf");
        assert!(open(missing, ALL).is_err());
        assert_eq!(cannot_open(missing), b"Warning: Can't open config file: /nonexistent/\xff.conf.");
        assert_eq!(open(OsStr::new("/"), ALL).map(Iterator::count).ok(), Some(0), "a directory opens and has no lines");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(text: Vec<u8>, near in "((listen|access|livesync)\\.[a-z_.]{1,20}[ \t][0-9.:]{0,9}\n){0,4}") {
            for switches in [Switches::default(), ALL] {
                for text in [text.as_slice(), near.as_bytes()] {
                    for problem in ConfigFile::new(text, switches).filter_map(Result::err) {
                        prop_assert!(problem.message().ends_with(b"\n"));
                    }
                }
            }
        }
    }
}
