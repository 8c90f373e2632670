//! Files that the operator names.

use rustix::fs::{CWD, Mode};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};

/// Mode of pipes that are made, under the umask.
const PIPE_MODE: Mode = Mode::from_bits_retain(0o755);

/// Opens a regular file for reading. Never waits, as opening a pipe for which there is no writer does.
///
/// # Errors
/// It cannot be opened, or is something else: a directory, a pipe, a device.
pub fn open_regular(name: &OsStr) -> io::Result<(File, Metadata)> {
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(name)?;
    let metadata = file.metadata()?;
    if metadata.is_file() { Ok((file, metadata)) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

/// Opens a named pipe for reading, and makes it where nothing has the name. Never waits for a writer, nor does a read. Returns `None` where
/// the name is that of something else, which is not opened.
///
/// # Errors
/// It cannot be made or opened.
pub fn open_pipe(name: &OsStr) -> io::Result<Option<File>> {
    match rustix::fs::mkfifoat(CWD, name, PIPE_MODE) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    if !std::fs::metadata(name)?.file_type().is_fifo() {
        return Ok(None);
    }
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(name)?;
    let is_pipe = file.metadata()?.file_type().is_fifo();
    Ok(is_pipe.then_some(file))
}
