//! An agent hears of an end that comes sooner, and is killed somewhere in its work.

use serde_json::json;
use tessera_agent::core::Listed;
use tessera_types::sync::Assignment;
use tessera_types::{Duration, Epoch, Name, Uid};

use super::*;
use crate::clock::{BEGIN, Clock};
use crate::rng::Rng;
use crate::tenants::Tenants;

pub(in crate::check) fn at(seconds: u64) -> Timestamp {
    BEGIN.plus(Duration::from_secs(seconds))
}

/// The only workload of the node, which is to end then.
fn assignment(generation: u64, end: Timestamp) -> Assignment {
    let spec = json!({"command": "x", "on_disconnect": "keep", "not_after": end.to_string()});
    Assignment {
        id: Uid(1),
        namespace: Name::default_namespace(),
        name: Name::new("a").unwrap(),
        epoch: Epoch(1),
        generation,
        stop: false,
        report_seq: 0,
        spec: Some(serde_json::from_value(spec).unwrap()),
    }
}

/// The agent hears of it.
fn tell(machine: &mut Machine, now: Timestamp, assignment: &Assignment) {
    let (agent, wall) = machine.awake(now).unwrap();
    let listed = Listed::all(Revision(assignment.generation), std::slice::from_ref(assignment));
    agent.synced(wall, wall.plus(Duration::from_secs(15)), Some(listed));
    machine.act(now);
}

/// A machine whose clock is right, and on which a run has begun that is to end after a minute.
pub(in crate::check) fn machine() -> Machine {
    let clocks = (0..).map(|seed| Clock::new(&mut Rng::of(seed, 0)));
    let mut right = clocks.filter(|clock| clock.wall(at(1000)) == at(1000));
    let clock = right.next().unwrap();
    let tenants = Tenants::new(Rng::of(0, 0), &clock);
    let mut machine = Machine::new(Name::new("n0").unwrap(), 1000, clock, tenants);
    tell(&mut machine, at(0), &assignment(1, at(60)));
    machine.advance(at(10), false);
    assert_eq!(machine.alive(Uid(1)).count(), 1);
    machine
}

fn check(machine: &Machine, now: Timestamp) -> Result<(), String> {
    no_run_outlives_what_its_agent_knows(std::slice::from_ref(machine), now)
}

#[test]
fn an_end_that_a_killed_agent_did_not_come_to_tell_is_told_by_the_next() {
    let mut machine = machine();
    machine.dies_after = Some(1);
    tell(&mut machine, at(10), &assignment(2, at(30)));
    assert!(machine.agent.is_none(), "it was killed once it had saved");
    machine.advance(at(40), false);
    assert_eq!(check(&machine, at(40)), Ok(()));
    machine.start_agent(at(40));
    machine.advance(at(40), false);
    assert_eq!((check(&machine, at(40)), machine.alive(Uid(1)).count()), (Ok(()), 0));
}

#[test]
fn a_run_that_outlives_an_end_which_was_told_is_seen() {
    let mut machine = machine();
    machine.dies_after = Some(2);
    tell(&mut machine, at(10), &assignment(2, at(30)));
    machine.kill_agent(at(10));
    assert_eq!(check(&machine, at(29)), Ok(()));
    assert!(check(&machine, at(31)).is_err(), "its supervisor has not ended it");
    machine.advance(at(31), false);
    assert_eq!(check(&machine, at(31)), Ok(()));
}
