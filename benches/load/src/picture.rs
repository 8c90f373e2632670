//! The table as a picture: a bar for each server and row.

use crate::driver::Measured;
use crate::servers::Which;
use std::fmt::Write;

const BAR: f64 = 15.0;
const LEFT: f64 = 250.0;
const WIDTH: f64 = 460.0;
const COLORS: [(Which, &str); 6] = [
    (Which::Floor, "#b8b8b8"),
    (Which::Ours, "#c2410c"),
    (Which::OursKeepalive, "#ea8a5c"),
    (Which::Original, "#1d4e89"),
    (Which::OriginalWorkers(1), "#6fa3d8"),
    (Which::Aquatic, "#3f8f5b"),
];

/// Draws the processor time for each answered request.
pub fn svg(results: &[Measured]) -> String {
    let rows: Vec<&Measured> =
        results.iter().filter(|row| !row.key.starts_with("workers") && row.key != "open-200").collect();
    let cost = |row: &Measured, which: Which| row.cell(which).map(|cell| cell.median(|sample| sample.cost));
    let all = rows.iter().flat_map(|row| COLORS.iter().filter_map(|(which, _)| cost(row, *which)));
    let longest = all.fold(1.0, f64::max);
    let mut body = String::new();
    let mut y = 60.0;
    let mut x = LEFT;
    for (which, color) in COLORS {
        if rows.iter().any(|row| row.cell(which).is_some()) {
            let title = which.title();
            let _ = writeln!(body, "<rect x=\"{x}\" y=\"32\" width=\"10\" height=\"10\" fill=\"{color}\"/>");
            let _ = writeln!(body, "<text x=\"{}\" y=\"41\">{title}</text>", x + 14.0);
            x += 26.0 + title.len() as f64 * 6.6;
        }
    }
    for row in rows {
        let bars: Vec<_> =
            COLORS.iter().filter_map(|(which, color)| cost(row, *which).map(|cost| (cost, *color))).collect();
        let middle = y + bars.len() as f64 * BAR / 2.0 + 4.0;
        let _ = writeln!(body, "<text x=\"{}\" y=\"{middle}\" text-anchor=\"end\">{}</text>", LEFT - 8.0, row.title);
        for (cost, color) in bars {
            let width = cost / longest * WIDTH;
            let _ = writeln!(
                body,
                "<rect x=\"{LEFT}\" y=\"{y}\" width=\"{width:.1}\" height=\"{}\" fill=\"{color}\"/>\
                 <text x=\"{:.1}\" y=\"{}\">{cost:.2}</text>",
                BAR - 2.0,
                LEFT + width + 4.0,
                y + BAR - 4.0
            );
            y += BAR;
        }
        y += 12.0;
    }
    let width = (LEFT + WIDTH + 60.0).max(x + 20.0);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {y}\" width=\"{width}\" height=\"{y}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"{LEFT}\" y=\"20\" font-size=\"14\">Processor time for each answered request, microseconds</text>\n\
         {body}</svg>\n"
    )
}
