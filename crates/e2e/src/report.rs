//! What is shown when something did not come about: the resources, their
//! histories, and the end of every log.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use tessera_client::{Api, HistoryOptions, ListOptions};
use tessera_types::{Host, Job, Kind, Node, Pod, Report, Session, SessionPart, Workload};

/// Lines shown of each log.
const LOG_LINES: usize = 60;
const HISTORY_MAX: u32 = 30;

/// The resources and their histories.
pub(crate) async fn resources(api: &Api) -> String {
    let mut text = String::new();
    of_kind::<Node>(api, &mut text).await;
    of_kind::<Host>(api, &mut text).await;
    of_kind::<Session>(api, &mut text).await;
    of_kind::<SessionPart>(api, &mut text).await;
    of_kind::<Pod>(api, &mut text).await;
    of_kind::<Job>(api, &mut text).await;
    of_kind::<Report>(api, &mut text).await;
    of_kind::<Workload>(api, &mut text).await;
    text
}

async fn of_kind<K: Kind>(api: &Api, text: &mut String) {
    let options = ListOptions { limit: Some(1000), ..Default::default() };
    let list = match api.list::<K>(&options).await {
        Ok(list) => list,
        Err(error) => {
            let _ = writeln!(text, "{} cannot be listed: {error}", K::KIND.plural());
            return;
        }
    };
    for object in &list.items {
        let _ = writeln!(text, "{}", serde_json::to_string(&**object).unwrap_or_default());
        let options = HistoryOptions { limit: Some(HISTORY_MAX), before_seq: None };
        let history = api.history(&object.key(), options).await;
        for entry in history.map(|history| history.items).unwrap_or_default() {
            let record = &entry.record;
            let from = record.from.as_deref().unwrap_or("-");
            let _ = writeln!(
                text,
                "  {} r{} {from} -> {}: {} {:?}",
                record.at, entry.revision, record.to, record.reason, record.metadata
            );
        }
    }
}

/// The end of every log in `folder`.
pub(crate) fn logs(folder: &Path) -> String {
    let mut text = String::new();
    let mut paths: Vec<_> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|it| it == "log")) {
        let log = String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
        let lines: Vec<_> = log.lines().collect();
        let _ = writeln!(text, "== {}", path.display());
        for line in &lines[lines.len().saturating_sub(LOG_LINES)..] {
            let _ = writeln!(text, "{line}");
        }
    }
    text
}
