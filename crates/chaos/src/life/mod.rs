//! People at work: they declare, change and delete through the real API, whatever goes wrong
//! with it, and remember what they were told.
//!
//! The one idea: each resource has one operator, who asks for one thing at a time and asks
//! again until there is an answer. So what must be there is known exactly.

mod catalogue;
mod nodes;
mod sessions;
mod workloads;

pub(crate) use workloads::is_strict;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tessera_client::{Api, Error};
use tessera_types::problem::Code;
use tessera_types::{Kind, Name, Object, Problem};

use crate::dice::Dice;
use crate::effects::Effects;
use crate::findings::{Findings, Invariant};
use crate::schedule::Program;
use crate::system::System;

/// A request that takes longer is sent again.
const ANSWER_PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(100);
/// Operators of workloads, and how many each has.
const WORKLOAD_OPERATORS: u64 = 4;
const SESSION_OPERATORS: u64 = 3;

/// What all operators share.
pub(crate) struct Life {
    api: Api,
    system: Arc<System>,
    findings: Arc<Findings>,
    seed: u64,
    is_over: AtomicBool,
    acts: Mutex<BTreeMap<&'static str, u64>>,
}

impl Life {
    /// Declares what there must be before anybody can work.
    pub(crate) async fn prepare(
        system: Arc<System>,
        findings: Arc<Findings>,
        effects: &Effects,
        seed: u64,
    ) -> anyhow::Result<Self> {
        let api = system.api()?;
        let life = Self {
            api,
            system,
            findings,
            seed,
            is_over: AtomicBool::new(false),
            acts: Mutex::default(),
        };
        life.declare_catalogue(effects).await?;
        Ok(life)
    }

    /// Everybody works until [`Life::end`]; then each brings what he has to rest.
    pub(crate) async fn live(self: Arc<Self>) {
        let mut all = tokio::task::JoinSet::new();
        for at in 0..WORKLOAD_OPERATORS {
            all.spawn_local(workloads::Operator::new(Arc::clone(&self), at).work());
        }
        for at in 0..SESSION_OPERATORS {
            all.spawn_local(sessions::Operator::new(Arc::clone(&self), at).work());
        }
        all.spawn_local(nodes::work(Arc::clone(&self)));
        while let Some(ended) = all.join_next().await {
            self.findings.judge(Invariant::Converged, ended.is_ok(), || {
                format!("an operator has given up: {ended:?}")
            });
        }
    }

    /// Nothing new is begun.
    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// How often each act was acknowledged.
    pub(crate) fn acts(&self) -> BTreeMap<&'static str, u64> {
        self.acts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn did(&self, act: &'static str) {
        *self.acts.lock().unwrap_or_else(PoisonError::into_inner).entry(act).or_default() += 1;
    }

    fn dice(&self, purpose: &str) -> Dice {
        Dice::new(self.seed, purpose)
    }

    /// Thinks for a while, or not if all is over.
    async fn think(&self, dice: &mut Dice, ms: std::ops::Range<u64>) {
        let mut left = dice.within(ms);
        while left > 0 && !self.is_over() {
            let step = left.min(200);
            tokio::time::sleep(Duration::from_millis(step)).await;
            left -= step;
        }
    }

    /// Asks until there is an answer.
    async fn ask<T>(&self, call: impl AsyncFn() -> Result<T, Error>) -> Result<T, Problem> {
        loop {
            match tokio::time::timeout(ANSWER_PATIENCE, call()).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(Error::Refused(problem))) if !self.is_passing(&problem) => {
                    return Err(*problem);
                }
                _ => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// Whether the same request may succeed later by itself.
    fn is_passing(&self, problem: &Problem) -> bool {
        match problem.code {
            Code::Unavailable | Code::TooManyRequests | Code::Conflict => true,
            Code::StorageFull | Code::StorageFailed | Code::Internal => {
                let is_explained = self.system.was_full_lately(Program::Control);
                self.findings.judge(Invariant::Logs, is_explained, || {
                    format!("an operator was told: {problem:?}")
                });
                true
            }
            _ => false,
        }
    }

    /// A resource as it is now; none if there is none.
    async fn get<K: Kind>(&self, name: &Name) -> Option<Object<K>> {
        let got = self.ask(async || self.api.get::<K>(name, None).await).await;
        match got {
            Ok(object) => Some(object),
            Err(problem) => {
                self.findings.judge(
                    Invariant::Acknowledged,
                    problem.code == Code::NotFound,
                    || format!("{} {name} cannot be read: {problem:?}", K::KIND),
                );
                None
            }
        }
    }
}

/// A name that is known to be legal.
fn name_of(text: &str) -> Name {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}
