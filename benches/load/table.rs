//! The figures as a table and as JSON.

use serde_json::json;

/// A median with the least and the greatest of a few measurements.
#[derive(Debug, Clone, Copy)]
pub struct Spread {
    pub least: f64,
    pub median: f64,
    pub greatest: f64,
}

impl Spread {
    /// Sums up measurements.
    pub fn of(mut all: Vec<f64>) -> Self {
        all.sort_by(f64::total_cmp);
        Self { least: all[0], median: all[all.len() / 2], greatest: all[all.len() - 1] }
    }
}

/// One figure.
pub struct Row {
    pub name: &'static str,
    pub spread: Spread,
    pub unit: &'static str,
    /// What the figure should be, where it is bounded.
    pub wanted: &'static str,
    pub errors: u64,
}

impl Row {
    pub fn ratio(name: &'static str, spread: Spread, wanted: &'static str, errors: u64) -> Self {
        Self { name, spread, unit: "", wanted, errors }
    }

    pub fn plain(name: &'static str, spread: Spread, unit: &'static str) -> Self {
        Self { name, spread, unit, wanted: "", errors: 0 }
    }

    pub fn bounded(name: &'static str, spread: Spread, unit: &'static str, wanted: &'static str) -> Self {
        Self { name, spread, unit, wanted, errors: 0 }
    }
}

/// Prints all figures.
pub fn print(rows: &[Row]) {
    println!(
        "{:<52} {:>12} {:>12} {:>12} {:<5} {:<8} errors",
        "figure", "median", "least", "greatest", "unit", "wanted"
    );
    for Row { name, spread, unit, wanted, errors } in rows {
        let Spread { least, median, greatest } = spread;
        println!("{name:<52} {median:>12.3} {least:>12.3} {greatest:>12.3} {unit:<5} {wanted:<8} {errors}");
    }
    let all: Vec<_> = rows
        .iter()
        .map(|row| {
            json!({
                "name": row.name, "median": row.spread.median, "least": row.spread.least,
                "greatest": row.spread.greatest, "unit": row.unit, "wanted": row.wanted, "errors": row.errors,
            })
        })
        .collect();
    println!("{}", json!({ "figures": all }));
}
