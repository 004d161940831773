//! Operators of sessions: each declares one after the other, and may extend, cancel or delete
//! it on the way.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tessera_client::{DeleteOptions, PutOptions, call};
use tessera_types::booking::StretchRequest;
use tessera_types::problem::Code;
use tessera_types::{Manifest, Name, Session, Uid};

use super::{Life, PAUSE, name_of};
use crate::dice::Dice;
use crate::findings::Invariant;

/// How long after its cleanup deadline a session may take to be over. A control plane that is
/// down cannot say so, and no schedule has it down for so long.
const OVER_PATIENCE: Duration = Duration::from_secs(60);
const EXTENSION: Duration = Duration::from_secs(3);

pub(super) struct Operator {
    life: Arc<Life>,
    at: u64,
    /// The number of the name that is used now.
    count: u64,
    /// How many were declared.
    declared: u64,
    dice: Dice,
}

impl Operator {
    pub(super) fn new(life: Arc<Life>, at: u64) -> Self {
        let dice = life.dice(&format!("sessions {at}"));
        Self { life, at, count: 0, declared: 0, dice }
    }

    pub(super) async fn work(mut self) {
        let mut is_free = false;
        while !self.life.is_over() {
            if is_free {
                self.life.did("declare_session_again");
            } else {
                self.count += 1;
            }
            is_free = false;
            let name = name_of(&format!("s{}-{}", self.at, self.count));
            if let Some(id) = self.declare(&name).await {
                self.interfere(&name).await;
                self.see_it_over(&name, id).await;
                if self.dice.percent(60) {
                    let is_gone = self.delete(&name, id).await;
                    is_free = is_gone && self.dice.percent(60);
                }
            }
            self.life.think(&mut self.dice, 100..3_000).await;
        }
    }

    async fn declare(&mut self, name: &Name) -> Option<Uid> {
        let type_key = self.dice.of(&["exam", "lab"]);
        let start_in = format!("{}ms", self.dice.within(7_000..12_000));
        let manifest: Manifest<Session> = serde_json::from_value(json!({
            "name": name,
            "spec": {"definition": {"type_key": type_key}, "timeslot": {"start_in": start_in}},
        }))
        .unwrap_or_else(|error| panic!("{name}: {error}"));
        self.declared += 1;
        let key = format!("{name}-{}-declared", self.declared);
        let options = PutOptions { dry_run: false, idempotency_key: Some(&key) };
        let asked = self.life.ask(async || self.life.api.put(&manifest, &options).await).await;
        match asked {
            Ok(applied) => {
                self.life.did(if type_key == "exam" { "declare_exam" } else { "declare_lab" });
                Some(applied.resource.id)
            }
            Err(problem) => {
                let is_full = problem.code == Code::DoesNotFit;
                self.life.findings.judge(Invariant::Acknowledged, is_full, || {
                    format!("session {name} was refused: {problem:?}")
                });
                self.life.did("refused_for_want_of_room");
                None
            }
        }
    }

    /// Extends or cancels it, at some moment; or leaves it alone.
    async fn interfere(&mut self, name: &Name) {
        self.life.think(&mut self.dice, 0..14_000).await;
        let life = &self.life;
        let key = format!("{name}-{}-once", self.declared);
        match self.dice.within(0..10) {
            0..3 => {
                let by = u64::try_from(EXTENSION.as_millis()).unwrap_or_default();
                let body =
                    StretchRequest { by: tessera_types::Duration::from_millis(by), part: None };
                let asked = life
                    .ask(async || {
                        call(life.api.session_extend(name, None, Some(&key), &body)).await
                    })
                    .await;
                self.took("extend", name, asked.err().map(|problem| problem.code));
            }
            3..5 => {
                let asked = life
                    .ask(async || call(life.api.session_cancel(name, None, Some(&key))).await)
                    .await;
                self.took("cancel", name, asked.err().map(|problem| problem.code));
            }
            _ => {}
        }
    }

    /// It may be over already, or the room be booked by another.
    fn took(&self, act: &'static str, name: &Name, refused: Option<Code>) {
        let is_explained =
            refused.is_none_or(|code| matches!(code, Code::NotNow | Code::DoesNotFit));
        self.life.findings.judge(Invariant::Acknowledged, is_explained, || {
            format!("to {act} {name} was refused: {refused:?}")
        });
        if refused.is_none() {
            self.life.did(act);
        }
    }

    async fn see_it_over(&self, name: &Name, id: Uid) {
        let begun = Instant::now();
        let mut patience = OVER_PATIENCE;
        loop {
            let found = self.life.get::<Session>(name).await;
            let is_it = found.as_ref().is_some_and(|found| found.id == id);
            self.life.findings.judge(Invariant::Acknowledged, is_it, || {
                format!("session {name} ({id}) was declared, and there is {found:?}")
            });
            let Some(found) = found.filter(|_| is_it) else { return };
            if found.status.is_over() {
                self.life.did("see_over");
                return;
            }
            if let Some(slot) = found.observed.timed.timeslot {
                let whole = slot.cleanup_deadline().since(found.created_at).as_std();
                patience = patience.max(whole + OVER_PATIENCE);
            }
            if begun.elapsed() > patience {
                self.life.findings.judge(Invariant::Converged, false, || {
                    format!("session {name} is never over: {found:?}")
                });
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Whether it is gone, so that another may have its name.
    async fn delete(&self, name: &Name, id: Uid) -> bool {
        let options = DeleteOptions { id: Some(id), revision: None };
        let delete = async || self.life.api.delete::<Session>(name, None, options).await;
        let asked = self.life.ask(delete).await;
        let is_done = asked.as_ref().map_or_else(|it| it.code == Code::NotFound, |it| it.id == id);
        self.life.findings.judge(Invariant::Acknowledged, is_done, || {
            format!("the deletion of session {name} was refused: {asked:?}")
        });
        self.life.did("delete_session");
        let begun = Instant::now();
        while self.life.get::<Session>(name).await.is_some() {
            if begun.elapsed() > OVER_PATIENCE {
                self.life.findings.judge(Invariant::Converged, false, || {
                    format!("session {name} was deleted, and stays")
                });
                return false;
            }
            tokio::time::sleep(PAUSE).await;
        }
        true
    }
}
