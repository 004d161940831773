//! What an agent makes of the answer to the call that it has open.

use tessera_agent::core::Listed;
use tessera_reconciler::News;
use tessera_types::{Duration, Timestamp};

use super::Machine;
use crate::control::LEASE;

impl Machine {
    /// Takes in what is to run here, and has a lease from when it asked. Says whether it did: only
    /// the answer to the call that is open counts.
    pub(crate) fn hear_news(
        &mut self,
        news: News,
        at: Timestamp,
        sent_at: Timestamp,
        now: Timestamp,
    ) -> bool {
        if self.sync_sent_at != Some(sent_at) {
            return false;
        }
        self.sync_sent_at = None;
        self.has_failed = false;
        self.answered_at = Some(at);
        let until = self.clock.boot(sent_at).plus(LEASE);
        let left = until.since(self.clock.boot(now));
        if left > Duration::ZERO {
            self.renew(until);
        }
        let (since, revision) = (news.since, news.revision);
        let assignments = news.assignments.as_deref();
        let listed = assignments.map(|it| Listed { since, revision, assignments: it });
        if let Some((agent, wall)) = self.awake(now) {
            if news.unchanged {
                agent.unchanged(revision);
            }
            agent.synced(wall, wall.plus(left), listed);
        }
        if let Some(list) = news.tenants {
            self.tenants.listed(self.clock.wall(now), revision, &list);
        }
        true
    }
}
