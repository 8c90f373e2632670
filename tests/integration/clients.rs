//! Real BitTorrent clients find each other by the tracker alone and exchange a file.
//!
//! DHT, peer exchange and local discovery are off, and the torrents are private, so that nothing else can bring them
//! together.

use std::ffi::OsString;
use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::harness::{self, Scratch, Starter, Tracker, eventually, proc, splitmix, within};
use sha1::{Digest, Sha1};

/// Bytes of the file: some pieces, and one that is not full.
const SIZE: usize = 700_001;

/// Bytes of a piece.
const PIECE: usize = 65_536;

/// Name of the file.
const NAME: &str = "data.bin";

/// How long clients may take: some wait seconds between what they do.
const EXCHANGE: Duration = Duration::from_secs(180);

/// How clients talk to the tracker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Http,
    Udp,
}

#[test]
fn aria2_over_http() {
    aria2(Protocol::Http);
}

#[test]
fn aria2_over_udp() {
    aria2(Protocol::Udp);
}

#[test]
fn transmission_over_http() {
    transmission(Protocol::Http);
}

#[test]
fn transmission_over_udp() {
    transmission(Protocol::Udp);
}

/// Two of aria2 on the loopback interface.
fn aria2(protocol: Protocol) {
    let Some(program) = installed("aria2c") else { return };
    if !harness::ipv4_or_skip() {
        return;
    }
    let data = data();
    let starter = Starter::new();
    let torrent = Torrent::new(&data, &url(protocol, &starter));
    let tracker = starter.allow([torrent.hash]).start();
    let place = Place::new(&data, &torrent);

    let start = |directory: &Path| {
        let mut command = Command::new(&program);
        command.args(aria2_words(directory)).arg("--disable-ipv6=true").arg(place.torrent());
        Client::start(command, directory)
    };
    let _seeder = start(&place.from());
    eventually("the seeder has announced itself", || tracker.get("/stats?mode=peer").text().starts_with("1\n1\n"));
    let leecher = start(&place.to());
    place.wait_for_the_file(&data, &leecher);
    eventually("the download is counted", || tracker.get("/stats?mode=completed").text().starts_with("1\n"));
    eventually("both are seeders now", || tracker.get("/stats?mode=peer").text().starts_with("2\n2\n"));
}

/// Words for aria2 to share what is in a directory.
fn aria2_words(directory: &Path) -> Vec<String> {
    // UDP trackers are asked through the socket of the DHT, which has no part in private torrents.
    let fixed = "--no-conf --enable-dht=true --enable-dht6=false --enable-peer-exchange=false --bt-enable-lpd=false \
                 --file-allocation=none --console-log-level=warn --check-integrity=true --seed-ratio=0.0";
    let own = [
        format!("--listen-port={}", free_port()),
        format!("--dht-listen-port={}", free_port()),
        format!("--dht-file-path={}/dht.dat", directory.display()),
        format!("--dir={}", directory.display()),
    ];
    fixed.split_whitespace().map(str::to_string).chain(own).collect()
}

/// A seeder that the tracker knows by an IPv4 address, and a leecher that it knows by an IPv6 address: that they find each other is due to
/// answers over HTTP with peers of both families. In a network of their own, where there is an IPv6 address besides that of loopback.
#[test]
fn aria2_of_both_families() {
    if !harness::built_with("dual-stack") {
        return harness::for_another_build("one for both families");
    }
    let Some(program) = installed("aria2c") else { return };
    if !harness::root_or_skip() {
        return;
    }
    let data = data();
    let setup = "ip link set lo up && ip addr add 10.99.0.1/32 dev lo && ip addr add 2001:db8::1/128 dev lo nodad && exec \"$0\" \"$@\"";
    let starter = Starter::new().wrap(["unshare", "--net", "sh", "-c", setup]).bare();
    let config = format!("listen.tcp_udp [::]:7000\ntracker.rootdir {}\n", starter.scratch().path().display());
    let [v4, v6] = ["10.99.0.1", "[2001:db8::1]"].map(|at| Torrent::new(&data, &format!("http://{at}:7000/announce")));
    let starter = starter.allow([v4.hash]).file("conf", config.as_bytes());
    let words = starter.words_of_the_build();
    let tracker = starter.args(["-f", "conf"]).args(words).spawn();
    eventually("the tracker listens", || listens(&tracker));
    let place = Place::new(&data, &v4);

    let start = |directory: &Path, torrent: &Torrent| {
        let file = directory.join("torrent");
        std::fs::write(&file, &torrent.file).expect("the torrent");
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/proc/{}/ns/net", tracker.pid())).arg("--").arg(&program);
        command.args(aria2_words(directory)).arg(file);
        Client::start(command, directory)
    };
    let _seeder = start(&place.from(), &v4);
    let leecher = start(&place.to(), &v6);
    place.wait_for_the_file(&data, &leecher);
}

/// Two of Transmission, which takes no peers on the loopback network: in a network of their own with other addresses.
fn transmission(protocol: Protocol) {
    let Some(program) = installed("transmission-cli") else { return };
    if !harness::ipv4_or_skip() || !harness::root_or_skip() {
        return;
    }
    let data = data();
    let address = |n| Ipv4Addr::new(10, 99, 0, n);
    let setup = "ip link set lo up && for n in 1 2 3; do ip addr add 10.99.0.$n/32 dev lo; done && exec \"$0\" \"$@\"";
    let starter = Starter::new().wrap(["unshare", "--net", "sh", "-c", setup]).bare();
    let at = format!("{}:7000", address(1));
    let config = format!("listen.tcp_udp {at}\ntracker.rootdir {}\n", starter.scratch().path().display());
    let scheme = if protocol == Protocol::Udp { "udp" } else { "http" };
    let torrent = Torrent::new(&data, &format!("{scheme}://{at}/announce"));
    let starter = starter.allow([torrent.hash]).file("conf", config.as_bytes());
    let words = starter.words_of_the_build();
    let tracker = starter.args(["-f", "conf"]).args(words).spawn();
    eventually("the tracker listens", || listens(&tracker));
    let place = Place::new(&data, &torrent);

    let start = |directory: &Path, n: u8| {
        let settings = format!(
            r#"{{"dht-enabled":false,"pex-enabled":false,"lpd-enabled":false,"utp-enabled":false,"rpc-enabled":false,
            "port-forwarding-enabled":false,"bind-address-ipv4":"{}","bind-address-ipv6":"::1"}}"#,
            address(n)
        );
        let home = directory.join("settings");
        std::fs::create_dir(&home).expect("a directory");
        std::fs::write(home.join("settings.json"), settings).expect("its settings");
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/proc/{}/ns/net", tracker.pid())).arg("--").arg(&program);
        command.args(["-M", "-v", "-p", &format!("710{n}"), "-g"]).arg(&home).arg("-w").arg(directory);
        command.arg(place.torrent()).env("HOME", &home);
        Client::start(command, directory)
    };
    let _seeder = start(&place.from(), 2);
    let leecher = start(&place.to(), 3);
    place.wait_for_the_file(&data, &leecher);
}

/// Whether the tracker has its TCP socket: it is the only one in its network.
fn listens(tracker: &Tracker) -> bool {
    let table = |name| std::fs::read_to_string(format!("/proc/{}/net/{name}", tracker.pid())).unwrap_or_default();
    // Port 7000.
    ["tcp", "tcp6"].iter().any(|name| table(name).contains(":1B58 ")) && proc::descriptors(tracker.pid()) > 3
}

/// A program's path, or `None`, and the reason is noted.
fn installed(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|directory| directory.join(program)).find(|file| file.exists());
    if found.is_none() {
        harness::skipped(&format!("{program} is not installed"));
    }
    found
}

fn url(protocol: Protocol, starter: &Starter) -> String {
    match protocol {
        Protocol::Http => format!("http://{}/announce", starter.tcp_address()),
        Protocol::Udp => format!("udp://{}/announce", starter.udp_address()),
    }
}

/// A port for a client, which listens on all addresses.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// What the file holds.
fn data() -> Vec<u8> {
    let mut state = 1;
    (0..SIZE).map(|_| (splitmix(&mut state) >> 32) as u8).collect()
}

/// A torrent of one file (BEP 3), private (BEP 27).
struct Torrent {
    file: Vec<u8>,
    hash: [u8; 20],
}

impl Torrent {
    fn new(data: &[u8], announce: &str) -> Self {
        let pieces: Vec<u8> = data.chunks(PIECE).flat_map(|piece| Sha1::digest(piece).to_vec()).collect();
        let mut info = format!("d6:lengthi{}e4:name{}:{NAME}", data.len(), NAME.len()).into_bytes();
        info.extend(format!("12:piece lengthi{PIECE}e6:pieces{}:", pieces.len()).bytes());
        info.extend(pieces);
        info.extend(b"7:privatei1ee");
        let hash = Sha1::digest(&info).into();
        let mut file = format!("d8:announce{}:{announce}4:info", announce.len()).into_bytes();
        file.extend(info);
        file.push(b'e');
        Self { file, hash }
    }
}

/// Where the file is at first, and where it shall be.
struct Place(Scratch);

impl Place {
    fn new(data: &[u8], torrent: &Torrent) -> Self {
        let place = Self(Scratch::new());
        for directory in [place.from(), place.to()] {
            std::fs::create_dir(directory).expect("a directory");
        }
        std::fs::write(place.from().join(NAME), data).expect("the file");
        std::fs::write(place.torrent(), &torrent.file).expect("the torrent");
        place
    }

    fn from(&self) -> PathBuf {
        self.0.path().join("from")
    }

    fn to(&self) -> PathBuf {
        self.0.path().join("to")
    }

    fn torrent(&self) -> PathBuf {
        self.0.path().join("data.torrent")
    }

    #[track_caller]
    fn wait_for_the_file(&self, data: &[u8], leecher: &Client) {
        let file = self.to().join(NAME);
        let here = within(EXCHANGE, || {
            let whole = std::fs::metadata(&file).is_ok_and(|meta| meta.len() == SIZE as u64);
            (whole && std::fs::read(&file).is_ok_and(|bytes| bytes == data)).then_some(())
        });
        assert!(here.is_some(), "the file did not arrive within {EXCHANGE:?}; the client wrote:\n{}", leecher.output());
    }
}

/// A running client. It is killed when the value is dropped.
struct Client {
    child: Child,
    log: PathBuf,
}

impl Client {
    fn start(mut command: Command, directory: &Path) -> Self {
        let log = directory.join("log");
        let file = File::create(&log).expect("a file for its output");
        command.stdin(Stdio::null()).stdout(file.try_clone().expect("a second handle")).stderr(file);
        // Proxies are for other networks.
        for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"].map(OsString::from) {
            command.env_remove(name);
        }
        Self { child: command.spawn().expect("the client"), log }
    }

    fn output(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
