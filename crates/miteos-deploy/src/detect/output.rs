//! Which folder a build has written. Pure: it is given the folders that have a page at their top.

use std::collections::BTreeSet;

use super::Plan;

/// Where builds write when nothing else is known.
pub(crate) const USUAL: [&str; 6] = ["dist", "build", "out", "public", "_site", "www"];

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the build wrote no index.html into any of {}; set settings.output to the folder that it writes", tried.join(", "))]
pub struct OutputError {
    pub tried: Vec<String>,
}

/// The first of the plan's folders that has an `index.html`. `with_index` are all folders below the project that have
/// one, `.` for the project itself.
pub fn choose_output(plan: &Plan, with_index: &BTreeSet<String>) -> Result<String, OutputError> {
    for wanted in &plan.outputs {
        if let Some(found) = with_index.iter().find(|folder| fits(wanted, folder)) {
            return Ok(found.clone());
        }
    }
    Err(OutputError { tried: plan.outputs.clone() })
}

/// `*` stands for one name.
fn fits(wanted: &str, folder: &str) -> bool {
    let (mut wanted, mut folder) = (wanted.split('/'), folder.split('/'));
    loop {
        match (wanted.next(), folder.next()) {
            (None, None) => return true,
            (Some("*"), Some(_)) => {}
            (Some(a), Some(b)) if a == b => {}
            _ => return false,
        }
    }
}
