//! What goes between agents and the control plane, over a network that delays, drops and
//! doubles.

use std::sync::Arc;

use tessera_reconciler::Known;
use tessera_types::sync::ReportResponse;
use tessera_types::workload::WorkloadStatus;
use tessera_types::{KindName, Object, Revision, Timestamp, Workload};

use super::faults::Mend;
use super::{Event, Sim};
use crate::acts::Class;
use crate::control::Control;
use crate::machine::CALL_TIME;
use crate::message::{ToAgent, ToControl};
use crate::rng::Rng;

/// How likely the control plane dies after a report, in percent: where a job has still to see that
/// its program has ended it is then looked at anew with its workload, and one that was stopped is
/// wanted again by all but that.
fn dies_of_a_report(control: &Control) -> u64 {
    let is_unseen = |workload: &&Arc<Object<Workload>>| {
        let is_of_job = workload.owner.as_ref().is_some_and(|owner| owner.kind == KindName::Job);
        is_of_job && !workload.status.holds_node() && workload.observed.last_exit.is_some()
    };
    let unseen = control.world.workloads.iter().filter(is_unseen);
    let how_likely = |workload: &Arc<Object<Workload>>| match workload.status {
        WorkloadStatus::Stopped => 70,
        _ => 20,
    };
    unseen.map(how_likely).max().unwrap_or(1)
}

impl Sim {
    /// When the agent calls next by itself.
    pub(super) fn next_call(&self, i: usize) -> Option<Timestamp> {
        let machine = &self.machines[i];
        if machine.agent.is_none() || machine.is_frozen {
            return None;
        }
        Some(machine.sync_sent_at.map_or(self.now, |at| at.plus(machine.heartbeat().limit)))
    }

    /// Lets an agent say what it has to say.
    pub(super) fn call(&mut self, i: usize) {
        let now = self.now;
        let machine = &mut self.machines[i];
        let session = machine.session;
        let given_up =
            |sent: Option<Timestamp>, limit| sent.is_none_or(|at| now.since(at) >= limit);
        let call = given_up(machine.sync_sent_at, machine.heartbeat().limit);
        let report = given_up(machine.report_sent_at, CALL_TIME);
        let (is_registered, answered_at) = (machine.is_registered, machine.answered_at);
        let Some((agent, _)) = machine.awake(now) else { return };
        let may_report = is_registered && report;
        let reports = if may_report { agent.reports(20) } else { Vec::new() };
        let workloads_since = agent.since();
        let held = agent.held();
        let told = answered_at.filter(|_| !agent.has_reports());
        let since = machine.tenants.since(workloads_since);
        let held = held.filter(|_| since == Revision::ZERO);
        let tenants = if may_report { machine.tenants.reports() } else { Vec::new() };
        if !tenants.is_empty() {
            machine.tenants.reported_at = now;
        }
        if call {
            machine.has_failed |= machine.sync_sent_at.replace(now).is_some();
            let message = if is_registered {
                let wait = machine.heartbeat().wait;
                let known = Known { since, partial: true, held };
                ToControl::Sync { known, told, wait, sent_at: now }
            } else {
                ToControl::Register { installation: self.machines[i].installation }
            };
            self.send_up(i, session, &message);
        }
        if !reports.is_empty() || !tenants.is_empty() {
            self.machines[i].report_sent_at = Some(now);
            self.send_up(i, session, &ToControl::Report { reports, tenants });
        }
    }

    /// Over a network that delays, drops and doubles, as long as there are faults.
    pub(super) fn send_up(&mut self, from: usize, session: u64, message: &ToControl) {
        if self.machines[from].is_mute {
            return;
        }
        for ms in self.deliveries(from) {
            self.after(ms, Event::Up(from, session, message.clone()));
        }
    }

    pub(super) fn send_down(&mut self, to: usize, session: u64, message: &ToAgent) {
        if self.disk.chronicle.is_dead() || self.machines[to].is_deaf {
            return;
        }
        for ms in self.deliveries(to) {
            self.after(ms, Event::Down(to, session, message.clone()));
        }
    }

    fn deliveries(&mut self, machine: usize) -> Vec<u64> {
        if self.machines[machine].is_cut_off {
            return Vec::new();
        }
        let whose = format!("between {} and the control plane", self.machines[machine].name);
        self.arrivals(&whose, |rng| {
            let delay = |rng: &mut Rng| {
                if rng.percent(5) { rng.between(100, 8000) } else { rng.between(1, 20) }
            };
            match rng.between(0, 100) {
                0..=2 => Some(Vec::new()),
                3..=5 => Some(vec![delay(rng), delay(rng)]),
                _ if rng.percent(5) => Some(vec![rng.between(100, 8000)]),
                _ => None,
            }
        })
    }

    pub(super) fn reach_control(&mut self, from: usize, session: u64, message: ToControl) {
        let machine = &self.machines[from];
        if machine.is_cut_off || machine.is_mute {
            return;
        }
        let Some(control) = &mut self.control else { return };
        if let Some(at) = control.runs_again_at(self.now) {
            let ms = at.since(self.now).as_millis() + 1;
            return self.after(ms, Event::Up(from, session, message));
        }
        let (name, cpu) = (machine.name.clone(), machine.cpu);
        let is_report = matches!(message, ToControl::Report { .. });
        let answer = control.receive(&name, cpu, session, message, self.now);
        let percent = dies_of_a_report(control);
        if let Some(answer) = answer {
            self.send_down(from, session, &answer);
        }
        // What was reported is written down, and nobody has followed it yet.
        if is_report {
            let dies = |rng: &mut Rng| rng.percent(percent);
            self.may(Class::Crash, dies, |sim| sim.crash_control("after a report"));
        }
    }

    pub(super) fn reach_agent(&mut self, to: usize, session: u64, message: ToAgent) {
        let now = self.now;
        let machine = &mut self.machines[to];
        if machine.session != session
            || machine.is_cut_off
            || machine.is_deaf
            || machine.awake(now).is_none()
        {
            return;
        }
        match message {
            ToAgent::Registered => {
                machine.is_registered = true;
                machine.sync_sent_at = None;
                machine.has_failed = false;
                if let Some((agent, _)) = machine.awake(now) {
                    agent.registered();
                }
                machine.tenants.registered();
            }
            ToAgent::NotRegistered => {
                machine.is_registered = false;
                machine.sync_sent_at = None;
                machine.report_sent_at = None;
            }
            ToAgent::Superseded => {
                // It ends, and is started again as a service is.
                machine.kill_agent(now);
                self.note(&format!("the agent of {} is superseded", self.machines[to].name));
                let ms = self.any_time().between(1000, 5000);
                return self.after(ms, Event::Mend(Mend::Agent(to)));
            }
            ToAgent::News { news, at, sent_at } => {
                if !machine.hear_news(news, at, sent_at, now) {
                    return;
                }
            }
            ToAgent::Reported { reports, tenants, stale } => {
                machine.tenants.acknowledged(&tenants);
                machine.report_sent_at = None;
                if let Some((agent, _)) = machine.awake(now) {
                    let answer = ReportResponse { stale, ..ReportResponse::default() };
                    agent.acknowledged(&reports, &answer);
                }
            }
        }
        let machine = &mut self.machines[to];
        machine.act(now);
    }
}
