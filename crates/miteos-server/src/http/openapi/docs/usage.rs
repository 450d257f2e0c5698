//! What was used, and what of.

use miteos_api::{ListUsage, ModelList, Usage};

use super::super::doc::{Doc, Tag, doc};
use super::super::examples;
use super::super::schemas::Schemas;

pub fn docs(s: &mut Schemas) -> Vec<Doc> {
    vec![
        doc("GET", "/usage", "getUsage", Tag::Usage, "Report usage")
            .text("Days are in UTC, both ends are included, and 366 days are the most.")
            .parameters(s.query::<ListUsage>())
            .answer(200, "The totals, and the rows they come from.", s.told::<Usage>(), examples::usage())
            .refused(
                "`from` after `to`, too many days, an unknown `group_by`, or `limit` or `offset` out of range.",
                "from is after to; the earlier day comes first",
            ),
        doc("GET", "/models", "listModels", Tag::Usage, "List models")
            .text(
                "Those that this server has set up, with their prices where they are known. No provider is asked. In the test \
                 world there is the scripted model alone.",
            )
            .answer(200, "The models, by name.", s.told::<ModelList>(), examples::models()),
    ]
}
