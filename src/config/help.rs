//! What the program says of its options: the texts of the original, or of its 1.0 line in builds for both families.

use super::{AccessList, Switches};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// The usage line (as the original): it names `-s` in every build, and an access list only where there is one.
pub fn usage(program: &OsStr, switches: &Switches) -> Vec<u8> {
    let list: &[u8] = match switches.accesslist {
        _ if switches.accesslist_any => b" [-w whitelistfile] [-b blacklistfile]",
        Some(AccessList::White) => b" [-w whitelistfile]",
        Some(AccessList::Black) => b" [-b blacklistfile]",
        None => b"",
    };
    let options = if switches.dual_stack { DUAL_USAGE_OPTIONS } else { USAGE_OPTIONS };
    [b"Usage: ", program.as_bytes(), options, list, b"\n"].concat()
}

/// The text of `-h` (as the original): the usage line, then a line an option and an example.
pub fn help(program: &OsStr, switches: &Switches) -> Vec<u8> {
    let list: &[u8] = match switches.accesslist {
        _ if switches.accesslist_any => b"\t-w file   specify whitelist file.\n\t-b file   specify blacklist file.\n",
        Some(AccessList::White) => b"\t-w file   specify whitelist file.\n",
        Some(AccessList::Black) => b"\t-b file   specify blacklist file.\n",
        None => b"",
    };
    let (options, more) =
        if switches.dual_stack { (DUAL_HELP_OPTIONS, DUAL_HELP_MORE) } else { (HELP_OPTIONS, &b""[..]) };
    [&usage(program, switches), options, list, HELP_EXAMPLE, more].concat()
}

const USAGE_OPTIONS: &[u8] =
    b" [-i ip] [-p port] [-P port] [-r redirect] [-d dir] [-u user] [-A ip] [-f config] [-s livesyncport]";

// that of the original's 1.0 line, as the other texts of dual-stack builds
const DUAL_USAGE_OPTIONS: &[u8] =
    b" [-i ip] [-p port] [-P port] [-r redirect] [-d dir] [-u user] [-A ip[/bits]] [-f config] [-s livesyncport]";

// "redirecturlspecify" is the original's
const HELP_OPTIONS: &[u8] = b"\
\t-f config include and execute the config file
\t-i ip     specify ip to bind to (default: *, you may specify more than one)
\t-p port   specify tcp port to bind to (default: 6969, you may specify more than one)
\t-P port   specify udp port to bind to (default: 6969, you may specify more than one)
\t-r redirecturlspecify url where / should be redirected to (default none)
\t-d dir    specify directory to try to chroot to (default: \".\")
\t-u user   specify user under whose privileges opentracker should run (default: \"nobody\")
\t-A ip     bless an ip address as admin address (e.g. to allow syncs from this address)
";

// "preceeding" and "[/bits]bless" are the original's
const DUAL_HELP_OPTIONS: &[u8] = b"\
\t-f config include and execute the config file
\t-i ip     specify ip to bind to with next -[pP] (default: any, overrides preceeding ones)
\t-p port   do bind to tcp port (default: 6969, you may specify more than one)
\t-P port   do bind to udp port (default: 6969, you may specify more than one)
\t-r redirecturlspecify url where / should be redirected to (default none)
\t-d dir    specify directory to try to chroot to (default: \".\")
\t-u user   specify user under whose privileges opentracker should run (default: \"nobody\")
\t-A ip[/bits]bless an ip address or net as admin address (e.g. to allow syncs from this address)
";

const DUAL_HELP_MORE: &[u8] = b"           Here -i 127.0.0.1 selects the ip address for the next -p 6969 and -P 6969.
           If no port is bound from config file or command line, the last address given
           (or ::1 if none is set) will be used on port 6969.
";

const HELP_EXAMPLE: &[u8] =
    b"\nExample:   ./opentracker -i 127.0.0.1 -p 6969 -P 6969 -f ./opentracker.conf -i 10.1.1.23 -p 2710 -p 80\n";

#[cfg(test)]
mod tests {
    use super::*;

    const WHITE: Switches = Switches { accesslist: Some(AccessList::White), ..Switches::NONE };
    const BLACK: Switches = Switches { accesslist: Some(AccessList::Black), ..Switches::NONE };

    #[test]
    fn texts() {
        let line = "Usage: ./opentracker [-i ip] [-p port] [-P port] [-r redirect] [-d dir] [-u user] [-A ip] \
                    [-f config] [-s livesyncport]";
        let program = OsStr::new("./opentracker");
        assert_eq!(usage(program, &Switches::default()), format!("{line}\n").into_bytes());
        assert_eq!(usage(program, &WHITE), format!("{line} [-w whitelistfile]\n").into_bytes());
        assert_eq!(usage(program, &BLACK), format!("{line} [-b blacklistfile]\n").into_bytes());
        assert!(usage(OsStr::from_bytes(b"\xff"), &BLACK).starts_with(b"Usage: \xff [-i"));

        let lines = |switches: &Switches| -> Vec<String> {
            String::from_utf8(help(program, switches)).unwrap().lines().map(str::to_owned).collect()
        };
        let plain = lines(&Switches::default());
        assert_eq!(plain.len(), 11);
        assert_eq!(plain.first().unwrap(), line);
        assert_eq!(plain.get(5).unwrap(), "\t-r redirecturlspecify url where / should be redirected to (default none)");
        assert_eq!(plain.get(9).unwrap(), "");
        assert_eq!(lines(&WHITE).get(9).unwrap(), "\t-w file   specify whitelist file.");
        assert_eq!(lines(&BLACK).get(9).unwrap(), "\t-b file   specify blacklist file.");
        assert!(plain.last().unwrap().starts_with("Example:   ./opentracker -i 127.0.0.1 -p 6969"));
    }

    #[test]
    fn texts_of_a_tracker_for_both_families() {
        let dual = Switches { dual_stack: true, ..WHITE };
        let text = String::from_utf8(help(OsStr::new("./opentracker"), &dual)).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].contains(" [-A ip[/bits]] ") && lines[0].ends_with(" [-s livesyncport] [-w whitelistfile]"));
        assert_eq!((lines.len(), lines[9]), (15, "\t-w file   specify whitelist file."));
        assert!(lines[14].ends_with("will be used on port 6969."));
    }
}
