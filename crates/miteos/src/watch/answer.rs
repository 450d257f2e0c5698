//! What a typed answer means. Pure.

use serde_json::{Map, Value};

/// An answer to a request for approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Yes,
    No,
    /// No, and why.
    Because(String),
    /// Ask for the reason.
    Reason,
    /// Ask for other arguments.
    Edit,
    View,
    Unclear,
}

/// Nothing typed is no answer: an action is never approved by the return key alone.
pub fn approval(typed: &str) -> Answer {
    let typed = typed.trim();
    match typed.to_lowercase().as_str() {
        "y" | "yes" => Answer::Yes,
        "n" | "no" => Answer::No,
        "r" | "reason" => Answer::Reason,
        "e" | "edit" => Answer::Edit,
        "v" | "view" => Answer::View,
        _ => match typed.split_once([' ', ':', ',']) {
            Some((no, why)) if matches!(no.to_lowercase().as_str(), "n" | "no") && !why.trim().is_empty() => {
                Answer::Because(why.trim().to_owned())
            }
            _ => Answer::Unclear,
        },
    }
}

/// What to do with a paused task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    Resume,
    Guide,
    Cancel,
    Unclear,
}

pub fn menu(typed: &str) -> Choice {
    match typed.trim().to_lowercase().as_str() {
        "r" | "resume" => Choice::Resume,
        "g" | "guide" => Choice::Guide,
        "c" | "cancel" => Choice::Cancel,
        _ => Choice::Unclear,
    }
}

/// New arguments: a JSON object, or `name=value` to change one field of the old ones.
pub fn edited(typed: &str, old: &Value) -> Result<Map<String, Value>, String> {
    let typed = typed.trim();
    if typed.starts_with('{') {
        return serde_json::from_str(typed).map_err(|error| format!("that is no JSON object: {error}"));
    }
    let Some((name, value)) = typed.split_once('=') else {
        return Err("type a JSON object, or name=value to change one argument".to_owned());
    };
    let mut fields = old.as_object().cloned().unwrap_or_default();
    let name = name.trim();
    let Some(field) = fields.get_mut(name) else {
        return Err(format!("there is no argument \"{name}\""));
    };
    let value = value.trim();
    *field = match (&*field, serde_json::from_str::<Value>(value)) {
        (Value::String(_), _) | (_, Err(_)) => Value::String(value.to_owned()),
        (_, Ok(parsed)) => parsed,
    };
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_clear_yes_is_a_yes() {
        for yes in ["y", "Y", " yes ", "YES"] {
            assert_eq!(approval(yes), Answer::Yes);
        }
        for unclear in ["", " ", "ja", "yy", "ok", "1", "yes please", "never"] {
            assert_eq!(approval(unclear), Answer::Unclear, "{unclear:?}");
        }
        assert_eq!(approval("n"), Answer::No);
        assert_eq!(approval("no, too many recipients"), Answer::Because("too many recipients".into()));
        assert_eq!(approval("n: later"), Answer::Because("later".into()));
        assert_eq!(
            (approval("r"), approval("e"), approval("v")),
            (Answer::Reason, Answer::Edit, Answer::View)
        );
        assert_eq!(
            [menu("r"), menu("Guide"), menu("c"), menu("")],
            [Choice::Resume, Choice::Guide, Choice::Cancel, Choice::Unclear]
        );
    }

    #[test]
    fn arguments_are_replaced_whole_or_one_by_one() {
        let old = json!({"to": ["a"], "subject": "Hi", "n": 1});
        assert_eq!(Value::Object(edited(r#"{"x": 1}"#, &old).unwrap()), json!({"x": 1}));
        assert_eq!(
            Value::Object(edited("subject = Hello = you", &old).unwrap())["subject"],
            json!("Hello = you")
        );
        assert_eq!(
            Value::Object(edited("subject=7", &old).unwrap())["subject"],
            json!("7"),
            "a text stays a text"
        );
        assert_eq!(Value::Object(edited(r#"to=["b","c"]"#, &old).unwrap())["to"], json!(["b", "c"]));
        assert_eq!(Value::Object(edited("n=2", &old).unwrap())["n"], json!(2));
        for bad in ["", "subject", "nothing=1", "{", "[1]"] {
            assert!(edited(bad, &old).is_err(), "{bad}");
        }
    }
}
