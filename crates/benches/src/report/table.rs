//! The tables.

use std::fmt::Write;

use super::figure;
use crate::measure::{Results, Row, is_transposed};
use crate::row::{Entrant, Group, OURS, PEERS, RAW, Unit};

/// Everything as one document.
pub fn document(results: &Results, instructions: bool, quick: bool) -> String {
    let mut text = String::new();
    let (title, command) = match instructions {
        true => ("Instructions", "cargo xtask bench --instructions"),
        false => ("Results", "cargo xtask bench"),
    };
    let quickly = if quick { " --quick" } else { "" };
    line(&mut text, &format!("# {title}\n"));
    if quick {
        line(
            &mut text,
            "**A quick run: few rounds of small samples. It shows that it works, and only roughly how fast.**\n",
        );
    }
    let meaning = "[What the rows mean](../benchmarks.md)";
    line(&mut text, &format!("Made by `{command}{quickly}`, not written by hand. {meaning}.\n"));
    for fact in &results.facts {
        line(&mut text, &format!("- {fact}"));
    }
    for group in Group::ALL {
        let rows: Vec<_> = results.rows.iter().filter(|row| row.work.group == group).collect();
        let main: Vec<_> = rows.into_iter().filter(|row| !row.unit.is_of_allocation()).collect();
        if main.is_empty() {
            continue;
        }
        line(&mut text, &format!("\n## {}\n", group.title()));
        text += &if is_transposed(group) { transposed(&main) } else { usual(&main) };
    }
    let allocations = allocations(&results.rows);
    if !allocations.is_empty() {
        line(&mut text, "\n## Allocations\n\nFor each operation: how many, and of how many bytes in all.\n");
        text += &allocations;
    }
    if !results.notes.is_empty() {
        line(&mut text, "\n## Not measured\n");
        for note in &results.notes {
            line(&mut text, &format!("- {}", note.replace('\n', " ")));
        }
    }
    text
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

/// Those of all who take part in a row at least.
fn peers_of(rows: &[&Row]) -> Vec<&'static str> {
    let takes_part = |peer: &&'static str| rows.iter().any(|row| row.median(Entrant { peer, form: "" }).is_some());
    PEERS.iter().copied().filter(|peer| takes_part(peer)).collect()
}

/// A line for each row, a column for each runtime.
fn usual(rows: &[&Row]) -> String {
    let peers = peers_of(rows);
    let mut text = String::new();
    line(&mut text, &format!("| work | unit | {} | ours / best peer | ours / raw |", peers.join(" | ")));
    line(&mut text, &format!("|---|---|{}---:|---:|", "---:|".repeat(peers.len())));
    for row in rows {
        let cells: Vec<_> = peers.iter().map(|peer| cell(row.median(Entrant { peer, form: "" }))).collect();
        let ours = row.best(|entrant| entrant.peer == OURS);
        let best = ratio(ours, row.best(Entrant::is_a_peer));
        let raw = ratio(ours, row.best(|entrant| entrant.peer == RAW));
        line(&mut text, &format!("| {} | {} | {} | {best} | {raw} |", row.name(), row.unit.name(), cells.join(" | ")));
    }
    text
}

/// A table for each figure, with a line for each who took part and a column for each work.
fn transposed(rows: &[&Row]) -> String {
    let mut text = String::new();
    let mut details: Vec<(&str, Unit)> = Vec::new();
    for row in rows {
        if !details.contains(&(row.detail, row.unit)) {
            details.push((row.detail, row.unit));
        }
    }
    for (detail, unit) in details {
        let columns: Vec<_> = rows.iter().filter(|row| (row.detail, row.unit) == (detail, unit)).collect();
        let names: Vec<_> = columns.iter().map(|row| row.work.name).collect();
        let better = if unit == Unit::PerSecond { "more is better" } else { "less is better" };
        line(&mut text, &format!("{}, {}: {better}.\n", capital(detail), unit.name()));
        line(&mut text, &format!("| | {} |", names.join(" | ")));
        line(&mut text, &format!("|---|{}", "---:|".repeat(names.len())));
        let mut entrants: Vec<Entrant> = Vec::new();
        for (entrant, _) in columns.iter().flat_map(|row| &row.samples) {
            if !entrants.contains(entrant) {
                entrants.push(*entrant);
            }
        }
        for entrant in entrants {
            let cells: Vec<_> = columns.iter().map(|row| cell(row.median(entrant))).collect();
            line(&mut text, &format!("| {entrant} | {} |", cells.join(" | ")));
        }
        for (title, others) in [("ours / best peer", Entrant::is_a_peer as fn(Entrant) -> bool), ("ours / raw", is_raw)]
        {
            let ratios = columns.iter().map(|row| ratio(row.best(|entrant| entrant.peer == OURS), row.best(others)));
            line(&mut text, &format!("| *{title}* | {} |", ratios.collect::<Vec<_>>().join(" | ")));
        }
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn is_raw(entrant: Entrant) -> bool {
    entrant.peer == RAW
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    let first: String = characters.next().into_iter().flat_map(char::to_uppercase).collect();
    first + characters.as_str()
}

/// The allocations of the works that have them: number and bytes in one cell.
fn allocations(rows: &[Row]) -> String {
    let counts: Vec<_> = rows.iter().filter(|row| row.unit == Unit::Allocations).collect();
    let mut text = String::new();
    if counts.is_empty() {
        return text;
    }
    let peers = peers_of(&counts);
    line(&mut text, &format!("| work | {} |", peers.join(" | ")));
    line(&mut text, &format!("|---|{}", "---:|".repeat(peers.len())));
    for count in counts {
        let bytes = rows.iter().find(|row| row.work.key == count.work.key && row.unit == Unit::BytesAllocated);
        let mut cells = String::new();
        for peer in &peers {
            let entrant = Entrant { peer, form: "" };
            let both = count.median(entrant).zip(bytes.and_then(|row| row.median(entrant)));
            let both = both.map_or("–".into(), |(count, bytes)| match count {
                0.0..0.005 => "0".into(),
                _ => format!("{count:.2}, {bytes:.0} B"),
            });
            let _ = write!(cells, " {both} |");
        }
        line(&mut text, &format!("| {} |{cells}", count.work.name));
    }
    text
}

fn cell(value: Option<f64>) -> String {
    value.map_or("–".into(), figure)
}

/// Ours relative to another.
fn ratio(ours: Option<f64>, other: Option<f64>) -> String {
    match ours.zip(other) {
        // What is early or exact has no ratio.
        Some((ours, other)) if other > 0.0 => format!("{:.2}", ours / other),
        _ => "–".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::work_of;

    fn entrant(peer: &'static str, form: &'static str) -> Entrant {
        Entrant { peer, form }
    }

    #[test]
    fn ours_is_compared_with_the_best_peer_and_with_the_minimum() {
        let samples = vec![
            (entrant("asyncio", ""), vec![3.0, 1.0, 2.0]),
            (entrant("tokio", ""), vec![4.0]),
            (entrant("monoio", ""), vec![8.0]),
            (entrant("raw", ""), vec![1.0]),
        ];
        let row = Row { work: work_of("spawn-one").unwrap(), detail: "", unit: Unit::Nanoseconds, samples };
        let expected = "| work | unit | asyncio | tokio | monoio | raw | ours / best peer | ours / raw |\n\
                        |---|---|---:|---:|---:|---:|---:|---:|\n\
                        | spawn one, await it | ns | 2.00 | 4.00 | 8.00 | 1.00 | 0.50 | 2.00 |\n";
        assert_eq!(usual(&[&row]), expected);
    }

    #[test]
    fn of_several_forms_the_best_is_compared_and_of_rates_the_most_is_best() {
        let samples = vec![
            (entrant("asyncio", "streams"), vec![100.0]),
            (entrant("asyncio", "protocols"), vec![120.0]),
            (entrant("tokio", ""), vec![60.0]),
            (entrant("smol", ""), vec![30.0]),
        ];
        let row = Row { work: work_of("accept").unwrap(), detail: "rate", unit: Unit::PerSecond, samples };
        let table = transposed(&[&row]);
        assert!(table.contains("| asyncio, protocols | 120 |\n| tokio | 60.0 |\n"), "{table}");
        assert!(table.contains("| *ours / best peer* | 2.00 |\n"), "{table}");
    }
}
