//! One agent of thousands of steps: a late step should cost what an early one did. The model's window is small, so
//! that its history is compacted again and again.

use super::{Setting, load};
use crate::Failure;
use crate::model::Script;
use crate::process::Served;
use crate::report::{Figure, median};

/// The model's window (tokens): full after about ten steps.
const WINDOW_TOKENS: u32 = 4_096;
/// Steps that are taken together on both sides of the one that is named.
const HALF_WINDOW: usize = 25;
/// The cost of a late step against that of an early one.
const AIM_RATIO: f64 = 1.2;

pub async fn figures(setting: Setting<'_>) -> Result<Vec<Figure>, Failure> {
    let looks: &[usize] = setting.size.pick(&[50, 500, 5_000], &[50, 500]);
    let last = looks.iter().copied().max().unwrap_or(0);
    let steps = u32::try_from(last + HALF_WINDOW + 1)?;
    let folder = setting.data_folder()?;
    let script = Script { steps, window_tokens: Some(WINDOW_TOKENS), marks: true, ..Script::default() };
    let mut server = Served::start_and_rest(folder.path(), script).await?;
    load::create(&server, 1, 1).await?;
    load::wait_for_complete(&server, 1).await?;
    let measured = server.steps().await?;
    let summaries = server.statistics().await?.summaries;
    server.stop().await?;
    let mut figures = Vec::new();
    let mut costs = Vec::new();
    for look in looks {
        let (wall, processor) = (around(&measured.wall_ns, *look), around(&measured.processor_ns, *look));
        figures.push(Figure::new(format!("processor time of step {look}"), processor, "µs"));
        figures.push(Figure::new(format!("time of step {look}, on disk"), wall, "µs"));
        costs.push(processor);
    }
    if let (Some(first), Some(last_cost)) = (costs.first(), costs.last()) {
        let name = format!("processor time of step {last} against step {}", looks.first().unwrap_or(&0));
        figures.push(Figure::new(name, last_cost / first, "×").at_most(AIM_RATIO));
    }
    figures.push(Figure::new("summaries of the history on the way", summaries as f64, ""));
    Ok(figures)
}

/// The median over the steps around one (µs).
fn around(ns: &[u64], step: usize) -> f64 {
    let from = step.saturating_sub(HALF_WINDOW).min(ns.len());
    let to = (step + HALF_WINDOW).min(ns.len());
    let values: Vec<f64> = ns[from..to].iter().map(|ns| *ns as f64 / 1e3).collect();
    median(&values)
}
