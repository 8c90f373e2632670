//! The second half of a start: into the root directory, and out of root's identity.
//!
//! The steps and their order are the original's, and so are the messages. The supplementary groups go too, which the
//! original forgets. Where there are none, nothing is called for that, since a filter may end the process for the call.

use super::failure::{Failure, reason};
use super::native;
use std::ffi::{CString, OsStr};
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::ptr;

/// What is left to say after [`drop_to`], in bytes for the standard error output, line ends included. Names in it
/// are the operator's bytes.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Printed; the start goes on.
    pub warning: Option<Vec<u8>>,
    /// Printed; the start ends with exit code 111.
    pub failure: Option<Vec<u8>>,
}

/// The identity to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    user: libc::uid_t,
    group: libc::gid_t,
}

/// The identity of an unknown user: -2, as the original.
const UNKNOWN: Identity = Identity { user: libc::uid_t::MAX - 1, group: libc::gid_t::MAX - 1 };

/// The number of root, user and group.
pub const ROOT: u32 = 0;

const CHDIR: &str = "chdir() failed after chrooting: ";
const IDENTITY: &str = "Could not set uid to specified value";
const IDENTITY_UNKNOWN: &str = "Could not set uid to value -2";

/// The effective user of this process. The C library is asked: debug builds of rustix take user -2 for an error where a number
/// has 32 bits.
pub fn effective_user() -> u32 {
    // SAFETY: returns a number, and never fails.
    unsafe { libc::geteuid() }
}

/// The effective group, likewise.
fn effective_group() -> u32 {
    // SAFETY: as above.
    unsafe { libc::getegid() }
}

/// As root: changes the root directory to `directory` if there is one, goes to `/`, and becomes `user` for good, with
/// no groups but the user's own, except where the system lets no process drop groups. Otherwise: only goes to `directory`, if there is one,
/// and gives up the right to bind ports below 1024, if it was handed over.
///
/// Call it before threads start.
pub fn drop_to(user: &OsStr, directory: Option<&OsStr>) -> Outcome {
    let mut outcome = Outcome::default();
    if effective_user() != ROOT {
        native::give_up_low_ports();
        outcome.failure = directory.and_then(|directory| {
            rustix::process::chdir(directory).err().map(|error| not_entered(directory, error.into()))
        });
        return outcome;
    }
    // The list of users may be out of reach from the new root, and so may /proc.
    let known = look_up(user);
    let groups_are_fixed = groups_are_fixed();
    if let Err(failure) = enter(directory) {
        outcome.failure = Some(failure);
        return outcome;
    }
    if known.is_none() {
        let parts: [&[u8]; 3] =
            [b"Warning: Could not get password entry for ", user.as_bytes(), b". Reverting to uid -2.\n"];
        outcome.warning = Some(parts.concat());
    }
    let what = if known.is_some() { IDENTITY } else { IDENTITY_UNKNOWN };
    outcome.failure = drop_groups(groups_are_fixed)
        .and_then(|()| take(known.unwrap_or(UNKNOWN)).map_err(Failure::of(what)))
        .and_then(|()| verify())
        .err()
        .map(|failure| format!("{failure}\n").into_bytes());
    outcome
}

/// The number of the user called `name`, if there is one.
pub fn user_number(name: &OsStr) -> Option<u32> {
    look_up(name).map(|identity| identity.user)
}

fn enter(directory: Option<&OsStr>) -> Result<(), Vec<u8>> {
    if let Some(directory) = directory {
        rustix::process::chroot(directory).map_err(|error| not_entered(directory, error.into()))?;
    }
    rustix::process::chdir("/").map_err(|error| format!("{}\n", Failure::new(CHDIR, error)).into_bytes())
}

fn not_entered(directory: &OsStr, error: io::Error) -> Vec<u8> {
    let why = reason(&error);
    let behind = format!(", because: {why}\ndrop_privileges failed, exiting. Last error: {why}\n");
    [b"Could not chroot to ", directory.as_bytes(), behind.as_bytes()].concat()
}

/// Drops the supplementary groups, if there are any. Where they are fixed they stay.
fn drop_groups(fixed: bool) -> Result<(), Failure> {
    // SAFETY: asked for none of them, the call only counts them; the null pointer is not followed.
    let count = unsafe { libc::getgroups(0, ptr::null_mut()) };
    if count == 0 {
        return Ok(());
    }
    // SAFETY: an empty list has no elements to read.
    match check(unsafe { libc::setgroups(0, ptr::null()) }) {
        Err(error) if !fixed || error.raw_os_error() != Some(libc::EPERM) => Err(Failure::new("setgroups", error)),
        _ => Ok(()),
    }
}

/// Whether this process's user namespace denies setgroups for good (user_namespaces(7)), as that of a unit with PrivateUsers does.
fn groups_are_fixed() -> bool {
    std::fs::read("/proc/self/setgroups").is_ok_and(|said| said.trim_ascii() == b"deny")
}

/// Takes the identity, with no way back. The C library's calls, since they act on all threads.
fn take(identity: Identity) -> io::Result<()> {
    // SAFETY: calls on plain numbers.
    unsafe {
        check(libc::setegid(identity.group))?;
        check(libc::setgid(identity.group))?;
        check(libc::setuid(identity.user))?;
        check(libc::seteuid(identity.user))
    }
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn verify() -> Result<(), Failure> {
    if effective_user() == ROOT || effective_group() == ROOT {
        // No call failed, hence the original's "Success".
        return Err(Failure::new("Still running with root privileges?!", io::Error::from_raw_os_error(0)));
    }
    Ok(())
}

/// Bytes for the strings of a user's entry, at first and at most.
const ENTRY_BYTES: usize = 1 << 12;
const ENTRY_BYTES_MAX: usize = 1 << 20;

/// The identity of the user called `name`; None if there is none, or if the list of users can't be read.
fn look_up(name: &OsStr) -> Option<Identity> {
    let name = CString::new(name.as_bytes()).ok()?;
    let mut strings = vec![0u8; ENTRY_BYTES];
    loop {
        let mut entry = MaybeUninit::<libc::passwd>::uninit();
        let mut found = ptr::null_mut();
        // SAFETY: the name is a C string; the entry and the strings are writable for their sizes and outlive the use
        // of the entry, which is read only if the call says that it filled it.
        let (refused, identity) = unsafe {
            let strings_pointer = strings.as_mut_ptr().cast();
            let refused =
                libc::getpwnam_r(name.as_ptr(), entry.as_mut_ptr(), strings_pointer, strings.len(), &raw mut found);
            let entry: Option<&libc::passwd> = if refused == 0 { found.as_ref() } else { None };
            (refused, entry.map(|entry| Identity { user: entry.pw_uid, group: entry.pw_gid }))
        };
        match refused {
            libc::ERANGE if strings.len() < ENTRY_BYTES_MAX => strings.resize(strings.len() * 2, 0),
            libc::EINTR => {}
            _ => return identity,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found() {
        let root = Identity { user: 0, group: 0 };
        assert_eq!(look_up(OsStr::new("root")), Some(root));
        assert_eq!(look_up(OsStr::new("no-such-user")), None);
        assert_eq!(look_up(OsStr::new("")), None);
        assert_eq!(look_up(OsStr::from_bytes(b"ro\xffot")), None);
        assert_eq!(look_up(OsStr::from_bytes(b"root\0x")), None);
    }

    #[test]
    fn unknown_users_are_minus_two() {
        assert_eq!(UNKNOWN, Identity { user: 4_294_967_294, group: 4_294_967_294 });
    }

    #[test]
    fn a_directory_that_cannot_be_entered_is_named_in_its_bytes() {
        let text = not_entered(OsStr::from_bytes(b"/a\xff"), io::Error::from_raw_os_error(libc::ENOENT));
        let lines: [&[u8]; 3] = [
            b"Could not chroot to /a\xff, because: No such file or directory\n",
            b"drop_privileges failed, exiting. Last error: No such file or directory\n",
            b"",
        ];
        assert_eq!(text, lines.concat());
    }

    #[test]
    fn root_is_noticed() {
        if effective_user() != ROOT {
            eprintln!("SKIPPED: only root can still be root");
            return;
        }
        assert_eq!(verify().unwrap_err().to_string(), "Still running with root privileges?!: Success");
    }

    #[test]
    fn others_only_enter_the_directory() {
        if effective_user() == ROOT {
            eprintln!("SKIPPED: root would give up its identity for good");
            return;
        }
        let outcome = drop_to(OsStr::new("no-such-user"), None);
        assert!(outcome.warning.is_none() && outcome.failure.is_none());
        let outcome = drop_to(OsStr::new("nobody"), Some(OsStr::new("/nonexistent")));
        assert!(outcome.failure.unwrap().starts_with(b"Could not chroot to /nonexistent, because: "));
    }
}
