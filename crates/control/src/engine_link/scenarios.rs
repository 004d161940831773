//! What the engine can run, for whoever seeds. It adorns: an engine that does not answer at once
//! keeps nobody waiting.

use std::time::Duration;

use tessera_client::call;

use super::EngineBell;

/// Seeding is done by then; only its answer waits.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

impl EngineBell {
    /// The scenarios that the engine has, as `name@version`; none where it is not known.
    pub(crate) async fn scenarios(&self) -> Option<Vec<String>> {
        let engine = self.client.as_ref()?;
        let asked = tokio::time::timeout(ANSWER_WITHIN, call(engine.scenario_list())).await;
        let list = asked.ok()?.ok()?;
        Some(list.items.into_iter().map(|one| one.scenario.to_string()).collect())
    }
}
