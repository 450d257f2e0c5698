//! Which types of events somebody asked for.

use miteos_api::EventType;

/// Words that are read of one list; there are fewer types than this.
const MAX_WORDS: usize = 64;

/// A choice of types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Types(Box<[EventType]>);

impl Types {
    /// Reads a list of words; the error says what would be right.
    pub fn read<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut types = Vec::new();
        for word in words.into_iter().take(MAX_WORDS + 1).map(str::trim) {
            let kind = EventType::from(word);
            if matches!(kind, EventType::Other(_)) {
                let shown: String = word.chars().take(MAX_WORDS).collect();
                return Err(format!("types: {shown:?} is no type of event; there are {}", known()));
            }
            if !types.contains(&kind) {
                types.push(kind);
            }
        }
        if types.is_empty() {
            return Err(format!("types is empty; leave it out for all, or name some of {}", known()));
        }
        Ok(Self(types.into()))
    }

    pub fn contains(&self, kind: &EventType) -> bool {
        self.0.contains(kind)
    }

    pub fn words(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }
}

fn known() -> String {
    EventType::ALL.iter().map(EventType::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_words_are_read_and_others_refused_with_what_there_is() {
        let types = Types::read("task.complete, agent.action,task.complete".split(',')).unwrap();
        assert_eq!(types.words(), ["task.complete", "agent.action"]);
        assert!(types.contains(&EventType::AgentAction) && !types.contains(&EventType::AgentResult));
        let refused = Types::read(["agent.dreaming"]).unwrap_err();
        assert!(refused.contains("\"agent.dreaming\"") && refused.contains("agent.thinking"), "{refused}");
        assert!(Types::read([]).unwrap_err().contains("empty"));
        assert!(Types::read("".split(',')).is_err());
        let long = "x".repeat(100_000);
        assert!(Types::read([long.as_str()]).unwrap_err().len() < 2_000);
        assert!(Types::read(std::iter::repeat_n("task.paused", 1_000_000)).is_ok());
    }
}
