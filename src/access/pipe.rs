//! Named pipes through which lists change while the tracker runs (`dynamic-accesslist`): one adds, one deletes. Nobody is waited for: a
//! pipe is opened without a writer, and read as far as it is filled.

use super::lines::Lines;
use super::{Change, List};
use crate::limits::ACCESS_PIPE_READ;
use crate::sys::failure::reason;
use crate::sys::file::open_pipe;
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;

/// A pipe that is open.
#[derive(Debug)]
pub struct Pipe {
    path: OsString,
    change: Change,
    file: File,
    /// Kept for the next time that the pipe is opened.
    spare: Option<File>,
    /// What was read and is not in force yet: so many bytes.
    buffer: Vec<u8>,
    filled: usize,
    lines: Lines,
    /// The last read found no writer.
    has_ended: bool,
}

impl Pipe {
    /// Opens the pipe at a path, which is relative to the root directory. Makes it where nothing is there.
    ///
    /// # Errors
    /// The message for the operator: something else is there, or the system refuses.
    pub fn open(path: OsString, change: Change) -> Result<Pipe, Vec<u8>> {
        let file = open(&path)?;
        let buffer = vec![0; ACCESS_PIPE_READ];
        let spare = file.try_clone().map_err(|error| could_not_open(&path, &error))?;
        Ok(Pipe { path, change, file, spare: Some(spare), buffer, filled: 0, lines: Lines::NONE, has_ended: false })
    }

    /// Reads what is in the pipe, up to a limit.
    ///
    /// # Errors
    /// The system refuses to read.
    pub fn fill(&mut self) -> io::Result<()> {
        self.has_ended = false;
        while let Some(room @ [_, ..]) = self.buffer.get_mut(self.filled..) {
            match rustix::io::read(&self.file, room) {
                Ok(0) => {
                    self.has_ended = true;
                    break;
                }
                Ok(length) => self.filled += length,
                Err(Errno::AGAIN | Errno::INTR) => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Makes the changes that were read. Returns how many were dropped because there are too many.
    pub fn make_changes(&mut self, list: &mut List) -> u64 {
        let mut dropped = 0;
        let read = self.buffer.get(..std::mem::take(&mut self.filled)).unwrap_or_default();
        self.lines.read(read, |hash| dropped += u64::from(list.change(self.change, hash).is_err()));
        if self.has_ended {
            self.lines.drop_unfinished();
        }
        dropped
    }

    /// Whether the last writer has gone. The system says so until the pipe is [opened again](Self::open_again).
    pub fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Opens the pipe again for the next writers. Nothing that they have written already is lost, as the former descriptor is still open:
    /// it becomes the spare one. So there is one for this also where clients have taken all.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_again(&mut self) -> Result<(), Vec<u8>> {
        self.spare = None;
        let former = std::mem::replace(&mut self.file, open(&self.path)?);
        self.spare = Some(former);
        Ok(())
    }
}

impl AsFd for Pipe {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// How the messages begin that say why a pipe is off (as the original).
const STARTING: &[u8] = b"Error when starting dynamic accesslists: ";

/// Opens a pipe, or returns the message that says why not.
fn open(path: &OsStr) -> Result<File, Vec<u8>> {
    const NO_PIPE: &[u8] = b".\nPlease remove it and restart opentracker.\n";
    match open_pipe(path) {
        Ok(Some(pipe)) => Ok(pipe),
        Ok(None) => Err([STARTING, b"Found Non-FIFO file at ", path.as_bytes(), NO_PIPE].concat()),
        Err(error) => Err(could_not_open(path, &error)),
    }
}

fn could_not_open(path: &OsStr, error: &io::Error) -> Vec<u8> {
    [STARTING, b"Could not open ", path.as_bytes(), b": ", reason(error).as_bytes(), b".\n"].concat()
}
