//! The command line, read as GNU getopt reads it: word by word, letters of a word one at a time. Words that are no options are
//! skipped, and nothing is read before the caller asks for it.
//!
//! `OPTIONS` has a line for each option. The crate getopts knows from it which options there are and which take a value. It cannot
//! iterate: it reads a whole line at once, in UTF-8, and keeps no order between options.

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::ffi::OsStringExt;

use getopts::{Fail, Options};

use super::{AccessList, Directive, Permissions, Switches, Transport, always};
use crate::address::{read_ip, read_network, read_port};

/// The command line is malformed: print [`usage`](super::help::usage) on stderr, exit 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage;

/// An option.
struct Opt {
    letter: &'static str,
    /// Whether builds with these switches have the option.
    is_known: fn(&Switches) -> bool,
    read: Reader,
}

/// How the directive of an option is read.
enum Reader {
    /// The option takes no value.
    Flag(Directive),
    /// It takes a value; `None` if that is malformed.
    Value(fn(Value) -> Option<Directive>),
}

/// All options. A new one is a line here, a directive, and a paragraph in the manual page. The texts of [`help`](super::help) are the
/// original's.
const OPTIONS: &[Opt] = &[
    option("i", always, |value| read_ip(&value.text).map(Directive::Address)),
    option("p", always, |value| value.endpoint().map(|at| Directive::Bind(Transport::Tcp, at))),
    option("P", always, |value| value.endpoint().map(|at| Directive::Bind(Transport::Udp, at))),
    option("s", |build| build.sync_live, |value| value.endpoint().map(Directive::LiveSyncListen)),
    option("A", always, |value| read_network(&value.text, value.v6).map(|net| Directive::Bless(net, Permissions::ALL))),
    option("d", always, |value| Some(Directive::RootDirectory(value.file()))),
    option("u", always, |value| Some(Directive::User(value.file()))),
    option("r", always, |value| Some(Directive::RedirectUrl(value.text))),
    option("l", always, |value| Some(Directive::StateFile(value.file()))),
    option("f", always, |value| Some(Directive::Include(value.file()))),
    option(
        "w",
        |build| build.lists(AccessList::White),
        |value| Some(Directive::AccessListFile(AccessList::White, value.file())),
    ),
    option(
        "b",
        |build| build.lists(AccessList::Black),
        |value| Some(Directive::AccessListFile(AccessList::Black, value.file())),
    ),
    Opt { letter: "v", is_known: always, read: Reader::Flag(Directive::Version) },
    Opt { letter: "h", is_known: always, read: Reader::Flag(Directive::Help) },
    Opt { letter: "t", is_known: always, read: Reader::Flag(Directive::Check) },
];

const fn option(letter: &'static str, is_known: fn(&Switches) -> bool, read: fn(Value) -> Option<Directive>) -> Opt {
    Opt { letter, is_known, read: Reader::Value(read) }
}

/// The value of an option.
struct Value {
    text: Vec<u8>,
    /// The address of the last `-i`, to which ports belong.
    address: IpAddr,
    v6: bool,
}

impl Value {
    fn file(self) -> OsString {
        OsString::from_vec(self.text)
    }

    fn endpoint(&self) -> Option<SocketAddr> {
        read_port(&self.text).map(|port| SocketAddr::new(self.address, port))
    }
}

/// The rest of a command line. Iterating yields directives in the order given; stop at the first [`Usage`].
pub struct Cli<I> {
    words: I,
    /// The letters that are left of a word, without its dash.
    letters: Vec<u8>,
    options: Options,
    switches: Switches,
    /// The address of the ports that follow.
    address: IpAddr,
    /// There are no more options: `--` or the last word was read.
    ended: bool,
}

impl<I: Iterator<Item = OsString>> Cli<I> {
    /// Reads the words after the program's name.
    pub fn new(words: impl IntoIterator<IntoIter = I>, switches: Switches) -> Self {
        let mut options = Options::new();
        for option in OPTIONS.iter().filter(|option| (option.is_known)(&switches)) {
            match option.read {
                Reader::Flag(_) => options.optflag(option.letter, "", ""),
                Reader::Value(_) => options.optopt(option.letter, "", "", ""),
            };
        }
        Self {
            words: words.into_iter(),
            letters: Vec::new(),
            options,
            switches,
            address: switches.any_address(),
            ended: false,
        }
    }

    /// Makes sure that `letters` starts with the next option. Returns whether there is one.
    fn find_option(&mut self) -> bool {
        while self.letters.is_empty() && !self.ended {
            match self.words.next().map(OsString::into_vec).as_deref() {
                None | Some(b"--") => self.ended = true,
                Some([b'-', letters @ ..]) => self.letters = letters.to_vec(),
                Some(_) => {}
            }
        }
        !self.letters.is_empty()
    }

    /// Whether this build has the option.
    fn knows(&self, letter: u8) -> bool {
        // a second dash would be the end of the options to getopts
        let read = || self.options.parse([format!("-{}", char::from(letter))]);
        letter.is_ascii_alphabetic() && !matches!(read(), Err(Fail::UnrecognizedOption(_)))
    }

    fn option(&mut self) -> Result<Directive, Usage> {
        let letter = self.letters.remove(0);
        let option = OPTIONS.iter().find(|option| option.letter.as_bytes() == [letter]).filter(|_| self.knows(letter));
        let directive = match &option.ok_or(Usage)?.read {
            Reader::Flag(directive) => directive.clone(),
            Reader::Value(read) => read(self.value()?).ok_or(Usage)?,
        };
        if let Directive::Address(address) = &directive {
            self.address = *address;
        }
        Ok(directive)
    }

    /// The rest of the word, or else the next word.
    fn value(&mut self) -> Result<Value, Usage> {
        let mut text = std::mem::take(&mut self.letters);
        if text.is_empty() {
            text = self.words.next().ok_or(Usage)?.into_vec();
        }
        Ok(Value { text, address: self.address, v6: self.switches.v6 })
    }
}

impl<I: Iterator<Item = OsString>> Iterator for Cli<I> {
    type Item = Result<Directive, Usage>;

    fn next(&mut self) -> Option<Self::Item> {
        self.find_option().then(|| self.option())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cli(words: &[&[u8]], switches: Switches) -> Vec<Result<Directive, Usage>> {
        let words: Vec<_> = words.iter().map(|word| OsString::from_vec(word.to_vec())).collect();
        Cli::new(words, switches).collect()
    }

    fn plain(line: &str) -> Vec<Result<Directive, Usage>> {
        let words: Vec<_> = line.split(' ').map(str::as_bytes).collect();
        cli(&words, Switches::default())
    }

    fn bind(transport: Transport, at: &str) -> Result<Directive, Usage> {
        Ok(Directive::Bind(transport, at.parse().unwrap()))
    }

    const WHITE: Switches = Switches { accesslist: Some(AccessList::White), ..Switches::NONE };
    const BLACK: Switches = Switches { accesslist: Some(AccessList::Black), ..Switches::NONE };

    #[test]
    fn what_comes_first() {
        // what the original does first with each line
        let table = [
            ("-v", Ok(Directive::Version)),
            ("-vx", Ok(Directive::Version)),
            ("-v -x", Ok(Directive::Version)),
            ("-v=3", Ok(Directive::Version)),
            ("-vp", Ok(Directive::Version)),
            ("-hv", Ok(Directive::Help)),
            ("left -v", Ok(Directive::Version)),
            ("- -v", Ok(Directive::Version)),
            (" -v", Ok(Directive::Version)),
            ("-x", Err(Usage)),
            ("-xv", Err(Usage)),
            ("left -x", Err(Usage)),
            ("--v", Err(Usage)),
            ("--version", Err(Usage)),
            ("-: -v", Err(Usage)),
            ("-?", Err(Usage)),
            ("-W x", Err(Usage)),
            ("-p", Err(Usage)),
            ("-i", Err(Usage)),
            ("-p abc", Err(Usage)),
            ("-p +80", Err(Usage)),
            ("-p ", Err(Usage)),
            ("-i nonsense", Err(Usage)),
            ("-i [::1]", Err(Usage)),
            ("-A 1.2.3", Err(Usage)),
            ("-s 9696", Err(Usage)),
            ("-s", Err(Usage)),
            ("-w list", Err(Usage)),
            ("-b list", Err(Usage)),
            ("-r -- -x", Ok(Directive::RedirectUrl(b"--".to_vec()))),
            ("-rfoo", Ok(Directive::RedirectUrl(b"foo".to_vec()))),
            ("-r ", Ok(Directive::RedirectUrl(Vec::new()))),
            ("-d /x", Ok(Directive::RootDirectory("/x".into()))),
            ("-u root", Ok(Directive::User("root".into()))),
            ("-l state", Ok(Directive::StateFile("state".into()))),
            ("-f -v", Ok(Directive::Include("-v".into()))),
            ("-A ::1%eth9", Ok(Directive::Bless("::1/128".parse().unwrap(), Permissions::ALL))),
            ("-A10.0.0.0/8", Ok(Directive::Bless("10.0.0.0/8".parse().unwrap(), Permissions::ALL))),
        ];
        for (line, wanted) in table {
            assert_eq!(plain(line).first(), Some(&wanted), "{line}");
        }
        for line in ["", "left over", "--", "-- -x", "left -- -x -v", "-"] {
            assert_eq!(plain(line), [], "{line}");
        }
    }

    #[test]
    fn ports_are_bound_at_the_address_before_them() {
        assert_eq!(
            plain("-p 1 -i 1.2.3.4x -p80x -P 65536 rest -vi ::1 -p0"),
            [
                bind(Transport::Tcp, "0.0.0.0:1"),
                Ok(Directive::Address("1.2.3.4".parse().unwrap())),
                bind(Transport::Tcp, "1.2.3.4:80"),
                bind(Transport::Udp, "1.2.3.4:6553"),
                Ok(Directive::Version),
                Ok(Directive::Address("::1".parse().unwrap())),
                bind(Transport::Tcp, "[::1]:0"),
            ]
        );
        let v6 = Switches { v6: true, ..Switches::default() };
        assert_eq!(cli(&[b"-p", b"1"], v6), [bind(Transport::Tcp, "[::]:1")]);
        let no_v6 = Switches { v4_only: true, dual_stack: true, ..v6 };
        assert_eq!(
            cli(&[b"-p", b"1", b"-i", b"::1", b"-P", b"2"], no_v6).iter().flatten().last(),
            bind(Transport::Udp, "[::1]:2").as_ref().ok()
        );
        assert_eq!(cli(&[b"-p", b"1"], no_v6), [bind(Transport::Tcp, "0.0.0.0:1")]);
    }

    #[test]
    fn switches_bring_options() {
        let list = |kind| [Ok(Directive::AccessListFile(kind, "l".into()))];
        let any = Switches { accesslist_any: true, ..Switches::NONE };
        for build in [WHITE, any] {
            assert_eq!(cli(&[b"-w", b"l"], build), list(AccessList::White));
        }
        for build in [BLACK, any] {
            assert_eq!(cli(&[b"-bl"], build), list(AccessList::Black));
        }
        assert_eq!(cli(&[b"-w", b"l"], BLACK), [Err(Usage)]);
        assert_eq!(cli(&[b"-b", b"l"], WHITE), [Err(Usage)]);
        let sync = Switches { sync_live: true, ..Switches::default() };
        assert_eq!(
            cli(&[b"-i", b"10.0.0.1", b"-s", b"9"], sync).last(),
            Some(&Ok(Directive::LiveSyncListen("10.0.0.1:9".parse().unwrap())))
        );
        assert_eq!(cli(&[b"-s", b"x"], sync), [Err(Usage)]);
    }

    #[test]
    fn arguments_are_bytes() {
        let bytes = OsString::from_vec(b"\xff\xfe".to_vec());
        assert_eq!(cli(&[b"\xff", b"-d\xff\xfe"], Switches::default()), [Ok(Directive::RootDirectory(bytes.clone()))]);
        assert_eq!(cli(&[b"-l", b"\xff\xfe"], Switches::default()), [Ok(Directive::StateFile(bytes))]);
        assert_eq!(cli(&[b"-\xff"], Switches::default()), [Err(Usage)]);
        assert_eq!(cli(&[b"-v\xff"], Switches::default()), [Ok(Directive::Version), Err(Usage)]);
    }

    #[test]
    fn words_are_read_when_they_are_needed() {
        let mut words = ["-v", "-x"].iter().map(OsString::from);
        let mut cli = Cli::new(words.by_ref(), Switches::default());
        assert_eq!(cli.next(), Some(Ok(Directive::Version)));
        assert_eq!(words.next(), Some("-x".into()));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(words: Vec<Vec<u8>>, near in "(-[a-zA-Z:]{1,3} ?[0-9.:]{0,8} ){0,6}", sync_live: bool) {
            for accesslist in [None, Some(AccessList::White), Some(AccessList::Black)] {
                let switches = Switches { accesslist, sync_live, ..Switches::default() };
                let near: Vec<_> = near.split(' ').map(|word| word.as_bytes().to_vec()).collect();
                for words in [&words, &near] {
                    let read = Cli::new(words.iter().cloned().map(OsString::from_vec), switches).count();
                    prop_assert!(read <= words.iter().map(Vec::len).sum());
                }
            }
        }
    }
}
