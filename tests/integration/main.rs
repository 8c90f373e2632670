//! The integration tests: a tracker is started as a process of its own, and used as clients and operators use it.
//!
//! All suites are modules of one program, so that they are linked once. `harness` is what they share. Names of suites and tests
//! choose what runs: `cargo test --test integration access::`.

mod access;
mod access_mode;
mod ceilings;
mod clients;
mod confinement;
mod connections;
mod conversations;
mod differential;
mod dry_run;
mod dual;
mod exporters;
mod harness;
mod health;
mod keepalive;
mod layout;
mod list_changes;
mod livesync;
mod long_answers;
mod makefile;
mod memory;
mod metrics;
mod operators;
mod process;
mod refusals;
mod service_manager;
mod settings;
mod signals;
mod soak;
mod syslog;
mod terminal;
mod time;
mod wall_clock;
mod workers;
