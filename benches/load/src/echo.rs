//! The floor: a server that receives and sends as many bytes as a tracker would, in batches, and does nothing else.

use crate::histogram::Histogram;
use crate::sys::{self, Datagrams};
use crate::turns::VARIABLE;
use std::ffi::OsString;
use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::Instant;

/// Turns after which their times are written down.
const TURNS_WRITTEN: u64 = 256;

/// Answers for ever: connects with 16 bytes, scrapes with what they are due, announces with `announce_bytes`.
pub fn run(port: u16, announce_bytes: usize) -> io::Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, port))?;
    sys::enlarge(&socket, 8 << 20);
    let mut batch = Datagrams::new(2048);
    let mut turn = |blocking: bool| {
        batch.receive(&socket, blocking);
        batch.answer(|packet| match packet.get(8..12) {
            Some([0, 0, 0, 0]) => 16,
            Some([0, 0, 0, 2]) => 8 + (packet.len() - 16) / 20 * 12,
            _ => announce_bytes,
        });
        batch.send(&socket);
    };
    match std::env::var_os(VARIABLE) {
        Some(file) => timed(&socket, &file, || turn(false)),
        None => loop {
            turn(true);
        },
    }
}

/// Takes the time of each turn as our tracker does.
fn timed(socket: &UdpSocket, file: &OsString, mut turn: impl FnMut()) -> io::Result<()> {
    let mut next = file.clone();
    next.push(".next");
    let [mut wall, mut processor] = [Histogram::default(), Histogram::default()];
    loop {
        sys::wait(socket);
        let began = (Instant::now(), sys::processor_time());
        turn();
        processor.add(sys::processor_time() - began.1);
        wall.add(began.0.elapsed());
        if wall.count() % TURNS_WRITTEN == 0 {
            let words: Vec<u8> = wall.words().chain(processor.words()).flat_map(u64::to_ne_bytes).collect();
            // Whoever reads it finds all of it at any time.
            std::fs::write(&next, words)?;
            std::fs::rename(&next, file)?;
        }
    }
}
