//! The steps of a start, top to bottom.

use opentracker::access::Loader;
use opentracker::features::{DYNAMIC_ACCESSLIST, HAS_ACCESS_LIST, METRICS, SYSLOGS, Served};
use opentracker::limits::{ANSWER_PIECE, MEMORY_RESERVE, UDP_RECEIVE_BUFFER};
use opentracker::server::{Opened, Server};
use opentracker::start::{Exit, MemoryShares, Start, last_line, print_error, restore};
use opentracker::start::{health, self_check};
use opentracker::sys::clock::Clock;
use opentracker::sys::failure::Failure;
use opentracker::sys::headroom::headroom;
use opentracker::sys::process::Process;
use opentracker::sys::service_manager::ServiceManager;
use opentracker::sys::signals::{self, Signal, Signals};
use opentracker::sys::stderr;
use opentracker::sys::syslog::SystemLog;
use opentracker::sys::{handed, memory};
use opentracker::sys::{randomness, resources};
use opentracker::tracker::{Now, Tracker};
use std::io::{self, IsTerminal};
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(Signal::Terminate) => {
            signals::terminate();
            ExitCode::from(signals::TERMINATED)
        }
        Ok(_) => ExitCode::SUCCESS,
        Err(exit) => {
            print_error(&exit.message);
            ExitCode::from(exit.code)
        }
    }
}

/// Starts and serves until a signal ends it, which is returned.
fn run() -> Result<Signal, Exit> {
    let words: Vec<_> = std::env::args_os().collect();
    if let Some(exit) = health::check(&words) {
        return Err(exit);
    }
    // pieces of long answers would not go back from below something small that stays
    memory::tune(ANSWER_PIECE);
    // the first descriptors and the environment, before anything else has some
    let (handed, useless) = handed::take_sockets(UDP_RECEIVE_BUFFER);
    useless.iter().for_each(|message| print_error(message.as_bytes()));
    let manager = service_manager();
    let signals = Signals::new()?;
    let clock = Clock::new().map_err(Failure::of("starting the clock"))?;
    let mut start = Start::from_command_line(words, handed)?;
    let descriptors = resources::raise_descriptor_limit();
    let warnings = self_check::warnings(&start.sockets, descriptors);
    warnings.iter().for_each(|warning| stderr::write_line(warning));
    let seed = seed()?;
    // its place may be out of reach from the root directory
    let log = SYSLOGS.then(SystemLog::open);
    let process = METRICS.then(Process::open).flatten();
    // with secrets of its own, for which some systems have a file only
    let mut tracker = Tracker::<Served>::new(start.settings.clone(), seed);
    tracker.bless(std::mem::take(&mut start.blessings));
    let headroom = headroom();
    start.drop_privileges()?;
    let summary = io::stderr().is_terminal().then(|| start.summary());

    let mut loader = HAS_ACCESS_LIST
        .then(|| Loader::start(std::mem::take(&mut start.access_list)))
        .transpose()
        .map_err(Failure::of("making a pipe"))?;
    if let Some(loader) = &mut loader {
        loader.load_first(tracker.access_list(), clock.unix_seconds());
    }
    let pipes = start.open_pipes();
    let access_list = tracker.access_list().bytes();
    let shares = MemoryShares::new(start.max_memory, headroom, access_list, DYNAMIC_ACCESSLIST);
    shares.impose(&mut tracker, &mut start.sockets.connections);
    // where there is not even that, memory is short from the start
    memory::set_aside(MEMORY_RESERVE);
    tracker.set_limits(start.limits);
    if let Some(file) = &start.state_file {
        let up = clock.now();
        let now = Now { unix: clock.unix_seconds(), steady: clock.steady_seconds(up), up };
        restore(&mut tracker, file, now);
    }
    resources::sharpen_waits();
    let opened = Opened { log, process };
    let serving =
        Server::new(clock.clone(), signals, start.sockets, tracker, loader, pipes, opened)?.report_to(manager);
    summary.iter().for_each(|text| stderr::write_line(text));
    let signal = serving.run()?;
    summary.iter().for_each(|_| stderr::write_line(&last_line(clock.now())));
    Ok(signal)
}

/// The service manager that wants to know how the tracker fares, if there is one.
fn service_manager() -> Option<ServiceManager> {
    ServiceManager::from_environment().unwrap_or_else(|message| {
        print_error(message.as_bytes());
        None
    })
}

/// Random numbers from the system to draw others from.
fn seed() -> Result<[u64; 2], Exit> {
    let mut bytes = [[0; 8]; 2];
    for half in &mut bytes {
        randomness::fill(half)?;
    }
    Ok(bytes.map(u64::from_ne_bytes))
}
