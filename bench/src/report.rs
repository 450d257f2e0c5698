//! Figures and how they are shown: the median of the runs with its range, beside the aim where there is one.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// One measured number.
#[derive(Debug, Clone)]
pub struct Figure {
    pub name: String,
    pub value: f64,
    pub unit: &'static str,
    /// Not to be passed.
    pub at_most: Option<f64>,
    /// To be reached.
    pub at_least: Option<f64>,
}

impl Figure {
    pub fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { name: name.into(), value, unit, at_most: None, at_least: None }
    }

    pub fn at_most(self, aim: f64) -> Self {
        Self { at_most: Some(aim), ..self }
    }

    pub fn at_least(self, aim: f64) -> Self {
        Self { at_least: Some(aim), ..self }
    }
}

/// The figures of one measurement, over all its runs.
#[derive(Debug)]
pub struct Section {
    pub title: &'static str,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    figure: Figure,
    runs: Vec<f64>,
}

impl Row {
    fn median(&self) -> f64 {
        median(&self.runs)
    }

    fn range(&self) -> (f64, f64) {
        let low = self.runs.iter().copied().fold(f64::INFINITY, f64::min);
        let high = self.runs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        (low, high)
    }
}

impl Section {
    pub fn new(title: &'static str) -> Self {
        Self { title, rows: Vec::new() }
    }

    /// Takes in the figures of another run.
    pub fn add(&mut self, figures: Vec<Figure>) {
        for figure in figures {
            match self.rows.iter_mut().find(|row| row.figure.name == figure.name) {
                Some(row) => row.runs.push(figure.value),
                None => self.rows.push(Row { runs: vec![figure.value], figure }),
            }
        }
    }

    pub fn json(&self) -> Value {
        let row = |row: &Row| {
            json!({
                "name": row.figure.name, "unit": row.figure.unit, "median": row.median(), "runs": row.runs,
                "at_most": row.figure.at_most, "at_least": row.figure.at_least,
            })
        };
        json!({"section": self.title, "figures": self.rows.iter().map(row).collect::<Vec<_>>()})
    }

    /// The section as lines of a table.
    pub fn text(&self, paint: Paint) -> String {
        let mut text = format!("{}\n", paint.bold(self.title));
        for row in &self.rows {
            let (low, high) = row.range();
            let range = match row.runs.len() {
                1 => String::new(),
                _ => format!("{}–{}", number(low), number(high)),
            };
            let value = number(row.median());
            let Figure { name, unit, at_most, at_least, .. } = &row.figure;
            // Writing to a string cannot fail.
            let _ = write!(text, "  {name:<58} {value:>10} {unit:<10} {range:<19}");
            let word = |met| if met { paint.good("met") } else { paint.bad("missed") };
            if let Some(aim) = at_most {
                let _ = write!(text, " at most {}: {}", number(*aim), word(row.median() <= *aim));
            }
            if let Some(aim) = at_least {
                let _ = write!(text, " at least {}: {}", number(*aim), word(row.median() >= *aim));
            }
            text.truncate(text.trim_end().len());
            text.push('\n');
        }
        text
    }
}

/// Whether to use escape sequences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    Plain,
    Terminal,
}

impl Paint {
    fn with(self, code: &str, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Terminal => format!("\x1b[{code}m{text}\x1b[0m"),
        }
    }

    fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    fn good(self, text: &str) -> String {
        self.with("32", text)
    }

    fn bad(self, text: &str) -> String {
        self.with("31", text)
    }
}

/// Three digits that count, without an exponent.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

pub fn median(values: &[f64]) -> f64 {
    percentile(values, 50)
}

/// The value below which this share (percent) of the values lies; 0 if there is none.
pub fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_one_figure_are_one_row_with_its_median() {
        let mut section = Section::new("x");
        for value in [3.0, 1.0, 200.0] {
            section.add(vec![Figure::new("a", value, "ms").at_most(2.0)]);
        }
        let text = section.text(Paint::Plain);
        assert!(
            text.contains("3.00 ms") && text.contains("1.00–200") && text.ends_with("missed\n"),
            "{text}"
        );
        assert_eq!(section.json()["figures"][0]["median"], 3.0);
        section.add(vec![Figure::new("b", 9.0, "tasks/s").at_least(8.0)]);
        assert!(section.text(Paint::Plain).ends_with("at least 8.00: met\n"));
        assert!(section.text(Paint::Terminal).contains("\x1b[31m"));
    }

    #[test]
    fn percentiles() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(percentile(&values, 50), 51.0);
        assert_eq!(percentile(&values, 99), 100.0);
        assert_eq!(percentile(&[], 99), 0.0);
    }
}
