//! Where the access list comes from: which kind of list is in force, and the file of it.
//!
//! The switches `accesslist-white` and `accesslist-black` fix the kind. With `accesslist-any` the option or key given last decides, or else
//! the last `access.list_mode` of the config files, which are read again with the list.

use crate::config::file::{ConfigFile, Problem};
use crate::config::{AccessList, Directive};
use crate::features::{ACCESS_LIST, ACCESSLIST_ANY, SWITCHES};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufReader, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The line of a config file that decides, without its value.
const KEY: &[u8] = b"access.list_mode";

/// What the operator named.
#[derive(Debug, Default)]
pub struct Source {
    white: Option<OsString>,
    black: Option<OsString>,
    /// The kind of the file that was named last.
    last: Option<AccessList>,
    configs: Vec<Config>,
}

/// A config file that may say which kind of list is in force.
#[derive(Debug)]
struct Config {
    /// As the operator named it.
    name: OsString,
    /// Where it is looked for from the root directory that the tracker has in the end; empty where it is out of reach.
    path: PathBuf,
    /// It as it was opened first: it may be out of reach from there.
    file: File,
    /// The last mode in it. `None`: it does not say; the inner one is a list's kind, or `None` where all torrents are served.
    mode: Option<Option<AccessList>>,
}

impl Source {
    /// The file of a list of this kind.
    pub fn name_file(&mut self, kind: AccessList, file: OsString) {
        self.last = Some(kind);
        match kind {
            AccessList::White => self.white = Some(file),
            AccessList::Black => self.black = Some(file),
        }
    }

    /// A config file that was read, and the last mode that it names.
    pub fn name_config(&mut self, name: &OsStr, file: File, mode: Option<Option<AccessList>>) {
        let path = std::path::absolute(name).unwrap_or_else(|_| name.into());
        self.configs.push(Config { name: name.to_owned(), path, file, mode });
    }

    /// The root directory is about to change to this one.
    pub fn enter(&mut self, root: &OsStr) {
        let Ok(root) = std::path::absolute(root) else { return };
        for config in &mut self.configs {
            // what has the same path there may be another file
            let below = config.path.strip_prefix(&root);
            config.path = below.map_or_else(|_| PathBuf::new(), |below| Path::new("/").join(below));
        }
    }

    /// The kind of list in force; `None`: all torrents are served.
    pub fn kind(&self) -> Option<AccessList> {
        if !ACCESSLIST_ANY {
            return ACCESS_LIST;
        }
        self.configs.iter().filter_map(|config| config.mode).next_back().unwrap_or(self.last)
    }

    /// The file of the list in force, whose path is relative to the root directory.
    pub fn file(&self) -> Option<&OsStr> {
        let file = match self.kind()? {
            AccessList::White => &self.white,
            AccessList::Black => &self.black,
        };
        file.as_deref()
    }

    /// Reads the config files again for the mode that they name. One that cannot be read says what it said before.
    pub(super) fn read_modes(&mut self) {
        for config in &mut self.configs {
            match config.read_again() {
                Ok((mode, messages)) => {
                    config.mode = mode;
                    let _ = io::stderr().write_all(&messages);
                }
                Err(why) => {
                    let name = config.name.to_string_lossy();
                    let message = format!("Warning: Can't read access.list_mode of config file {name} again: {why}.\n");
                    let _ = io::stderr().write_all(message.as_bytes());
                }
            }
        }
    }
}

impl Config {
    /// Reads the mode, and returns the messages about lines with it.
    fn read_again(&mut self) -> Result<(Option<Option<AccessList>>, Vec<u8>), &'static str> {
        let mut config = self.open()?;
        let (mut mode, mut messages) = (None, Vec::new());
        while let Some(directive) = config.next() {
            match directive {
                Ok(Directive::ListMode(said)) => mode = Some(said),
                Err(problem @ Problem::Parse(_)) if config.line().trim_ascii_start().starts_with(KEY) => {
                    messages.extend(problem.message());
                }
                _ => {}
            }
        }
        Ok((mode, messages))
    }

    /// Opens the file by its path, or where that is out of reach takes the one that was opened first, unless another has its place.
    fn open(&mut self) -> Result<ConfigFile<BufReader<File>>, &'static str> {
        const GONE: &str = "it is replaced by a new file, which is out of reach from the root directory";
        if let Ok((file, _)) = crate::sys::file::open_regular(self.path.as_os_str()) {
            return Ok(ConfigFile::new(BufReader::new(file), SWITCHES));
        }
        let is_there = self.file.metadata().is_ok_and(|metadata| metadata.nlink() > 0);
        let again = self.file.try_clone().and_then(|mut file| file.seek(SeekFrom::Start(0)).map(|_| file));
        let file = again.ok().filter(|_| is_there).ok_or(GONE)?;
        Ok(ConfigFile::new(BufReader::new(file), SWITCHES))
    }
}
