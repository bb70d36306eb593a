//! The results as files: tables in Markdown, and a drawing.

mod drawing;
mod table;

use std::fs;
use std::path::Path;

use crate::measure::Results;
use crate::options::{Command, Options};

/// Prints the tables; and writes them and the drawing, if there is a place for them and nothing was left out.
pub fn write(results: &Results, options: &Options) -> Result<(), String> {
    let instructions = matches!(options.command, Command::Instructions);
    let text = table::document(results, instructions, options.quick);
    println!("{text}");
    let Some(folder) = options.output.as_ref().filter(|_| options.is_whole()) else { return Ok(()) };
    let save = |name: &str, text: &str| save(&folder.join(name), text);
    if instructions {
        return save("instructions.md", &text);
    }
    save("results.md", &text)?;
    save("ratios.svg", &drawing::svg(results, options.quick))
}

fn save(path: &Path, text: &str) -> Result<(), String> {
    eprintln!("writing {}", path.display());
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, text))
        .map_err(|error| format!("writing {}: {error}", path.display()))
}

/// Three significant digits, with separators in large ones.
fn figure(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{value:.digits$}");
    let whole = text.split('.').next().unwrap_or_default().trim_start_matches('-').len();
    if whole < 5 {
        return text;
    }
    // Whole numbers only: there are no decimals at this size.
    let mut grouped = String::new();
    for (i, c) in text.chars().enumerate() {
        let left = text.len() - i;
        if i > 0 && left % 3 == 0 && c.is_ascii_digit() && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(c);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits_and_separators() {
        let shown = [1.234, 12.34, 123.4, 1234.0, 12345.6, 1234567.0, -12345.0, -0.5].map(figure);
        assert_eq!(shown, ["1.23", "12.3", "123", "1234", "12,346", "1,234,567", "-12,345", "-0.50"]);
    }
}
