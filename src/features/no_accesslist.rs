//! The face of [access lists](self) in builds without them: every torrent is served, and there is nothing to load.

use std::ffi::OsString;
use std::io;
use std::os::fd::BorrowedFd;

/// No list.
#[derive(Debug, Default)]
pub struct List(());

impl List {
    /// A list under which these torrents are served, for tests.
    #[cfg(test)]
    pub fn serving(_hashes: impl IntoIterator<Item = [u8; 20]>) -> List {
        List(())
    }

    /// Always.
    pub fn allows(&self, _hash: &[u8; 20]) -> bool {
        true
    }
}

/// Loads nothing.
#[derive(Debug)]
pub struct Loader;

impl Loader {
    /// Takes no file: no directive of this build names one.
    ///
    /// # Errors
    /// None.
    pub fn new(_file: Option<OsString>) -> io::Result<Loader> {
        Ok(Loader)
    }

    /// There is nothing to load.
    pub fn load_first(&mut self, _list: &mut List) {}

    /// Nobody to wait for.
    pub fn waker(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// There is nothing to load.
    pub fn reload(&mut self) {}

    /// There is nothing to exchange.
    pub fn exchange(&mut self, _list: &mut List) {}
}
