//! What is wrong with a line of a config file, for an operator who asks before the tracker starts (`-t`).

use super::file::Problem;
use super::keys;
use super::{AccessList, Switches};
use crate::address::is_space;

/// How far from a key a word may be to have been meant for it: so many letters more, fewer or other ones.
const NEAR: usize = 3;

/// Builds with one switch more than none, by its name.
const SWITCHES: [(&str, Switches); 9] = [
    ("fullscrape", Switches { fullscrape: true, ..Switches::NONE }),
    ("accesslist-white", Switches { accesslist: Some(AccessList::White), ..Switches::NONE }),
    ("accesslist-black", Switches { accesslist: Some(AccessList::Black), ..Switches::NONE }),
    ("accesslist-any", Switches { accesslist_any: true, ..Switches::NONE }),
    ("dynamic-accesslist", Switches { dynamic_accesslist: true, ..Switches::NONE }),
    ("sync-live", Switches { sync_live: true, ..Switches::NONE }),
    ("metrics", Switches { metrics: true, ..Switches::NONE }),
    ("restrict-stats", Switches { restrict_stats: true, ..Switches::NONE }),
    ("ip-from-proxy", Switches { ip_from_proxy: true, ..Switches::NONE }),
];

/// Says what is wrong with a line in a build with these switches.
pub fn of(problem: &Problem, switches: &Switches) -> String {
    match problem {
        Problem::Unhandled(line) => unhandled(line.trim_ascii_start(), switches),
        Problem::Parse(line) => {
            let name = String::from_utf8_lossy(first_word(line.trim_ascii_start())).into_owned();
            format!("not a value that it takes: {}", wanted(&name))
        }
        Problem::Doubtful(doubt, _) => doubt.what().to_owned(),
    }
}

/// Whether a problem keeps a line from having an effect.
pub fn is_grave(problem: &Problem) -> bool {
    !matches!(problem, Problem::Doubtful(..))
}

fn unhandled(line: &[u8], switches: &Switches) -> String {
    let word = first_word(line);
    let name = String::from_utf8_lossy(word).into_owned();
    if keys::find(word, switches).is_some() {
        return "no value follows the key".into();
    }
    let needed: Vec<&str> =
        SWITCHES.iter().filter(|(_, build)| keys::find(word, build).is_some()).map(|(name, _)| *name).collect();
    if !needed.is_empty() {
        let needed = format!("this build has no such key, it needs the switch {}", needed.join(" or "));
        return if name == "access.whitelist" {
            format!("{needed}: this build cannot serve a list alone, the tracker would be open to all torrents")
        } else {
            needed
        };
    }
    match nearest(word) {
        Some(key) if word.contains(&b'=') => {
            format!("no such key; white space, and no =, stands between {key} and its value")
        }
        Some(key) => format!("no such key; {key} was probably meant"),
        None => "no such key".into(),
    }
}

fn first_word(line: &[u8]) -> &[u8] {
    line.split(|byte| is_space(*byte)).next().unwrap_or_default()
}

/// What values a key takes.
fn wanted(key: &str) -> &'static str {
    match key {
        "tracker.interval" => "a number from 300 to 10800, so that peers stay for longer (tracker.peer_timeout)",
        "tracker.peer_timeout" => "a number from 6 to 720, above the interval (tracker.interval)",
        "tracker.numwant_default" | "tracker.numwant_max" => "a number from 1 to 1000",
        "access.min_port" => "a number up to 65535",
        "access.reject_budget" => "a number",
        "tracker.max_torrents" | "tracker.max_peers" | "tracker.max_peers_per_torrent" => "a number, 1 or more",
        "access.udp_reject_interval" | "access.http_reject_interval" => "a number of seconds, 1 or more",
        "tracker.full_scrape" => "on or off",
        "tracker.max_memory" => "a number, and K, M or G right behind it",
        "access.list_mode" => "white, black or open",
        "access.stats" | "access.proxy" | "livesync.cluster.node_ip" => {
            "an address or a network, with exactly one blank before it"
        }
        _ => "an address, or an address and a port as in 192.0.2.1:80 or [2001:db8::1]:80",
    }
}

/// The key that is nearest to a word, whatever its case, if any is near. A value that follows `=` or `:` is none of it.
fn nearest(word: &[u8]) -> Option<&'static str> {
    let word = word.split(|byte| matches!(byte, b'=' | b':')).next().unwrap_or_default().to_ascii_lowercase();
    let distances = keys::names().map(|key| (distance(&word, key.as_bytes()), key));
    let (distance, key) = distances.min_by_key(|(distance, _)| *distance)?;
    (distance <= NEAR.min(word.len() / 3)).then_some(key)
}

/// How many letters have to be added, removed or replaced to make one word of the other (Levenshtein's distance).
fn distance(one: &[u8], other: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (n, byte) in one.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], n + 1);
        for (at, with) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(byte != with);
            diagonal = row[at + 1];
            row[at + 1] = replaced.min(row[at] + 1).min(diagonal + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::file::ConfigFile;

    fn advice(line: &str, switches: Switches) -> Vec<String> {
        let file = ConfigFile::new(line.as_bytes(), switches);
        file.filter_map(Result::err).map(|problem| of(&problem, &switches)).collect()
    }

    #[test]
    fn what_was_probably_meant() {
        for (line, key) in [
            ("tracker.usre nobody", "tracker.user"),
            ("tracker.rootdirectory /", ""),
            ("Tracker.RootDir /", "tracker.rootdir"),
            ("listen.tpc 1.2.3.4", "listen.tcp"),
            ("listen.udp_tcp 1.2.3.4", ""),
            ("acess.stats-path x", "access.stats_path"),
            ("tracker.intervall 1800", "tracker.interval"),
            ("x y", ""),
            ("interval 1800", ""),
        ] {
            let expected =
                if key.is_empty() { "no such key".into() } else { format!("no such key; {key} was probably meant") };
            assert_eq!(advice(line, Switches::NONE), [expected], "{line}");
        }
        assert!(advice("tracker.user=nobody x", Switches::NONE)[0].contains("no =, stands between tracker.user and"));
        assert_eq!(advice("tracker.user", Switches::NONE), ["no value follows the key"]);
    }

    #[test]
    fn keys_of_other_builds_name_their_switch() {
        let needs = |line: &str| advice(line, Switches::NONE).concat();
        assert!(needs("access.stats 1.2.3.4").ends_with("it needs the switch restrict-stats"));
        assert!(needs("access.blacklist l").ends_with("it needs the switch accesslist-black or accesslist-any"));
        assert!(needs("access.whitelist l").ends_with("the tracker would be open to all torrents"));
        // every key is one of some build, so that none is taken for a mistake
        for key in keys::names() {
            let known = |build: &Switches| keys::find(key.as_bytes(), build).is_some();
            assert!(SWITCHES.iter().any(|(_, build)| known(build)), "{key}: add its switch here");
        }
    }

    #[test]
    fn values_that_are_not_taken_are_explained() {
        for (line, what) in [
            ("tracker.interval 20", "300 to 10800"),
            ("tracker.numwant_max x", "1 to 1000"),
            ("tracker.max_memory 1 G", "K, M or G"),
            ("listen.tcp here", "192.0.2.1:80"),
        ] {
            assert!(advice(line, Switches::NONE).concat().contains(what), "{line}");
        }
        assert_eq!(advice("listen.udp.workers four", Switches::NONE), ["the value is no number"]);
    }

    #[test]
    fn distances() {
        for (one, other, expected) in [("", "", 0), ("a", "", 1), ("kitten", "sitting", 3), ("ab", "ba", 2)] {
            assert_eq!(distance(one.as_bytes(), other.as_bytes()), expected);
        }
    }
}
