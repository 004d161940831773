//! What a crash may cost: nothing.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use serde_json::json;
use tessera_workflow::definition::Workflow;
use tessera_workflow::machine::*;

use crate::support::documents::short;
use crate::support::world::{Plan, World, after, event, failed, plan};

const BUSY: &str = "
        timeout: { after: PT10M }
        use:
          secrets: [key]
          extensions: [ { log: { extend: call, before: [ { log: { set: { x: 1 } } } ] } } ]
        do:
          - all:
              fork:
                branches:
                  - flaky:
                      try: [ { one: { call: lab.one, with: { k: '${ $secrets.key }' } } } ]
                      catch:
                        retry: { delay: PT1S, jitter: { from: PT0S, to: PT1S }, limit: { attempt: { count: 3, duration: PT4S } } }
                        do: [ { gave: { set: { gave: up } } } ]
                  - hear:
                      listen: { to: { any: [ { with: { type: a } } ], until: '(. | length) == 2' } }
                      foreach: { do: [ { each: { call: lab.each, with: {} } } ], export: { as: . } }
                  - race:
                      fork:
                        compete: true
                        branches:
                          - quick: { call: lab.quick, with: {} }
                          - nap: { wait: PT2S }
          - loop:
              for: { in: '[1, 2]' }
              do:
                - tell: { emit: { event: { with: { type: told, data: '${ $item }' } } } }
                - late: { call: lab.late, with: {}, timeout: { after: PT3S }, if: '$item == 2' }
          - last: { set: '${ {context: $context, last: .} }' }";

/// A workflow that does a bit of everything; `seed` decides how long effects take and which fail.
fn busy(seed: u64) -> Plan {
    static WORKFLOW: LazyLock<Arc<Workflow>> = LazyLock::new(|| short(BUSY));
    let mut plan = plan(WORKFLOW.clone(), json!({})).secret("key", json!("hunter22"));
    plan = plan.answers(move |effect| {
        let mix = (seed ^ effect.id.0.wrapping_mul(0x9E37_79B9_7F4A_7C15))
            .wrapping_mul(0xD129_8A2E_03A7_1C6B)
            >> 20;
        let result = json!({"step": effect.id.0, "echo": "hunter22"});
        match mix % 5 {
            0 => failed(kind::COMMUNICATION, 503),
            _ => after(mix % 5000, result),
        }
    });
    for number in 0..3 {
        plan = plan.outside(seed % 3000 + number * 700, event("a", &json!({"n": number})));
    }
    if seed.is_multiple_of(4) {
        plan = plan.outside(1500, Happening::Suspended).outside(2500, Happening::Resumed);
    }
    if seed.is_multiple_of(11) {
        plan = plan.outside(seed % 4000, Happening::Cancelled { reason: "enough".into() });
    }
    plan
}

/// All that a machine says on its way through a journal.
fn told(plan: &Plan, journal: &[Entry]) -> (Vec<String>, Vec<Observation>, Machine) {
    let mut machine = plan.machine();
    let mut commands = Vec::new();
    let mut take = |machine: &mut Machine| {
        commands.extend(machine.take_effects().iter().map(|command| match command {
            Command::Do(effect) => format!("{effect:?}"),
            Command::Cancel(step) => format!("{step:?}"),
        }));
    };
    take(&mut machine);
    for entry in journal {
        machine.apply(entry);
        take(&mut machine);
    }
    let observations = machine.take_observations();
    (commands, observations, machine)
}

/// The effects that a replay without taking anything brings.
fn outstanding(plan: &Plan, journal: &[Entry]) -> BTreeSet<StepId> {
    let mut machine = plan.machine();
    journal.iter().for_each(|entry| machine.apply(entry));
    let commands = machine.take_effects().into_iter();
    commands
        .filter_map(|command| match command {
            Command::Do(effect) => Some(effect.id),
            Command::Cancel(_) => None,
        })
        .collect()
}

fn ended(journal: &[Entry]) -> BTreeSet<StepId> {
    let steps = journal.iter().filter_map(|entry| match entry.what {
        Happening::Done { step, .. } | Happening::Failed { step, .. } => Some(step),
        _ => None,
    });
    steps.collect()
}

fn key_of(world: &World) -> Vec<String> {
    let mut keys: Vec<_> = world.effects.iter().map(|it| it.idempotency_key.to_string()).collect();
    keys.sort();
    keys
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_replay_of_any_prefix_says_the_same(seed in any::<u64>(), cut in 0_usize..60) {
        let world = busy(seed).run();
        prop_assert!(world.machine.outcome().is_some(), "{:?}", world.machine.waiting_for());
        let prefix = &world.journal[..cut.min(world.journal.len())];
        let (commands, observations, machine) = told(&world.plan, prefix);
        let (again, observed_again, other) = told(&world.plan, prefix);
        prop_assert_eq!(&commands, &again);
        prop_assert_eq!(&observations, &observed_again);
        prop_assert_eq!(machine.outcome(), other.outcome());
        prop_assert_eq!(machine.next_wakeup(), other.next_wakeup());
        prop_assert_eq!(machine.waiting_for(), other.waiting_for());
        let numbers: Vec<_> = observations.iter().map(|it| it.number).collect();
        prop_assert_eq!(numbers, (0..observations.len() as u64).collect::<Vec<_>>());
        let whole = told(&world.plan, &world.journal).1;
        prop_assert_eq!(&observations[..], &whole[..observations.len()]);
    }

    #[test]
    fn after_a_crash_only_what_is_under_way_is_begun_again(seed in any::<u64>(), cut in 0_usize..60) {
        let world = busy(seed).run();
        let prefix = &world.journal[..cut.min(world.journal.len())];
        let (_, _, machine) = told(&world.plan, prefix);
        let outstanding = outstanding(&world.plan, prefix);
        prop_assert!(outstanding.is_disjoint(&ended(prefix)));
        if machine.outcome().is_some() {
            prop_assert!(outstanding.is_empty());
        }
    }

    #[test]
    fn crashes_change_neither_the_outcome_nor_the_keys(seed in any::<u64>(), every in 1_usize..7) {
        // What an effect takes is a matter of when it began; so here all take no time.
        let quick = |seed| {
            let plan = busy(seed);
            let answers = plan.answers.clone();
            plan.answers(move |effect| {
                let mut answer = answers(effect);
                answer.after = tessera_types::Duration::ZERO;
                answer
            })
        };
        let calm = quick(seed).run();
        let mut world = quick(seed).begin();
        let mut steps = 0;
        while world.step() {
            steps += 1;
            if steps % every == 0 {
                world.crash();
            }
        }
        prop_assert_eq!(world.machine.outcome(), calm.machine.outcome());
        let mut keys = key_of(&world);
        keys.dedup();
        prop_assert_eq!(keys, key_of(&calm));
    }

    #[test]
    fn whatever_is_told_in_whatever_order_is_taken_the_same_way_twice(
        told_it in proptest::collection::vec((0_u64..3000, 0_u8..9, 0_u64..12), 0..60)
    ) {
        let mut at = crate::support::world::start_of_time();
        let journal: Vec<Entry> = told_it.into_iter().map(|(ms, what, step)| {
            at = at.plus(tessera_types::Duration::from_millis(ms));
            let step = StepId(step);
            let what = match what {
                0..4 => Happening::Done { step, result: json!({"n": step.0}) },
                4 => Happening::Failed { step, error: Error::new("it", 500, "It", "failed") },
                5 => Happening::Woken,
                6 => event("a", &json!(step.0)),
                7 if step.0 > 10 => Happening::Cancelled { reason: "so".into() },
                7 => Happening::Suspended,
                _ => Happening::Resumed,
            };
            Entry { at, what }
        }).collect();
        let plan = busy(1);
        let (commands, observations, machine) = told(&plan, &journal);
        let (again, observed_again, other) = told(&plan, &journal);
        prop_assert_eq!((&commands, &observations), (&again, &observed_again));
        prop_assert_eq!(machine.outcome(), other.outcome());
        if machine.outcome().is_some() {
            prop_assert_eq!(machine.next_wakeup(), None);
            prop_assert!(machine.listens().is_empty() && machine.status().is_end());
        }
    }

    #[test]
    fn no_journal_nor_observation_holds_a_secret(seed in any::<u64>()) {
        let world = busy(seed).run();
        let seen = format!("{:?}{:?}{:?}", world.journal, world.observations, world.effects);
        prop_assert!(!seen.contains("hunter22"));
    }

    #[test]
    fn branches_end_the_same_in_any_order(order in Just((0..4_u64).collect::<Vec<_>>()).prop_shuffle()) {
        let branch = |n: usize| format!("{{ b{n}: {{ do: [ {{ c: {{ call: lab.x, with: {{}} }} }}, {{ s: {{ set: '${{ {{n: {n}, got: .}} }}' }} }} ] }} }}");
        let branches = (0..4).map(branch).collect::<Vec<_>>().join(", ");
        let document = format!("- f: {{ fork: {{ branches: [ {branches} ] }} }}");
        let world = plan(short(&document), json!({}))
            .answers(move |effect| after(order[effect.id.0 as usize] * 10, json!(effect.id.0)))
            .run();
        let expected: Vec<_> = (0..4).map(|n| json!({"n": n, "got": n})).collect();
        prop_assert_eq!(world.output(), json!(expected));
    }
}

#[test]
fn an_entry_is_stored_as_json_and_read_again() {
    let world = busy(3).run();
    for entry in &world.journal {
        let text = serde_json::to_string(entry).unwrap();
        assert_eq!(serde_json::from_str::<Entry>(&text).unwrap(), *entry);
    }
}

#[test]
fn what_was_stopped_before_a_crash_is_stopped_again_and_not_begun() {
    let document = "
        - try:
            try: [ { slow: { call: lab.x, with: {}, timeout: { after: PT1S } } } ]
            catch: {}
        - wait: { wait: PT1H }";
    let plan = plan(short(document), json!({})).answers(|_| after(60_000, json!(1)));
    let mut world = plan.begin();
    world.step();
    let mut machine = world.plan.machine();
    world.journal.iter().for_each(|entry| machine.apply(entry));
    let commands = machine.take_effects();
    assert!(matches!(commands[..], [Command::Cancel(StepId(0))]), "{commands:?}");
}

#[test]
fn what_ended_in_a_pause_is_not_begun_again_after_a_crash() {
    let mut world = plan(short("- c: { call: lab.x, with: {} }"), json!({}))
        .answers(|_| after(1000, json!(1)))
        .outside(500, Happening::Suspended)
        .begin();
    world.step();
    world.step();
    assert_eq!(outstanding(&world.plan, &world.journal[..1]), [StepId(0)].into());
    assert_eq!(outstanding(&world.plan, &world.journal), [].into());
}
