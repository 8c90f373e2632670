//! Files that the operator names.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::OpenOptionsExt;

/// Opens a regular file for reading. Never waits, as opening a pipe for which there is no writer does.
///
/// # Errors
/// It cannot be opened, or is something else: a directory, a pipe, a device.
pub fn open_regular(name: &OsStr) -> io::Result<(File, Metadata)> {
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(name)?;
    let metadata = file.metadata()?;
    if metadata.is_file() { Ok((file, metadata)) } else { Err(io::ErrorKind::InvalidInput.into()) }
}
