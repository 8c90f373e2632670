//! `-t`: what a start would do, and what is wrong with the command line and the config files, without doing any of it.

use crate::harness::{self, Build, Scratch, hash, hex};
use std::net::TcpListener;
use std::process::{Command, Output};

/// A directory with a config file, and what `-t` says of it there.
fn say(config: &str, words: &[&str]) -> (i32, String) {
    let scratch = Scratch::new();
    scratch.write("conf", config.as_bytes());
    scratch.write("list", format!("{}\nnonsense\n# more\n{}\n", hex(&hash(1)), hex(&hash(2))).as_bytes());
    let output = run(&scratch, &[words, &["-f", "conf", "-t"]].concat());
    assert!(output.stdout.is_empty());
    (output.status.code().expect("an exit code"), String::from_utf8(output.stderr).expect("text"))
}

fn run(scratch: &Scratch, words: &[&str]) -> Output {
    let build = Build::under_test();
    // a build with live sync needs an address for it
    let cluster: &[&str] = if build.has("sync-live") { &["-i", "127.0.0.1", "-s", "9696", "-i", "::"] } else { &[] };
    let cluster = if build.has("sync-live") && !build.v6() { &cluster[..4] } else { cluster };
    Command::new(&build.path).args(cluster).args(words).current_dir(scratch.path()).output().expect("the program")
}

#[test]
fn what_is_right_is_said_and_nothing_is_bound() {
    let wildcard = Build::under_test().loopback();
    // somebody has the port: a start could not bind it
    let taken = TcpListener::bind((wildcard, 0)).expect("a listener");
    let address = taken.local_addr().expect("an address");
    let (code, said) = say(&format!("listen.tcp_udp {address}\ntracker.rootdir /\n"), &[]);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(code, 0, "{said}");
    let first = format!(" would listen on {address} (TCP and UDP)");
    assert!(lines[0].starts_with("opentracker ") && lines[0].ends_with(&first), "{said}");
    assert!(lines[1].starts_with("as "), "{said}");
    assert_eq!(lines.last(), Some(&"no problems"), "{said}");
    // the default, and the option at any place before the end of options
    let scratch = Scratch::new();
    for words in [&["-t"][..], &["-t", "-d", "/"], &["-td/"], &["-d", "/", "x", "-t"]] {
        let output = run(&scratch, words);
        assert_eq!(output.status.code(), Some(0), "{words:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(":6969 (TCP and UDP)"), "{words:?}");
    }
}

#[test]
fn every_problem_is_named_with_its_line() {
    let config = "# comment\n\ntracker.usre nobody\nlisten.tcp nowhere\n\ttracker.interval 20\nlisten.udp.workers four\n\
                  tracker.peer_timeout 32\naccess.stats_path\nx\n";
    let (code, said) = say(config, &[]);
    assert_eq!(code, 1);
    let problems: Vec<&str> = said.lines().filter(|line| line.starts_with("conf:")).collect();
    let expected = [
        "conf:3: tracker.usre nobody: no such key; tracker.user was probably meant",
        "conf:4: listen.tcp nowhere: not a value that it takes: an address, or an address and a port as in 192.0.2.1:80 or \
         [2001:db8::1]:80",
        "conf:5: tracker.interval 20: not a value that it takes: a number from 300 to 10800, so that peers stay for longer \
         (tracker.peer_timeout)",
        "conf:6: listen.udp.workers four: the value is no number",
        "conf:7: tracker.peer_timeout 32: not a value that it takes: a number from 6 to 720, above the interval \
         (tracker.interval)",
        "conf:8: access.stats_path: no value follows the key",
        "conf:9: x: no such key",
    ];
    assert_eq!(problems, expected);
    assert!(said.ends_with("6 problems\n"), "{said}");
}

#[test]
fn a_doubtful_line_is_named_and_no_problem() {
    let (code, said) = say("tracker.redirect_url http://a/ b\n", &[]);
    assert_eq!(code, 0);
    assert!(
        said.contains("conf:1: tracker.redirect_url http://a/ b: blanks are part of the value\nno problems\n"),
        "{said}"
    );
}

#[test]
fn files_that_are_not_there_are_problems() {
    for (words, what) in [
        (["-f", "nowhere"], "nowhere: No such file or directory\n1 problem\n"),
        (["-d", "/nowhere"], "root directory /nowhere: No such file or directory\n1 problem\n"),
        (["-l", "/nowhere"], "state file /nowhere: No such file or directory\n1 problem\n"),
    ] {
        let (code, said) = say("", &words);
        assert_eq!(code, 1, "{words:?}");
        assert!(said.ends_with(what), "{said}");
    }
}

#[test]
fn users_are_looked_up() {
    if !harness::root_or_skip() {
        return;
    }
    for (user, what) in [
        ("no-such-user", "user no-such-user: there is no such user\n1 problem\n"),
        ("root", "user root: the tracker refuses to serve as root\n1 problem\n"),
        ("nobody", "no problems\n"),
    ] {
        let (_, said) = say("", &["-u", user]);
        assert!(said.ends_with(what), "{said}");
    }
}

#[test]
fn lists_are_counted() {
    let build = Build::under_test();
    let option = match () {
        () if build.has("accesslist-white") || build.has("accesslist-any") => "-w",
        () if build.has("accesslist-black") => "-b",
        () => return harness::for_another_build("needs an access list"),
    };
    // below the root directory, as the tracker reads it
    let scratch = Scratch::new();
    scratch.write("list", format!("{}\nnonsense\n# more\n{}\n", hex(&hash(1)), hex(&hash(2))).as_bytes());
    let directory = scratch.path().to_str().expect("a path").to_owned();
    let (code, said) = say("", &["-d", &directory, option, "list"]);
    assert!(code == 0 && said.contains("list") && said.contains("(2 of its 3 lines count)"), "{said}");
    let (code, said) = say("", &["-d", &directory, option, "nowhere"]);
    assert!(code == 1 && said.contains("access list nowhere: it cannot be read"), "{said}");
}

#[test]
fn a_build_that_cannot_close_says_so() {
    let build = Build::under_test();
    if build.has("accesslist-white") || build.has("accesslist-any") {
        return harness::for_another_build("needs a build without a whitelist");
    }
    let (code, said) = say("access.whitelist list\n", &[]);
    assert_eq!(code, 1);
    assert!(said.contains("it needs the switch accesslist-white or accesslist-any: "), "{said}");
    assert!(said.contains("the tracker would be open to all torrents"), "{said}");
}

#[test]
fn addresses_of_the_other_family_are_problems() {
    if Build::under_test().has("dual-stack") {
        return;
    }
    let (other, family) = if Build::under_test().v6() { ("127.0.0.1:80", "V6") } else { ("[::1]:80", "V4") };
    let (code, said) = say(&format!("listen.tcp {other}\n"), &[]);
    assert_eq!(code, 1);
    assert!(said.contains(&format!("conf:1: listen.tcp {other}: {family} Tracker is {family} only!\n")), "{said}");
}

#[test]
fn what_comes_first_ends_the_program() {
    let scratch = Scratch::new();
    let said = |words: &[&str]| String::from_utf8(run(&scratch, words).stderr).expect("text");
    assert!(said(&["-v", "-t"]).contains("switches: "));
    assert!(said(&["-h", "-t"]).starts_with("Usage: "));
    assert!(said(&["-t", "-x"]).starts_with("Usage: "));
    assert_eq!(run(&scratch, &["-t", "-x"]).status.code(), Some(1));
}
