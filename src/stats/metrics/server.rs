//! The metrics that the server knows: connections, sockets, the loop, the process.

use super::format::{Kind, Page};
use crate::stats::counters::Counters;
use crate::stats::figures::{Gauges, LongAnswers, Process, UdpSocket};
use crate::stats::histogram::Histogram;
use std::fmt::Display;

pub(super) fn connections(page: &mut Page<'_>, counted: &Counters, gauges: &Gauges) {
    let waiting = &gauges.connections;
    let help = "HTTP connections that wait: for a request, for the client to take its answer, for the client to close.";
    page.metric("opentracker_http_connections", Kind::Gauge, help);
    for (state, count) in [
        ("request", waiting.request),
        ("answer", waiting.short_answer),
        ("long_answer", waiting.long_answer),
        ("close", waiting.close),
    ] {
        page.sample(&[("state", &state)], count);
    }
    page.gauge("opentracker_http_connections_limit", waiting.most, "HTTP connections that may wait at a time.");
    page.gauge("opentracker_http_connection_bytes", waiting.bytes, "Memory of waiting HTTP connections.");
    let help = "Memory that waiting HTTP connections may take.";
    page.gauge("opentracker_http_connection_limit_bytes", waiting.most_bytes, help);
    let help = "HTTP connections closed because they took too long.";
    page.counter("opentracker_http_timeouts_total", counted.detail.connections_late, help);
}

pub(super) fn answers(page: &mut Page<'_>, answers: &LongAnswers) {
    page.gauge("opentracker_long_answers", answers.count, "Full scrapes and other long answers in the making.");
    page.gauge("opentracker_long_answers_waiting", answers.waiting, "Those of them that wait for room.");
    page.gauge("opentracker_long_answer_bytes", answers.bytes, "Memory of long answers.");
    page.gauge("opentracker_long_answer_limit_bytes", answers.most_bytes, "Memory that long answers may take.");
}

pub(super) fn sockets(page: &mut Page<'_>, gauges: &Gauges) {
    let own = gauges.udp.iter().map(|socket| ("tracker", socket));
    let all: Vec<_> = own.chain(gauges.sync.iter().map(|socket| ("livesync", socket))).collect();
    let mut metric = |name, kind, help, value: fn(&UdpSocket) -> u32| {
        if all.is_empty() {
            return;
        }
        page.metric(name, kind, help);
        for (index, (protocol, socket)) in all.iter().enumerate() {
            // several sockets may have the same address
            let labels: [(_, &dyn Display); 3] =
                [("socket", &index), ("protocol", protocol), ("address", &socket.address)];
            page.sample(&labels, value(socket));
        }
    };
    let help = "Datagrams that the system dropped because the receive buffer was full.";
    metric("opentracker_udp_dropped_total", Kind::Counter, help, |socket| socket.dropped);
    let help = "Receive buffer of the socket, the system's overhead included.";
    metric("opentracker_udp_receive_buffer_bytes", Kind::Gauge, help, |socket| socket.buffer_bytes);
    let help = "What waits in the receive buffer, likewise.";
    metric("opentracker_udp_receive_queue_bytes", Kind::Gauge, help, |socket| socket.waiting_bytes);
}

pub(super) fn turns(page: &mut Page<'_>, turns: &Histogram) {
    let help = "Time that a turn of the loop takes, without waiting.";
    page.metric("opentracker_loop_turn_seconds", Kind::Histogram, help);
    for (micros, count) in turns.up_to_bounds() {
        page.part("_bucket", &[("le", &(micros as f64 / 1e6))], count);
    }
    page.part("_bucket", &[("le", &"+Inf")], turns.count());
    page.part("_sum", &[], turns.sum().as_secs_f64()).part("_count", &[], turns.count());
}

pub(super) fn process(page: &mut Page<'_>, started: u64, process: &Process) {
    page.gauge("process_start_time_seconds", started, "When the process started, in Unix time.");
    if let Some(cpu) = process.cpu {
        page.counter("process_cpu_seconds_total", cpu.as_secs_f64(), "Time that the process was on a processor.");
    }
    page.gauge_if_known("process_resident_memory_bytes", process.resident_bytes, "Memory of the process.");
    page.gauge_if_known("process_virtual_memory_bytes", process.virtual_bytes, "Addresses that the process uses.");
    page.gauge_if_known("process_open_fds", process.descriptors, "Open descriptors.");
    page.gauge_if_known("process_max_fds", process.most_descriptors, "Descriptors that may be open.");
}
