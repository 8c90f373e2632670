//! Load generator and side-by-side bench for BitTorrent trackers. benches/README.md describes the method.

mod driver;
mod echo;
mod floods;
mod growth;
mod histogram;
mod http;
mod meter;
mod packets;
mod picture;
mod plan;
mod random;
mod report;
mod servers;
mod sys;
mod turns;
mod udp;

use growth::Growth;
use plan::Effort;
use servers::{Places, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const USAGE: &str = "\
load [--quick] [--only ROW] [--servers TITLES] [--growth] [--expiry] [--rounds N] [--millis N] [--out DIR] [--no-build]
     [--ours FILE] [--keepalive FILE] [--dual FILE] [--turns FILE] [--clock FILE] [--original FILE] [--original-dual FILE]
     [--aquatic FILE] [--other FILE]

Measures trackers side by side and writes results.md, results.json and results.svg to DIR (default: the benches
directory, whose README.md gets the table too).
  --quick      less than two minutes: fewer rounds, smaller swarms
  --only ROW   rows whose key begins so (udp, open, http, scrape, connect, mix, flight, dual, workers); `none` for no rows
  --servers    only these, as the table calls them, with a semicolon between: 'floor;ours;original, 1 worker'
  --floods     floods, and nothing else: honest clients beside clients that do what they should not; writes floods.md. --only WORDS:
               the rows with these words
  --growth     also growth, memory, longest waits and turns (full runs without --only always do)
  --expiry     also the turns while all torrents expire, in a build with a movable clock (some four minutes)
  --rounds N, --millis N   other rounds and times than --quick or the full run have
  --no-build   take the programs that are there
  --ours ...   other programs than target/release/opentracker, /usr/bin/opentracker, aquatic_udp on the PATH,
               and the original's 1.0 line where .ci/original-1.0 has put it
  --other FILE   a second build of ours, as one more column: what a change does
";

/// The markers in README.md between which the table is.
const MARKS: [&str; 2] = ["<!-- results -->\n", "<!-- end of results -->"];

struct Options {
    effort: Effort,
    only: Option<String>,
    growth: bool,
    expiry: bool,
    floods: bool,
    build: bool,
    out: PathBuf,
    servers: Vec<String>,
    programs: [Option<PathBuf>; 9],
}

fn options(words: &[String]) -> Result<Options> {
    let benches = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_path_buf();
    let quick = words.iter().any(|word| word == "--quick");
    let effort = if quick { Effort::QUICK } else { Effort::FULL };
    let mut options = Options {
        effort,
        only: None,
        growth: false,
        expiry: false,
        floods: false,
        build: true,
        out: benches,
        servers: Vec::new(),
        programs: Default::default(),
    };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().cloned().ok_or_else(|| format!("{word} wants a value\n{USAGE}"));
        match word.as_str() {
            "--quick" => {}
            "--growth" => options.growth = true,
            "--expiry" => options.expiry = true,
            "--floods" => options.floods = true,
            "--no-build" => options.build = false,
            "--only" => options.only = Some(value()?),
            "--servers" => options.servers = value()?.split(';').map(String::from).collect(),
            "--rounds" => options.effort.rounds = value()?.parse::<usize>()?.max(1),
            "--millis" => options.effort.time = std::time::Duration::from_millis(value()?.parse()?),
            "--out" => options.out = value()?.into(),
            "--ours" => options.programs[0] = Some(value()?.into()),
            "--keepalive" => options.programs[1] = Some(value()?.into()),
            "--clock" => options.programs[2] = Some(value()?.into()),
            "--original" => options.programs[3] = Some(value()?.into()),
            "--aquatic" => options.programs[4] = Some(value()?.into()),
            "--other" => options.programs[5] = Some(value()?.into()),
            "--turns" => options.programs[6] = Some(value()?.into()),
            "--dual" => options.programs[7] = Some(value()?.into()),
            "--original-dual" => options.programs[8] = Some(value()?.into()),
            _ => return Err(USAGE.into()),
        }
    }
    options.growth |= options.only.is_none() && !quick && !options.floods;
    Ok(options)
}

/// Builds ours in one of its forms, with flags for the compiler added to those that were asked for; None where it does not build.
fn build(root: &Path, directory: &str, arguments: &[&str], flags: &str) -> Option<PathBuf> {
    let target = root.join("target").join(directory);
    let mut command = Command::new("cargo");
    command.current_dir(root).args(["build", "--release", "--quiet", "--bin", "opentracker", "--target-dir"]);
    if !flags.is_empty() {
        command.env("RUSTFLAGS", std::env::var("RUSTFLAGS").unwrap_or_default() + " " + flags);
    }
    let done = command.arg(&target).args(arguments).status().is_ok_and(|status| status.success());
    done.then(|| target.join("release/opentracker"))
}

fn on_path(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|directory| directory.join(name)).find(|path| path.exists())
}

fn places(options: &Options) -> Result<Places> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = manifest.ancestors().nth(2).ok_or("no package above the bench")?;
    let [ours, keepalive, clock, original, aquatic, other, turns, dual, original_dual] = options.programs.clone();
    let there = |path: PathBuf| path.exists().then_some(path);
    let form = |directory: &str, arguments: &[&str], flags: &str| {
        if options.build {
            build(root, directory, arguments, flags)
        } else {
            there(root.join("target").join(directory).join("release/opentracker"))
        }
    };
    let movable = ["--config", "profile.release.debug-assertions=true"];
    let cores = std::thread::available_parallelism()?.get();
    let timed = "--cfg opentracker_turns";
    let turns = if options.growth { turns.or_else(|| form("bench-turns", &[], timed)) } else { None };
    let clock = if options.expiry { clock.or_else(|| form("bench-clock", &movable, timed)) } else { None };
    const LISTED: &[&str] =
        &["--no-default-features", "--features", "fullscrape compression-gzip accesslist-white restrict-stats syslogs"];
    let listed = if options.floods { form("bench-listed", LISTED, "") } else { None };
    let unless_floods = |program: Option<PathBuf>, make: &dyn Fn() -> Option<PathBuf>| {
        if options.floods { None } else { program.or_else(make) }
    };
    Ok(Places {
        other,
        listed,
        ours: unless_floods(ours, &|| form("", &[], "")),
        keepalive: unless_floods(keepalive, &|| form("bench-keepalive", &["--features", "keepalive"], "")),
        turns,
        clock,
        dual: unless_floods(dual, &|| form("bench-dual", &["--features", "dual-stack"], "")),
        original_dual: original_dual.or_else(|| there(root.join("target/original-1.0/opentracker"))),
        original: original.or_else(|| there("/usr/bin/opentracker".into())),
        aquatic: aquatic.or_else(|| on_path("aquatic_udp")),
        chosen: options.servers.clone(),
        scratch: servers::scratch()?,
        server_cores: vec![0],
        all_cores: (0..cores).collect(),
    })
}

fn bench(options: &Options) -> Result<()> {
    fs::create_dir_all(&options.out)?;
    let places = places(options)?;
    sys::raise_descriptors();
    let loads: Vec<usize> = places.all_cores.iter().copied().filter(|core| *core != 0).collect();
    sys::stay_on(if loads.is_empty() { &places.all_cores } else { &loads });
    if options.floods {
        places.write_whitelist(10_000, floods::MANY)?;
        floods::run(&places, options.effort.quick, options.only.as_deref(), &options.out)?;
        return Ok(fs::remove_dir_all(&places.scratch)?);
    }
    let groups = plan::groups(options.effort);
    places.write_whitelist(groups.iter().map(|group| group.swarms.torrents).max().unwrap_or(1), 0)?;
    let mut results = Vec::new();
    for group in &groups {
        results.extend(driver::run(&places, group, options.effort, options.only.as_deref())?);
    }
    let mut growth = if options.growth { growth::run(&places, options.effort)? } else { Growth::default() };
    for (wanted, phase) in [(options.growth, turns::growing as turns::Phase), (options.expiry, turns::expiring)] {
        if wanted {
            phase(&places, options.effort, &mut growth).unwrap_or_else(|error| eprintln!("left out: {error}"));
        }
    }
    fs::remove_dir_all(&places.scratch)?;
    let table = report::markdown(&results, &growth);
    print!("{table}");
    fs::write(options.out.join("results.md"), &table)?;
    fs::write(options.out.join("results.json"), report::json(&results, &growth))?;
    fs::write(options.out.join("results.svg"), picture::svg(&results))?;
    let readme = options.out.join("README.md");
    let text = fs::read_to_string(&readme).unwrap_or_default();
    let parts = text.split_once(MARKS[0]).and_then(|(before, rest)| Some((before, rest.split_once(MARKS[1])?.1)));
    if let Some((before, after)) = parts {
        fs::write(readme, format!("{before}{}\n{table}\n{}{after}", MARKS[0], MARKS[1]))?;
    }
    Ok(())
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["echo", port, bytes] => match (port.parse(), bytes.parse()) {
            (Ok(port), Ok(bytes)) => echo::run(port, bytes).map_err(Into::into),
            _ => Err(USAGE.into()),
        },
        _ => options(&words).and_then(|options| bench(&options)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
