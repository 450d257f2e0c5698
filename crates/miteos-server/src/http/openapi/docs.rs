//! What each operation is, chapter by chapter. An operation of the table that nothing is said of here fails a test.

mod agents;
mod approvals;
mod deliverables;
mod deployments;
mod events;
mod keys;
mod server;
mod tasks;
mod usage;
mod webhooks;
mod workspaces;

use super::doc::Doc;
use super::schemas::Schemas;

pub use webhooks::messages;

/// All that is said, in the order of the chapters.
pub fn all(schemas: &mut Schemas) -> Vec<Doc> {
    let chapters: [fn(&mut Schemas) -> Vec<Doc>; 11] = [
        tasks::docs,
        events::docs,
        agents::docs,
        approvals::docs,
        deliverables::docs,
        workspaces::docs,
        deployments::docs,
        webhooks::docs,
        keys::docs,
        usage::docs,
        server::docs,
    ];
    chapters.into_iter().flat_map(|docs| docs(schemas)).collect()
}
