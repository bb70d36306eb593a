//! Which operations met: how often one began while another was pending.

use std::collections::BTreeMap;

/// For each pair of operations, how often the first began while the second was pending.
pub type Meetings = BTreeMap<(String, String), u64>;

/// Adds one count to another.
pub fn add(total: &mut Meetings, more: &Meetings) {
    for (pair, count) in more {
        *total.entry(pair.clone()).or_default() += count;
    }
}

/// The table, in Markdown: a row for each operation that was pending, with how many kinds of operation began meanwhile,
/// and which never did.
#[must_use]
pub fn table(total: &Meetings) -> String {
    let kinds: std::collections::BTreeSet<&str> = total.keys().map(|(began, _)| began.as_str()).collect();
    let pending: std::collections::BTreeSet<&str> = total.keys().map(|(_, pending)| pending.as_str()).collect();
    let mut table = format!(
        "| pending | met, of {} | operations that began meanwhile | never met |\n|---|---|---|---|\n",
        kinds.len()
    );
    for row in pending {
        let count = |kind: &str| total.get(&(kind.to_owned(), row.to_owned())).copied().unwrap_or(0);
        let met = kinds.iter().filter(|kind| count(kind) > 0).count();
        let sum: u64 = kinds.iter().map(|kind| count(kind)).sum();
        let never: Vec<&str> = kinds.iter().copied().filter(|kind| count(kind) == 0).collect();
        table.push_str(&format!("| {row} | {met} | {sum} | {} |\n", never.join(", ")));
    }
    table
}
