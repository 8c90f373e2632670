//! One long conversation drawn from a seed, held with our tracker and with the original at the same time: every answer
//! must be the same. `OPENTRACKER_SEED` draws another conversation, `OPENTRACKER_STEPS` makes it longer.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use crate::harness::canonical::{self, Families, Options, latin1};
use crate::harness::draw::{self, Draw, NEVER_ANNOUNCED, Sources, Step, TORRENTS};
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
    converse(original, draw::V4);
}

#[test]
fn a_long_conversation_over_both_families_goes_as_with_the_original() {
    if !harness::built_with("dual-stack") {
        return harness::for_another_build("one for both families");
    }
    let Some(original) = Build::original_for_both_families() else {
        return harness::skipped("the original's 1.0 line is not there to compare with: .ci/original-1.0");
    };
    converse(original, draw::BOTH);
}

/// Holds the conversation with clients at these addresses.
fn converse(original: Build, sources: Sources) {
    let build = Build::under_test();
    let is_alike = |switch: &String| original.has(switch) || ALIKE.contains(&switch.as_str());
    if !build.has("fullscrape")
        || build.has("dual-stack") != original.has("dual-stack")
        || !build.features.iter().all(is_alike)
    {
        return harness::for_another_build("the original was built otherwise");
    }
    let number = |name: &str, default| std::env::var(name).map_or(default, |text| text.parse().expect("a number"));
    let seed = number("OPENTRACKER_SEED", SEED);
    let steps = number("OPENTRACKER_STEPS", STEPS);
    println!("OPENTRACKER_SEED={seed} OPENTRACKER_STEPS={steps}");

    let mut draw = Draw(seed);
    let mut ours = Side::start(build, sources);
    let mut theirs = Side::start(original, sources);
    // Torrents that lose their last peer leave when a minute has passed, and the minutes of two programs need not be
    // the same: so every swarm has one peer that stays.
    for n in 0..TORRENTS {
        let request = format!("/announce?info_hash={}&port=9&left={}", percent(&hash(n)), n % 2);
        compare(&Step::Http(0, http::get_request(&request)), &mut ours, &mut theirs).unwrap();
    }
    let mut wrong = Vec::new();
    for number in 0..steps {
        let step = draw.step();
        if sources == draw::BOTH && is_mended(&step) {
            continue;
        }
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
    sources: Sources,
    clients: Vec<udp::Client>,
}

impl Side {
    fn start(build: Build, sources: Sources) -> Self {
        let mut starter = Starter::of(build.clone()).allow((0..TORRENTS + NEVER_ANNOUNCED).map(hash));
        if build.has("dual-stack") {
            starter = starter.on_all();
        }
        if build.has("restrict-stats") {
            // Statistics are for everybody here, as they are without that switch.
            starter = starter.args(sources.iter().flat_map(|source| ["-A".to_string(), source.to_string()]));
        }
        let tracker = starter.start();
        let client =
            |source: &IpAddr| udp::Client::new(near(*source, tracker.udp_address()), *source).expect("a socket");
        let clients = sources.iter().map(client).collect();
        Self { tracker, sources, clients }
    }

    fn play(&mut self, step: &Step, options: Options) -> String {
        match step {
            Step::Http(source, request) => {
                let source = self.sources[*source];
                match http::exchange(near(source, self.tracker.tcp_address()), Some(source), request, ANSWER) {
                    Ok(reply) => canonical::http(&reply, options),
                    Err(why) => format!("no connection: {why}"),
                }
            }
            Step::Udp(source, packet, right_id) => {
                let options = Options { is_v6: self.sources[*source].is_ipv6(), ..options };
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

/// Where a client reaches a tracker that listens at this address, or at those of both families.
fn near(source: IpAddr, tracker: SocketAddr) -> SocketAddr {
    if source.is_ipv6() { SocketAddr::new(Ipv6Addr::LOCALHOST.into(), tracker.port()) } else { tracker }
}

/// Plays a step on both sides; an error is how they differ.
fn compare(step: &Step, ours: &mut Side, theirs: &mut Side) -> Result<(), String> {
    let is_dual = ours.tracker.build().has("dual-stack");
    let families = if is_dual { Families::Both } else { Families::V4 };
    let peers_named = Options { families, mask_body: wants_version(step), ..Options::default() };
    let sources = ours.sources;
    // The original was built with compression, which always compresses the pages for indexes.
    // The 1.0 line sends clients of HTTP/1.0 chunks, which they do not understand.
    let same = |text: String| match is_dual {
        true => text.replace("chunks: ", "dump: "),
        false => text.replace("gzip page:", "page:"),
    };
    let (our, their) = [ours, theirs].map(|side| same(side.play(step, peers_named))).into();
    if our == their || same_but_for_the_choice(&our, &their) {
        return Ok(());
    }
    let sent = match step {
        Step::Http(source, request) => format!("{} {:?}", sources[*source], latin1(request)),
        Step::Udp(source, packet, right) => format!("{} {} {right}", sources[*source], harness::hex(packet)),
    };
    Err(format!("{sent}\n    ours     {our:?}\n    original {their:?}"))
}

/// Pages that the 1.0 line answers with nothing, or without the peers of IPv6.
fn is_mended(step: &Step) -> bool {
    const MENDED: [&str; 3] = ["mode=s24s", "mode=woodpeckers", "mode=fulllog"];
    matches!(step, Step::Http(_, request) if MENDED.iter().any(|mode| latin1(request).contains(mode)))
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
        let of_v4 = peers.split(' ').filter(|peer| peer.contains('.')).count();
        let of_v6 = peers.split(' ').filter(|peer| peer.contains("::")).count();
        Some((counts.to_string(), of_v4, of_v6, swarm))
    };
    match (parts(our), parts(their)) {
        (Some(ours), Some(theirs)) => ours == theirs && ours.1 + ours.2 < ours.3,
        _ => false,
    }
}
