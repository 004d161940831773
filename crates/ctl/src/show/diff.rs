//! What applying a manifest would change, as lines.

use std::fmt::Write as _;

use serde_json::Value;
use tessera_types::ResourceKey;
use tessera_types::api::{ApplyOutcome, FieldChange, PlannedPlacement};
use tessera_types::secret::{MASK, is_secret};

use crate::kinds::Planned;
use crate::show::change::KEY_TONE;
use crate::style::{Style, Tone, printable};

/// What would become of a resource, with its changes and where it would run.
pub(crate) fn planned(key: &ResourceKey, planned: &Planned, style: Style) -> String {
    let key = style.paint(KEY_TONE, &key.to_string());
    let outcome = match planned.outcome {
        ApplyOutcome::Unchanged => "would not change".to_owned(),
        outcome => format!("would be {outcome}"),
    };
    let mut text = format!("{key} {outcome}\n");
    for change in &planned.diff {
        text.push_str(&line(change, style));
    }
    if let Some(placement) = &planned.placement {
        let _ = writeln!(text, "  {}", where_it_would_run(placement));
    }
    text
}

fn line(change: &FieldChange, style: Style) -> String {
    let path = printable(&change.path);
    let line = match (&change.before, &change.after) {
        (None, Some(after)) => style.paint(Tone::Good, &format!("  + {path}: {}", value(after))),
        (Some(before), None) => style.paint(Tone::Bad, &format!("  - {path}: {}", value(before))),
        (Some(_), Some(_)) if is_secret(&change.path) => {
            style.paint(Tone::Busy, &format!("  ~ {path}: {MASK} (changed)"))
        }
        (before, after) => {
            let text = |side: &Option<Value>| side.as_ref().map(value).unwrap_or_default();
            style.paint(Tone::Busy, &format!("  ~ {path}: {} → {}", text(before), text(after)))
        }
    };
    line + "\n"
}

fn value(value: &Value) -> String {
    match value {
        Value::String(text) if text == MASK => MASK.to_owned(),
        value => printable(&value.to_string()),
    }
}

fn where_it_would_run(placement: &PlannedPlacement) -> String {
    let message = printable(&placement.message);
    match &placement.node {
        Some(node) if message.contains(node.as_str()) => message,
        Some(node) => format!("it would run on {node}: {message}"),
        None => format!("it would wait: {message}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_sort_of_change_has_its_mark() {
        let change =
            |path: &str, before, after| FieldChange { path: path.to_owned(), before, after };
        let plan = Planned {
            outcome: ApplyOutcome::Updated,
            diff: vec![
                change("spec.args[0]", Some(json!("3600")), Some(json!("7200"))),
                change("labels.zone", None, Some(json!("a"))),
                change("spec.env.NEW", None, Some(json!("***"))),
                change("spec.env.PIN", Some(json!("***")), Some(json!("***"))),
                change("spec.ports", Some(json!([{"port": 80}])), None),
            ],
            placement: Some(PlannedPlacement { node: None, message: "no node fits".to_owned() }),
        };
        let key = ResourceKey::new(tessera_types::KindName::Workload, None, "web".parse().unwrap());
        assert_eq!(
            planned(&key, &plan, Style::PLAIN),
            "workload/default/web would be updated\n  ~ spec.args[0]: \"3600\" → \"7200\"\n  \
             + labels.zone: \"a\"\n  + spec.env.NEW: ***\n  ~ spec.env.PIN: *** (changed)\n  - spec.ports: [{\"port\":80}]\n  it would wait: no node fits\n"
        );
    }
}
