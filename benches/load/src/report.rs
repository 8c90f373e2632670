//! The tables: medians, ratios, and the same as JSON.

use crate::driver::{Cell, Measured, Sample};
use crate::growth::Growth;
use crate::growth::Turns;
use crate::histogram::Histogram;
use crate::servers::Which;
use std::fmt::Write;
use std::time::Duration;

/// Below that share of its core the load was not in command of its rate.
const CALM: f64 = 0.95;

/// The middle one.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

impl Cell {
    pub fn median(&self, of: impl Fn(&Sample) -> f64) -> f64 {
        median(self.samples.iter().map(of))
    }
}

impl Measured {
    pub fn cell(&self, which: Which) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.which == which)
    }

    /// The median over the rounds of what ours cost by what the other cost in the same round.
    pub fn ratio(&self, ours: Which, other: Which) -> Option<f64> {
        let (ours, other) = (self.cell(ours)?, self.cell(other)?);
        Some(median(ours.samples.iter().zip(&other.samples).map(|(ours, other)| ours.cost / other.cost)))
    }

    fn ours(&self) -> Which {
        if self.cell(Which::Ours).is_some() { Which::Ours } else { Which::OursKeepalive }
    }
}

const COLUMNS: [Which; 6] =
    [Which::Floor, Which::Ours, Which::Other, Which::Original, Which::OriginalWorkers(1), Which::Aquatic];

/// All tables, in Markdown.
pub fn markdown(results: &[Measured], growth: &Growth) -> String {
    let mut out = String::new();
    let loads = results.iter().flat_map(|row| &row.cells).map(|cell| cell.median(|sample| sample.load));
    let calm = median(loads);
    if calm < CALM {
        let _ = writeln!(
            out,
            "**Other programs were running: the load had its core for {:.0} % of the time. Processor times and their ratios \
             are still worth something, latencies, losses, sleeps and rates are not.**\n",
            calm * 100.0
        );
    }
    if !results.is_empty() {
        costs(&mut out, results);
        details(&mut out, results);
    }
    grown(&mut out, growth);
    out
}

fn costs(out: &mut String, results: &[Measured]) {
    let once = results.iter().find(|row| row.key == "http-once").and_then(|row| row.cell(Which::Original));
    let columns: Vec<Which> =
        COLUMNS.into_iter().filter(|which| results.iter().any(|row| row.cell(*which).is_some())).collect();
    out.push_str("Processor time of the whole server for each answered request, in microseconds (medians), and ours as a share of each other:\n\n|");
    for which in &columns {
        let _ = write!(out, " | {}", which.title());
    }
    for which in columns.iter().filter(|which| **which != Which::Ours) {
        let _ = write!(out, " | by {}", which.title());
    }
    let others = columns.iter().filter(|which| **which != Which::Ours).count();
    out.push_str(" |\n|---|");
    out.push_str(&"---:|".repeat(columns.len() + others));
    out.push('\n');
    for row in results.iter().filter(|row| !row.key.starts_with("workers")) {
        let ours = row.ours();
        let _ = write!(out, "| {}", row.title);
        for which in &columns {
            let which = if *which == Which::Ours { ours } else { *which };
            match row.cell(which) {
                Some(cell) => drop(write!(out, " | {:.2}", cell.median(|sample| sample.cost))),
                None => out.push_str(" | "),
            }
        }
        for which in columns.iter().filter(|which| **which != Which::Ours) {
            let kept = (row.key == "http-kept" && *which == Which::Original).then_some(once).flatten();
            let kept = kept.zip(row.cell(ours)).map(|(once, kept)| kept.median(|s| s.cost) / once.median(|s| s.cost));
            match row.ratio(ours, *which).or(kept) {
                Some(ratio) => drop(write!(out, " | {ratio:.2}")),
                None => out.push_str(" | "),
            }
        }
        out.push_str(" |\n");
    }
    out.push_str("\nKept connections are compared with the original's one connection each.\n");
}

fn details(out: &mut String, results: &[Measured]) {
    out.push_str(
        "\n| | server | us/request | answers/s | busy | lost of 1M | p50 us | p99 us | longest us | sleeps/request | put off/request | bytes | load |\n\
         |---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for row in results {
        for cell in &row.cells {
            let of = |get: fn(&Sample) -> f64| cell.median(get);
            let _ = writeln!(
                out,
                "| {} | {} | {:.2} | {:.0} | {:.0} % | {:.0} | {:.0} | {:.0} | {:.0} | {:.3} | {:.4} | {:.0} | {:.0} % |{}",
                row.title,
                cell.which.title(),
                of(|s| s.cost),
                of(|s| s.rate),
                of(|s| s.busy * 100.0),
                of(|s| s.lost),
                of(|s| s.p50),
                of(|s| s.p99),
                of(|s| s.longest),
                of(|s| s.voluntary),
                of(|s| s.involuntary),
                of(|s| s.bytes),
                of(|s| s.load * 100.0),
                if cell.samples.iter().any(|s| s.refused > 0) { " REFUSED" } else { "" },
            );
        }
    }
}

fn grown(out: &mut String, growth: &Growth) {
    if growth.costs.is_empty() && growth.waits.is_empty() {
        return;
    }
    if let Some((_, first)) = growth.costs.first().copied() {
        out.push_str("\n| torrents with one peer | us an announce | by the first |\n|---:|---:|---:|\n");
        for (torrents, cost) in &growth.costs {
            let _ = writeln!(out, "| {torrents} | {cost:.2} | {:.2} |", cost / first);
        }
    }
    out.push_str("\n| memory | bytes |\n|---|---:|\n");
    for (what, bytes) in &growth.memory {
        let _ = writeln!(out, "| {what} | {bytes:.1} |");
    }
    waited(out, growth);
    if !growth.turns.is_empty() {
        turned(out, &growth.turns);
    }
}

fn waited(out: &mut String, growth: &Growth) {
    out.push_str(
        "\n| waits for an answer while | answers | p99 us | p99.99 us | longest us | over 1 ms | over 3 ms | over 10 ms |\n\
         |---|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for waits in &growth.waits {
        let over = waits.latency.longer_than(&[1, 3, 10].map(Duration::from_millis));
        let micros = |share: f64| waits.latency.quantile(share).as_secs_f64() * 1e6;
        let _ = writeln!(
            out,
            "| {} | {} | {:.0} | {:.0} | {:.0} | {} | {} | {} |",
            waits.title,
            waits.latency.count(),
            micros(0.99),
            micros(0.9999),
            waits.latency.longest().as_secs_f64() * 1e6,
            over[0],
            over[1],
            over[2]
        );
    }
}

fn turned(out: &mut String, phases: &[Turns]) {
    out.push_str(
        "\n| turns of the loop while | turns | p50 us | p99.9 us | longest us | over 1 ms | over 2 ms | over 3 ms | longest on the wall us |\n\
         |---|---:|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for Turns { title, wall, processor } in phases {
        let over = processor.longer_than(&[1, 2, 3].map(Duration::from_millis));
        let _ = writeln!(
            out,
            "| {title} | {} | {:.0} | {:.0} | {:.0} | {} | {} | {} | {:.0} |",
            processor.count(),
            processor.quantile(0.5).as_secs_f64() * 1e6,
            processor.quantile(0.999).as_secs_f64() * 1e6,
            processor.longest().as_secs_f64() * 1e6,
            over[0],
            over[1],
            over[2],
            wall.longest().as_secs_f64() * 1e6
        );
    }
    out.push_str("\nTimes of turns are processor time but for the last column. A bar has a mark for each doubling of the count.\n");
    for Turns { title, processor, .. } in phases {
        let _ = writeln!(out, "\n```text\nturns of the loop by processor time while {title}");
        let mut rows: Vec<(u64, u64)> = Vec::new();
        for (end, count) in processor.filled() {
            let row = end.next_power_of_two();
            match rows.last_mut() {
                Some((last, total)) if *last == row => *total += count,
                _ => rows.push((row, count)),
            }
        }
        for (end, count) in rows {
            let bar = "#".repeat(1 + count.ilog2() as usize);
            let _ = writeln!(out, "up to {:>7.1} us {count:>9} {bar}", end as f64 / 1e3);
        }
        out.push_str("```\n");
    }
}

/// Every measurement, for programs.
pub fn json(results: &[Measured], growth: &Growth) -> String {
    let mut lines = Vec::new();
    for row in results {
        for cell in &row.cells {
            for (round, s) in cell.samples.iter().enumerate() {
                lines.push(format!(
                    "{{\"row\": \"{}\", \"server\": \"{}\", \"round\": {round}, \"us_per_request\": {:.4}, \
                     \"answers_per_second\": {:.0}, \"busy\": {:.4}, \"lost_per_million\": {:.1}, \"refused\": {}, \
                     \"p50_us\": {:.1}, \"p99_us\": {:.1}, \"longest_us\": {:.1}, \"voluntary\": {:.5}, \
                     \"involuntary\": {:.5}, \"bytes\": {:.1}, \"load\": {:.3}}}",
                    row.key,
                    cell.which.title(),
                    s.cost,
                    s.rate,
                    s.busy,
                    s.lost,
                    s.refused,
                    s.p50,
                    s.p99,
                    s.longest,
                    s.voluntary,
                    s.involuntary,
                    s.bytes,
                    s.load
                ));
            }
        }
    }
    let costs = growth.costs.iter().map(|(n, us)| format!("{{\"torrents\": {n}, \"us_per_request\": {us:.4}}}"));
    let memory = growth.memory.iter().map(|(what, bytes)| format!("{{\"what\": \"{what}\", \"bytes\": {bytes:.2}}}"));
    let buckets = |histogram: &Histogram| {
        let pairs: Vec<String> = histogram.filled().map(|(end, count)| format!("[{end}, {count}]")).collect();
        let longest = histogram.longest().as_nanos();
        format!("{{\"longest\": {longest}, \"buckets\": [{}]}}", pairs.join(", "))
    };
    let turns = growth.turns.iter().map(|Turns { title, wall, processor }| {
        let (wall, processor) = (buckets(wall), buckets(processor));
        format!("{{\"while\": \"{title}\", \"processor_ns\": {processor}, \"wall_ns\": {wall}}}")
    });
    let list =
        |lines: Vec<String>| if lines.is_empty() { "[]".into() } else { format!("[\n  {}\n]", lines.join(",\n  ")) };
    format!(
        "{{\"samples\": {},\n\"growth\": {},\n\"memory\": {},\n\"turns\": {}}}\n",
        list(lines),
        list(costs.collect()),
        list(memory.collect()),
        list(turns.collect())
    )
}
