//! What node_exporter is told of a tenant: the content of its text file, in the
//! [text format](https://prometheus.io/docs/instrumenting/exposition_formats/) of Prometheus.

use std::fmt::Write as _;

use tessera_types::Timestamp;

use super::history::{History, ServiceHistory};
use super::record::Verdict;
use crate::manifest::Manifest;

type Value = fn(&ServiceHistory) -> Option<String>;

/// Each metric of a service, with what it says.
const OF_SERVICES: &[(&str, &str, Value)] = &[
    (
        "last_success_timestamp_seconds",
        "When the last successful run ended, in seconds since 1970.",
        |service| service.success.as_ref().map(|run| seconds(ms(run.at))),
    ),
    ("last_run_timestamp_seconds", "When the last run ended, in seconds since 1970.", |service| {
        service.last.as_ref().map(|run| seconds(ms(run.at)))
    }),
    ("last_run_success", "Whether the last run that ended did its work.", |service| {
        service.last.as_ref().map(|run| u8::from(run.outcome == Verdict::Success).to_string())
    }),
    ("last_run_duration_seconds", "How long the last run took.", |service| {
        service.last.as_ref().map(|run| seconds(run.duration_ms))
    }),
    ("last_run_rows", "How many rows the last run wrote, if it told.", |service| {
        service.last.as_ref().and_then(|run| run.rows).map(|rows| rows.to_string())
    }),
];

/// The content of the text file. The label `service` is empty for the primary, and a service that
/// the manifest no longer has is left out.
pub fn textfile(manifest: &Manifest, history: &History) -> String {
    let tenant = manifest.name.as_str();
    let declared = |service: Option<&str>| {
        service.is_none_or(|suffix| manifest.services.iter().any(|name| name.as_str() == suffix))
    };
    let services: Vec<_> = history.services().filter(|(name, _)| declared(*name)).collect();
    let mut text = String::new();
    for (name, help, value) in OF_SERVICES {
        let values = services
            .iter()
            .filter_map(|(service, history)| Some((service.unwrap_or_default(), value(history)?)));
        family(&mut text, tenant, name, help, values);
    }
    let freshness = seconds(manifest.freshness.duration.as_millis());
    let help = "How old the last success may be.";
    family(&mut text, tenant, "freshness_seconds", help, [("", freshness)]);
    text
}

/// One metric with all its values; nothing when there are none.
fn family<'a>(
    text: &mut String,
    tenant: &str,
    name: &str,
    help: &str,
    values: impl IntoIterator<Item = (&'a str, String)>,
) {
    let mut values = values.into_iter().peekable();
    if values.peek().is_none() {
        return;
    }
    let name = format!("tessera_tenant_{name}");
    let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n");
    for (service, value) in values {
        let _ = writeln!(text, "{name}{{tenant=\"{tenant}\",service=\"{service}\"}} {value}");
    }
}

fn ms(at: Timestamp) -> u64 {
    u64::try_from(at.as_micros() / 1000).unwrap_or_default()
}

fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::identity;
    use super::super::record::{Event, Line};
    use super::*;
    use crate::verb::Verb;

    #[test]
    fn a_value_that_is_not_known_has_no_line_and_a_service_that_is_gone_neither() {
        let text = "name = 'circ-trans'\nversion = '1'\nschema = 'items'\nsources = []\nfreshness = '1500ms'\n";
        let manifest = Manifest::parse("m", text).unwrap();
        let mut history = History::default();
        for service in [None, Some("gone".to_owned())] {
            let event = Event::Ended {
                at: Timestamp::from_micros(1_500_000),
                outcome: Verdict::Failure,
                exit_code: 7,
                rows: None,
                duration_ms: 12,
            };
            let identity = super::super::Identity { service, ..identity("a", Verb::Run) };
            history.take(&Line { identity, event }.to_json());
        }
        let text = textfile(&manifest, &history);
        let values: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            values,
            [
                "tessera_tenant_last_run_timestamp_seconds{tenant=\"circ-trans\",service=\"\"} 1.500",
                "tessera_tenant_last_run_success{tenant=\"circ-trans\",service=\"\"} 0",
                "tessera_tenant_last_run_duration_seconds{tenant=\"circ-trans\",service=\"\"} 0.012",
                "tessera_tenant_freshness_seconds{tenant=\"circ-trans\",service=\"\"} 1.500",
            ]
        );
        assert_eq!(text.matches("# TYPE").count(), 4);
    }
}
