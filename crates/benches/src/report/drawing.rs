//! The drawing: for each row what everybody costs relative to the cheapest peer, on a logarithmic scale, ours as a bar.

use std::fmt::Write;

use crate::measure::{Results, Row};
use crate::row::{Entrant, Group, OURS, Unit};

const WIDTH: f64 = 920.0;
/// Where the scale begins and ends.
const LEFT: f64 = 290.0;
const RIGHT: f64 = 850.0;
const ROW: f64 = 19.0;
const TITLE: f64 = 26.0;
const TOP: f64 = 112.0;
/// The ends of the scale.
const LEAST: f64 = 0.03;
const MOST: f64 = 30.0;
const TICKS: &[(f64, &str)] = &[
    (0.05, "¹⁄₂₀"),
    (0.1, "¹⁄₁₀"),
    (0.2, "¹⁄₅"),
    (0.5, "½"),
    (1.0, "1"),
    (2.0, "2"),
    (5.0, "5"),
    (10.0, "10"),
    (20.0, "20"),
];

/// The colours of the others, in light and in dark surroundings.
const COLOURS: &[(&str, &str, &str)] = &[
    ("tokio", "#c2410c", "#fb923c"),
    ("smol", "#0f766e", "#2dd4bf"),
    ("monoio", "#7e22ce", "#c084fc"),
    ("monoio-uring", "#be185d", "#f472b6"),
    ("glommio", "#4d7c0f", "#a3e635"),
    ("CPython", "#a16207", "#facc15"),
    ("uvloop", "#57534e", "#a8a29e"),
    ("raw", "#111827", "#f9fafb"),
];

/// The forms of our servers that are drawn.
const FORMS: &[&str] = &["streams", "protocols"];
/// The works on the network that are drawn.
const NETWORK: &[&str] = &["echo-64-1", "echo-64-50", "echo-16k-50", "accept", "idle-connections"];

/// One line of the drawing.
struct Line<'a> {
    name: String,
    row: &'a Row,
    ours: Entrant,
}

/// The drawing as an SVG document, readable on white and on black.
pub fn svg(results: &Results, quick: bool) -> String {
    let groups: Vec<(Group, Vec<Line<'_>>)> = Group::ALL
        .into_iter()
        .map(|group| (group, results.rows.iter().filter(|row| row.work.group == group).flat_map(lines).collect()))
        .filter(|(_, lines): &(_, Vec<_>)| !lines.is_empty())
        .collect();
    let count: usize = groups.iter().map(|(_, lines)| lines.len()).sum();
    let bottom = TOP + count as f64 * ROW + groups.len() as f64 * TITLE;
    let mut body = String::new();
    axis(&mut body, bottom);
    let mut y = TOP;
    for (group, lines) in &groups {
        y += TITLE;
        text(&mut body, "group", 16.0, y - 8.0, "start", group.title());
        for line in lines {
            draw(&mut body, line, y);
            y += ROW;
        }
    }
    let height = bottom + 44.0;
    let caption = if quick { "A quick run: rough figures. " } else { "" };
    let facts = results.facts.first().map_or("", |fact| fact.as_str());
    text(
        &mut body,
        "small",
        16.0,
        bottom + 26.0,
        "start",
        &format!("{caption}{facts} Medians; see docs/benchmarks.md."),
    );
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         role=\"img\" aria-label=\"what an operation costs, relative to the cheapest peer\">\n{}\
         <rect class=\"paper\" width=\"{WIDTH}\" height=\"{height}\" rx=\"8\"/>\n{}{body}</svg>\n",
        style(),
        legend()
    )
}

/// The lines that a row makes: none, one, or one for each form of our server.
fn lines(row: &Row) -> Vec<Line<'_>> {
    // The first figure of a work is the one that counts, beside it only what is of memory.
    let first = row.work.figures.first().is_some_and(|(detail, _)| *detail == row.detail);
    let of_network = row.work.group == Group::Network;
    let drawn = row.work.drawn && (first || row.unit == Unit::Bytes) && row.unit != Unit::Calls;
    if !drawn || (of_network && !NETWORK.contains(&row.work.key)) || row.best(Entrant::is_a_peer).is_none() {
        return Vec::new();
    }
    let ours = row.samples.iter().map(|(entrant, _)| *entrant).filter(|entrant| entrant.peer == OURS);
    ours.filter(|entrant| entrant.form.is_empty() || FORMS.contains(&entrant.form))
        .map(|ours| {
            let name = if of_network { row.work.name.to_owned() } else { row.name() };
            let form = if ours.form.is_empty() { String::new() } else { format!(", {}", ours.form) };
            Line { name: format!("{}{form}", name.replace('`', "")), row, ours }
        })
        .collect()
}

fn at(value: f64) -> f64 {
    let part = (value.clamp(LEAST, MOST) / LEAST).ln() / (MOST / LEAST).ln();
    LEFT + part * (RIGHT - LEFT)
}

fn draw(body: &mut String, line: &Line<'_>, y: f64) {
    let Some(best) = line.row.best(Entrant::is_a_peer).filter(|best| *best > 0.0) else { return };
    let middle = y + ROW / 2.0;
    text(body, "label", LEFT - 10.0, middle + 4.0, "end", &line.name);
    if let Some(ours) = line.row.median(line.ours) {
        let ratio = ours / best;
        let (from, to) = (at(ratio).min(at(1.0)), at(ratio).max(at(1.0)));
        let class = if ratio <= 1.0 { "ours" } else { "ours behind" };
        let (top, height, width) = (y + 3.0, ROW - 6.0, (to - from).max(2.0));
        let _ = writeln!(
            body,
            "<rect class=\"{class}\" x=\"{from:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"2\"/>"
        );
        text(body, "value", WIDTH - 14.0, middle + 4.0, "end", &format!("{ratio:.2}"));
    }
    for (peer, ..) in COLOURS {
        let others = line.row.samples.iter().map(|(entrant, _)| *entrant).filter(|entrant| entrant.peer == *peer);
        // Of several forms the one that ours has.
        let Some(entrant) =
            others.into_iter().find(|entrant| entrant.form.is_empty() || entrant.form == line.ours.form)
        else {
            continue;
        };
        // Below zero is who wakes too early; what is far below the scale would stand in the names.
        let Some(value) = line.row.median(entrant).filter(|value| *value > best * LEAST) else { continue };
        mark(body, peer, at(value / best), middle);
    }
}

/// A point; the minimum is a line across.
fn mark(body: &mut String, peer: &str, x: f64, y: f64) {
    if peer == "raw" {
        let (top, bottom) = (y - 7.0, y + 7.0);
        let _ = writeln!(body, "<path class=\"raw\" d=\"M{x:.1} {top:.1}V{bottom:.1}\"/>");
    } else {
        let _ = writeln!(body, "<circle class=\"{peer}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"/>");
    }
}

fn axis(body: &mut String, bottom: f64) {
    text(body, "title", 16.0, 28.0, "start", "What an operation costs, relative to the cheapest peer");
    text(
        body,
        "small",
        16.0,
        48.0,
        "start",
        &format!(
            "Logarithmic. The bar is asyncio: blue to the left, it costs less than every peer; red to the right, more than \
             the cheapest. At the right edge: {MOST} or more."
        ),
    );
    let top = TOP - 6.0;
    for (value, name) in TICKS {
        let x = at(*value);
        let class = if *value == 1.0 { "one" } else { "grid" };
        let _ = writeln!(body, "<path class=\"{class}\" d=\"M{x:.1} {top:.1}V{bottom:.1}\"/>");
        text(body, "small", x, top - 6.0, "middle", name);
    }
}

fn legend() -> String {
    let mut body = String::new();
    let mut x = 16.0;
    let _ = writeln!(body, "<rect class=\"ours\" x=\"{x}\" y=\"64\" width=\"16\" height=\"12\" rx=\"2\"/>");
    text(&mut body, "label", x + 22.0, 74.0, "start", OURS);
    x += 90.0;
    for (peer, ..) in COLOURS {
        mark(&mut body, peer, x, 70.0);
        let name = if *peer == "raw" { "by hand (raw)" } else { peer };
        text(&mut body, "label", x + 9.0, 74.0, "start", name);
        x += 34.0 + 7.0 * name.len() as f64;
    }
    body
}

fn text(body: &mut String, class: &str, x: f64, y: f64, anchor: &str, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(body, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>");
}

/// The colours, by the surroundings that the reader prefers.
fn style() -> String {
    let light = palette(false, "#ffffff", "#1f2937", "#6b7280", "#e5e7eb", "#2563eb", "#dc2626");
    let dark = palette(true, "#0d1117", "#e5e7eb", "#9ca3af", "#2b313a", "#60a5fa", "#f87171");
    format!("<style>\ntext{{font:12px sans-serif}}\n{light}@media (prefers-color-scheme:dark){{\n{dark}}}\n</style>\n")
}

fn palette(dark: bool, paper: &str, ink: &str, faint: &str, grid: &str, ours: &str, behind: &str) -> String {
    let mut style = format!(
        ".paper{{fill:{paper}}}\n\
         text{{fill:{ink}}}\n\
         .small{{fill:{faint};font-size:11px}}\n\
         .title{{font-size:16px;font-weight:bold}}\n\
         .group,.value{{font-weight:bold}}\n\
         .grid{{stroke:{grid}}}\n\
         .one{{stroke:{faint};stroke-width:1.5}}\n\
         .ours{{fill:{ours}}}\n\
         .behind{{fill:{behind}}}\n"
    );
    for (peer, light, in_the_dark) in COLOURS {
        let colour = if dark { in_the_dark } else { light };
        let _ = match *peer {
            "raw" => writeln!(style, ".raw{{stroke:{colour};stroke-width:2.5}}"),
            _ => writeln!(style, ".{peer}{{fill:{colour};stroke:{paper};stroke-width:0.8}}"),
        };
    }
    style
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::work_of;

    #[test]
    fn the_scale_is_logarithmic_and_ends_at_its_ends() {
        assert!((at(10.0) - at(1.0) - (at(1.0) - at(0.1))).abs() < 1e-9);
        assert_eq!((at(0.0), at(1e9)), (LEFT, RIGHT));
    }

    #[test]
    fn a_row_is_a_bar_and_its_peers_are_points() {
        let samples = [("asyncio", 1.0), ("tokio", 2.0), ("smol", 4.0), ("raw", 0.5)];
        let samples = samples.map(|(peer, value)| (Entrant { peer, form: "" }, vec![value])).to_vec();
        let row = Row { work: work_of("spawn-one").unwrap(), detail: "", unit: Unit::Nanoseconds, samples };
        let results = Results { rows: vec![row], facts: vec!["Date: today.".into()], notes: Vec::new() };
        let drawing = svg(&results, true);
        assert!(drawing.contains(">0.50</text>"), "{drawing}");
        let points = drawing.lines().filter(|line| line.starts_with("<circle class=\"tokio\"")).count();
        assert_eq!(points, 2, "one in the legend, one in the row:\n{drawing}");
        assert!(drawing.contains("A quick run"), "{drawing}");
    }
}
