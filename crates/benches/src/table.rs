//! The result: medians, ratios, Markdown.

use crate::row::PEERS;

/// One row: what it says, and the samples of each peer, in the order of [`PEERS`].
pub struct Row {
    pub name: String,
    pub unit: &'static str,
    pub samples: Vec<Vec<f64>>,
}

/// The median; none of nothing.
fn median(samples: &[f64]) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

/// Three significant digits.
fn figure(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.digits$}")
}

/// Ours, the first, relative to the best of `others`.
fn ratio(ours: Option<f64>, others: &[Option<f64>]) -> String {
    let best = others.iter().flatten().copied().min_by(f64::total_cmp);
    match (ours, best) {
        // What is early or exact has no ratio.
        (Some(ours), Some(best)) if best > 0.0 => format!("{:.2}", ours / best),
        _ => "–".into(),
    }
}

/// The table. The last peer is the hand-written minimum, which has a column of its own for the ratio.
pub fn markdown(rows: &[Row]) -> String {
    let mut lines = vec![
        format!("| work | unit | {} | ours / best peer | ours / raw |", PEERS.join(" | ")),
        format!("|---|---|{}---:|---:|", "---:|".repeat(PEERS.len())),
    ];
    for row in rows {
        let medians: Vec<_> = row.samples.iter().map(|samples| median(samples)).collect();
        let (minimum, peers) = medians[1..].split_last().expect("there are several peers");
        let cells: Vec<_> = medians.iter().map(|value| value.map_or("–".into(), figure)).collect();
        let (best, raw) = (ratio(medians[0], peers), ratio(medians[0], &[*minimum]));
        lines.push(format!("| {} | {} | {} | {best} | {raw} |", row.name, row.unit, cells.join(" | ")));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_is_compared_with_the_best_peer_and_with_the_minimum() {
        let samples = vec![vec![3.0, 1.0, 2.0], vec![4.0], vec![], vec![8.0], vec![1.0]];
        let table = markdown(&[Row { name: "work".into(), unit: "ns", samples }]);
        assert_eq!(table.lines().last(), Some("| work | ns | 2.00 | 4.00 | – | 8.00 | 1.00 | 0.50 | 2.00 |"));
    }

    #[test]
    fn figures_have_three_digits() {
        assert_eq!([1.234, 12.34, 123.4, 1234.0].map(figure), ["1.23", "12.3", "123", "1234"]);
    }
}
