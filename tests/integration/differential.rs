//! One long conversation drawn from a seed, held with our tracker and with the original at the same time: every answer
//! must be the same. `OPENTRACKER_SEED` draws another conversation, `OPENTRACKER_STEPS` makes it longer.

use std::net::IpAddr;
use std::time::Duration;

use crate::harness::canonical::{self, Options, latin1};
use crate::harness::draw::{Draw, NEVER_ANNOUNCED, SOURCES, Step, TORRENTS};
use crate::harness::{self, Build, SOON, Starter, Tracker, hash, http, percent, udp};

/// The conversation that is held unless another is asked for.
const SEED: u64 = 20_210_823;

/// Its length.
const STEPS: u64 = 20_000;

/// A datagram after each other one whose answer says that the other one's would be there by now.
const SENTINEL: u32 = 0xfeed_0001;

/// How long an answer may take.
const ANSWER: Duration = SOON;

/// Switches with which a tracker still answers as the original does.
const ALIKE: &[&str] = &["fullscrape", "compression-gzip", "accesslist-white", "restrict-stats", "syslogs"];

#[test]
fn a_long_conversation_goes_as_with_the_original() {
    let Some(original) = Build::original() else {
        return harness::skipped("the original is not installed, there is nothing to compare with");
    };
    let build = Build::under_test();
    if !build.has("fullscrape") || build.features.iter().any(|feature| !ALIKE.contains(&feature.as_str())) {
        return harness::for_another_build("the original was built otherwise");
    }
    let number = |name: &str, default| std::env::var(name).map_or(default, |text| text.parse().expect("a number"));
    let seed = number("OPENTRACKER_SEED", SEED);
    let steps = number("OPENTRACKER_STEPS", STEPS);
    println!("OPENTRACKER_SEED={seed} OPENTRACKER_STEPS={steps}");

    let mut draw = Draw(seed);
    let mut ours = Side::start(build);
    let mut theirs = Side::start(original);
    // Torrents that lose their last peer leave when a minute has passed, and the minutes of two programs need not be
    // the same: so every swarm has one peer that stays.
    for n in 0..TORRENTS {
        let request = format!("/announce?info_hash={}&port=1&left={}", percent(&hash(n)), n % 2);
        compare(&Step::Http([127, 0, 0, 77], http::get_request(&request)), &mut ours, &mut theirs).unwrap();
    }
    let mut wrong = Vec::new();
    for number in 0..steps {
        let step = draw.step();
        if let Err(why) = compare(&step, &mut ours, &mut theirs) {
            wrong.push(format!("step {number}: {why}"));
        }
        assert!(theirs.tracker.exited().is_none(), "the original died at step {number}: {step:?}");
        assert!(ours.tracker.exited().is_none(), "our tracker died at step {number}: {step:?}");
        if wrong.len() >= 10 {
            break;
        }
    }
    assert!(wrong.is_empty(), "seed {seed}, {} differences:\n{}", wrong.len(), wrong.join("\n"));
}

/// One of the two trackers and its clients.
struct Side {
    tracker: Tracker,
    clients: Vec<udp::Client>,
}

impl Side {
    fn start(build: Build) -> Self {
        let mut starter = Starter::of(build.clone()).allow((0..TORRENTS + NEVER_ANNOUNCED).map(hash));
        if build.has("restrict-stats") {
            // Statistics are for everybody here, as they are without that switch.
            starter = starter.args(SOURCES.iter().flat_map(|s| ["-A".to_string(), IpAddr::from(*s).to_string()]));
        }
        let tracker = starter.start();
        let clients = SOURCES.iter().map(|source| tracker.udp_from(*source)).collect();
        Self { tracker, clients }
    }

    fn play(&mut self, step: &Step, options: Options) -> String {
        match step {
            Step::Http(source, request) => {
                let source = Some(IpAddr::from(*source));
                match http::exchange(self.tracker.tcp_address(), source, request, ANSWER) {
                    Ok(reply) => canonical::http(&reply, options),
                    Err(why) => format!("no connection: {why}"),
                }
            }
            Step::Udp(source, packet, right_id) => {
                let client = &mut self.clients[*source];
                let mut packet = packet.clone();
                if *right_id {
                    let id = client.id().to_be_bytes();
                    let length = packet.len().min(8);
                    packet[..length].copy_from_slice(&id[..length]);
                }
                let mut sentinel = udp::header(udp::MAGIC, 0);
                sentinel[12..].copy_from_slice(&SENTINEL.to_be_bytes());
                client.send(&packet);
                client.send(&sentinel);
                let mut answers = Vec::new();
                loop {
                    match client.receive(ANSWER) {
                        Some(reply) if reply.get(4..8) == Some(&SENTINEL.to_be_bytes()[..]) => break,
                        Some(reply) => answers.push(canonical::udp(Some(&reply), options)),
                        None => answers.push("and never again".into()),
                    }
                    if answers.len() > 2 {
                        break;
                    }
                }
                answers.join(", ")
            }
        }
    }
}

/// Plays a step on both sides; an error is how they differ.
fn compare(step: &Step, ours: &mut Side, theirs: &mut Side) -> Result<(), String> {
    let peers_named = Options { mask_body: wants_version(step), ..Options::default() };
    // The original was built with compression, which always compresses the pages for indexes.
    let (our, their) = [ours, theirs].map(|side| side.play(step, peers_named).replace("gzip page:", "page:")).into();
    if our == their || same_but_for_the_choice(&our, &their) {
        return Ok(());
    }
    let sent = match step {
        Step::Http(source, request) => format!("{source:?} {:?}", latin1(request)),
        Step::Udp(source, packet, right) => format!("{:?} {} {right}", SOURCES[*source], harness::hex(packet)),
    };
    Err(format!("{sent}\n    ours     {our:?}\n    original {their:?}"))
}

/// What the version is called is a program's own affair.
fn wants_version(step: &Step) -> bool {
    matches!(step, Step::Http(_, request) if latin1(request).contains("version"))
}

/// Whether two announce answers differ only in which peers were chosen, where there were more than wanted.
fn same_but_for_the_choice(our: &str, their: &str) -> bool {
    let parts = |text: &str| {
        let (counts, peers) = text.split_once(" leeching").and_then(|_| text.rsplit_once(": "))?;
        let number = |before: &str| {
            let end = counts.find(before)?;
            counts[..end].rsplit(' ').next()?.parse::<usize>().ok()
        };
        let swarm = number(" seeding")? + number(" leeching")?;
        Some((counts.to_string(), peers.split(' ').count(), swarm))
    };
    match (parts(our), parts(their)) {
        (Some(ours), Some(theirs)) => ours == theirs && ours.1 < ours.2,
        _ => false,
    }
}
