//! Reads access lists without delaying the loop: a thread of its own opens the file, reads and sorts. The loop replaces the whole list
//! at once and passes the old one to the thread to be freed.

use super::hashes::Hashes;
use super::lines::{Report, parse};
use super::{List, Read as Loaded, Source};
use crate::limits::ACCESS_LIST_FILE_MAX;
use crate::sys::file::open_regular;
use crate::sys::waker::Waker;
use std::ffi::OsStr;
use std::fs::Metadata;
use std::io::{self, BufReader, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

/// Bytes read from a file at once.
const BUFFER: usize = 1 << 16;

/// What the thread is asked to do.
enum Request {
    Load,
    Drop(Box<List>),
}

/// The loop's side of the thread that loads lists. At most one file is read at a time.
#[derive(Debug)]
pub struct Loader {
    /// Has no receiver if the system refused the thread: the loop loads lists itself then.
    requests: Sender<Request>,
    /// What the file says. `None`: what it said before stays in force.
    loaded: Receiver<Option<Loaded>>,
    done: Sender<Option<Loaded>>,
    waker: Arc<Waker>,
    /// The thread's while it loads.
    source: Arc<Mutex<Source>>,
    loading: bool,
    /// Asked again while loading. The part of the file that has been read may have changed since.
    again: bool,
}

impl Loader {
    /// Starts the thread, for lists of this source. It does without if threads are refused.
    ///
    /// # Errors
    /// There are no descriptors left.
    pub fn start(source: Source) -> io::Result<Loader> {
        let waker = Arc::new(Waker::new()?);
        let (requests, received) = channel();
        let (done, loaded) = channel();
        let source = Arc::new(Mutex::new(source));
        let (from, wakes, loads) = (Arc::clone(&source), Arc::clone(&waker), done.clone());
        let serve = move || {
            for order in received {
                match order {
                    Request::Load => {
                        // fails when the process is ending
                        let _ = loads.send(load_again(&from));
                        wakes.wake();
                    }
                    Request::Drop(list) => drop(list),
                }
            }
        };
        let _refused_is_harmless = thread::Builder::new().name("access list".into()).spawn(serve);
        Ok(Loader { requests, loaded, done, waker, source, loading: false, again: false })
    }

    /// Loads the list that the tracker starts with, at this time in seconds since the epoch. Returns when that is done: no request is
    /// served before.
    pub fn load_first(&mut self, list: &mut List, unix: u64) {
        let Ok(source) = self.source.lock() else { return };
        list.kind = source.kind();
        drop(list.file_read(load(&source), false, unix));
    }

    /// A descriptor that is readable when a list can be [installed](Self::install).
    pub fn waker(&self) -> BorrowedFd<'_> {
        self.waker.as_fd()
    }

    /// Asks for the file to be read again. When that is done the list's changes up to now are forgotten.
    pub fn reload(&mut self, list: &mut List) {
        self.drop(list.file_asked_for());
        if self.loading {
            self.again = true;
        } else {
            self.request();
        }
    }

    /// Whether a list is being loaded.
    pub fn is_loading(&self) -> bool {
        self.loading
    }

    fn request(&mut self) {
        self.loading = true;
        if self.requests.send(Request::Load).is_err() {
            // there is no thread; the receiver is this loader's own
            let _ = self.done.send(load_again(&self.source));
            self.waker.wake();
        }
    }

    /// Frees a list that may have millions of hashes.
    fn drop(&self, list: List) {
        // without the thread it is dropped here, which is no worse than keeping it
        let _ = self.requests.send(Request::Drop(Box::new(list)));
    }

    /// Replaces the list by the one that was loaded, if there is a new one, at this time in seconds since the epoch.
    pub fn install(&mut self, list: &mut List, unix: u64) {
        self.waker.clear();
        while let Ok(loaded) = self.loaded.try_recv() {
            self.loading = false;
            let again = std::mem::take(&mut self.again);
            let old = list.file_read(loaded, again, unix);
            self.drop(old);
            if again {
                self.request();
            }
        }
    }
}

/// Why a file yields no list.
#[derive(Debug)]
enum Fault {
    /// It cannot be opened or read, or is not a regular file.
    Unreadable,
    /// It is refused for another reason.
    Refused(&'static str),
}

impl From<io::Error> for Fault {
    fn from(_: io::Error) -> Fault {
        Fault::Unreadable
    }
}

/// Loads the list that is in force now.
fn load_again(source: &Mutex<Source>) -> Option<Loaded> {
    let mut source = source.lock().ok()?;
    source.read_modes();
    load(&source)
}

/// Loads the list in force. `None`, and the reason is on stderr, if its file yields none.
fn load(source: &Source) -> Option<Loaded> {
    let kind = source.kind();
    let hashes = if kind.is_some() { load_file(source.file())? } else { Hashes::default() };
    Some(Loaded { kind, hashes })
}

/// Loads a file. If that fails, writes the reason to stderr.
fn load_file(file: Option<&OsStr>) -> Option<Hashes> {
    let name = file.map_or(&b"(null)"[..], OsStr::as_bytes);
    let result = file.map_or(Err(Fault::Unreadable), |file| read(file, ACCESS_LIST_FILE_MAX));
    let (list, message) = match result {
        Ok((list, report)) => (Some(list), warnings(name, report)),
        Err(Fault::Unreadable) => (None, unreadable(name)),
        Err(Fault::Refused(why)) => (None, warning(name, why)),
    };
    // stderr may be closed
    let _ = io::stderr().write_all(&message);
    list
}

/// How many lines of a file count as info hashes, and of how many that are neither empty nor comments.
///
/// # Errors
/// Why the file yields no list.
pub fn lines_that_count(file: &OsStr) -> Result<(u64, u64), &'static str> {
    match read(file, ACCESS_LIST_FILE_MAX) {
        Ok((_, report)) => Ok(report.lines()),
        Err(Fault::Unreadable) => Err("it cannot be read, or is no regular file"),
        Err(Fault::Refused(why)) => Err(why),
    }
}

/// The messages about a file that was read.
fn warnings(name: &[u8], report: Report) -> Vec<u8> {
    let cut_short = report.cut_short.then_some("its last line breaks off and was left out".to_owned());
    cut_short.into_iter().chain(report.doubt()).flat_map(|what| warning(name, &what)).collect()
}

/// The message for a file that cannot be read (as the original, which never creates it either).
fn unreadable(name: &[u8]) -> Vec<u8> {
    let directory = std::env::current_dir().unwrap_or_default();
    let parts: [&[u8]; 5] = [
        b"Warning: Can't open accesslist file: ",
        name,
        b" (but will try to create it later, if necessary and possible).\nPWD: ",
        directory.as_os_str().as_bytes(),
        b"\n",
    ];
    parts.concat()
}

fn warning(name: &[u8], why: &str) -> Vec<u8> {
    [b"Warning: accesslist file ", name, b": ", why.as_bytes(), b".\n"].concat()
}

/// Reads a file. Returns the list, and what its lines are.
fn read(file: &OsStr, bytes_max: u64) -> Result<(Hashes, Report), Fault> {
    let (file, before) = open_regular(file)?;
    if before.len() > bytes_max {
        return Err(Fault::Refused("it is too large, the list in force stays"));
    }
    const NO_MEMORY: Fault = Fault::Refused("there is no memory for it, the list in force stays");
    // a hash takes 41 bytes of the file, but for the last one
    let mut hashes = Vec::new();
    hashes.try_reserve_exact((before.len() / 41 + 1) as usize).map_err(|_| NO_MEMORY)?;
    let report = parse(BufReader::with_capacity(BUFFER, (&file).take(before.len())), &mut hashes)?;
    if state(&before) != state(&file.metadata()?) {
        return Err(Fault::Refused("it changed while it was read, the list in force stays"));
    }
    Ok((Hashes::new(hashes).map_err(|_| NO_MEMORY)?, report))
}

/// What changes when a file is written to.
fn state(metadata: &Metadata) -> (u64, Option<std::time::SystemTime>) {
    (metadata.len(), metadata.modified().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::AccessList;
    use crate::features::{ACCESS_LIST, HAS_ACCESS_LIST};
    use crate::sys::poller::{Interest, Poller};
    use crate::types::InfoHash;
    use std::fs::File;
    use std::time::Duration;

    const HASH: InfoHash = InfoHash([0xab; 20]);

    fn scratch(name: &str) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("opentracker-list-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).unwrap();
        path
    }

    fn hex(hash: &[u8]) -> String {
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn files_that_yield_no_list() {
        let scratch = scratch("none");
        let file = scratch.join("list");
        let fault = |bytes_max| read(file.as_os_str(), bytes_max).err();
        assert!(matches!(fault(100), Some(Fault::Unreadable)), "missing");
        std::fs::write(&file, hex(&HASH.0)).unwrap();
        assert!(matches!(fault(39), Some(Fault::Refused(why)) if why.contains("large")));
        assert!(read(file.as_os_str(), 40).unwrap().0.contains(&HASH));
        std::fs::write(&file, "").unwrap();
        assert!(!read(file.as_os_str(), 40).unwrap().0.contains(&HASH), "empty");
        for path in [scratch.as_path(), "/dev/zero".as_ref()] {
            assert!(matches!(read(path.as_os_str(), 1 << 20), Err(Fault::Unreadable)), "{path:?}");
        }
        // sparse, so that it costs nothing
        File::create(&file).unwrap().set_len(ACCESS_LIST_FILE_MAX + 1).unwrap();
        assert!(matches!(fault(ACCESS_LIST_FILE_MAX), Some(Fault::Refused(_))));
        std::fs::remove_dir_all(scratch).unwrap();
    }

    #[test]
    fn the_warnings() {
        let text = String::from_utf8(unreadable(b"some\tlist")).unwrap();
        let lines: Vec<_> = text.lines().collect();
        let first = "Warning: Can't open accesslist file: some\tlist (but will try to create it later, if necessary and possible).";
        assert_eq!(lines[0], first);
        assert_eq!(lines[1], format!("PWD: {}", std::env::current_dir().unwrap().display()));
        assert_eq!(warning(b"l", "why"), b"Warning: accesslist file l: why.\n");
    }

    #[test]
    fn a_list_is_loaded_as_often_as_asked_for() {
        if !HAS_ACCESS_LIST {
            return;
        }
        let scratch = scratch("often");
        let file = scratch.join("list");
        std::fs::write(&file, "").unwrap();
        let mut source = Source::default();
        source.name_file(ACCESS_LIST.unwrap_or(AccessList::White), file.clone().into());
        let mut loader = Loader::start(source).unwrap();
        let mut list = List::default();
        loader.load_first(&mut list, 0);
        assert!(!list.contains(&HASH));
        let mut poller = Poller::new(1).unwrap();
        poller.add(loader.waker(), 1, Interest::READ).unwrap();
        // asked while loading: what was written before the last request is read in the end
        loader.reload(&mut list);
        std::fs::write(&file, hex(&HASH.0)).unwrap();
        (0..1000).for_each(|_| loader.reload(&mut list));
        let mut settle = |loader: &mut Loader, list: &mut List| {
            let mut events = Vec::new();
            while loader.loading {
                poller.wait(&mut events, Some(Duration::from_secs(10))).unwrap();
                assert!(!events.is_empty());
                loader.install(list, 0);
            }
        };
        settle(&mut loader, &mut list);
        assert!(list.contains(&HASH));
        // a file that goes leaves the list in force
        std::fs::remove_file(&file).unwrap();
        loader.reload(&mut list);
        settle(&mut loader, &mut list);
        assert!(list.contains(&HASH));
        std::fs::remove_dir_all(scratch).unwrap();
    }
}
