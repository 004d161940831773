//! Hosts and definitions, explained.

use serde_json::Value;
use tessera_types::{Host, Kind, Object, Resource, with_object};

use super::Page;
use super::session::pinned;
use super::timed::of_timed;
use crate::moment::apart;
use crate::show::definition::{Known, source};
use crate::show::host::{Held, counted, held_at, list};
use crate::show::{Beside, cores, memory};
use crate::style::printable;

pub(super) fn of_host(page: &mut Page, host: &Object<Host>, beside: &Beside) {
    let observed = &host.observed;
    page.heading("host");
    page.field("definition", pinned(observed.definition.as_ref()));
    if let Some(definition) = &observed.definition {
        page.field("type", definition.spec.host_type);
        page.field("takes", list(&definition.spec.pod_types));
        page.optional("licences", definition.spec.licence_class.as_ref());
    }
    page.optional("location", host.spec.location.as_ref());
    let serves = &host.spec.delivery_environments;
    page.optional("serves", (!serves.is_empty()).then(|| list(serves)));
    page.optional("nodes", observed.nodes);
    if let Some(largest) = observed.largest_node {
        let text = format!("{} cpu, {}", cores(largest.cpu), memory(largest.memory));
        page.field("largest node", text);
    }
    let booked = beside.bookings.as_ref().map(|all| all.get(&host.name).map_or(&[][..], |it| it));
    capacity(page, host, booked.map(|booked| held_at(booked, page.now)).as_ref());
    of_timed(page, host, None);
    let Some(booked) = booked.filter(|booked| !booked.is_empty()) else { return };
    page.heading("bookings");
    let mut booked: Vec<_> = booked.iter().collect();
    booked.sort_by_key(|booked| (booked.binding.window, booked.pod.clone()));
    for one in booked {
        let binding = &one.binding;
        let times = apart([binding.window.from, binding.window.until], page.now);
        let amounts = amounts(&binding.demand.amounts(), binding.ports.len());
        page.line(&format!("{} → {}  {}: {amounts}", times[0], times[1], one.pod));
    }
}

fn capacity(page: &mut Page, host: &Object<Host>, held: Option<&Held>) {
    let capacity = &host.observed.capacity;
    page.heading("capacity");
    let of = |held: Option<String>| held.map(|held| format!(", {held} held")).unwrap_or_default();
    let cpu = held.map(|held| cores(held.amounts.cpu));
    page.field("cpu", format!("{}{}", cores(capacity.cpu), of(cpu)));
    let bytes = held.map(|held| memory(held.amounts.memory));
    page.field("memory", format!("{}{}", memory(capacity.memory), of(bytes)));
    for (name, count) in &capacity.counted {
        let taken = held.map(|held| held.amounts.counted.get(name).copied().unwrap_or(0));
        page.field(name, format!("{count}{}", of(taken.map(|taken| taken.to_string()))));
    }
    if !capacity.ports.is_empty() {
        let taken = held.map(|held| held.ports.to_string());
        page.field("ports", format!("{}{}", list(&capacity.ports), of(taken)));
    }
}

/// Amounts in words: `2 cpu, 4GiB, licensed_nodes=1, 2 ports`.
pub(crate) fn amounts(amounts: &tessera_types::host::Amounts, ports: usize) -> String {
    let mut words = Vec::new();
    words.extend((amounts.cpu.0 > 0).then(|| format!("{} cpu", cores(amounts.cpu))));
    words.extend((amounts.memory.0 > 0).then(|| memory(amounts.memory)));
    words.extend((!amounts.counted.is_empty()).then(|| counted(&amounts.counted)));
    match ports {
        0 => {}
        1 => words.push("1 port".to_owned()),
        ports => words.push(format!("{ports} ports")),
    }
    if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
}

/// What all definitions have, and then the rest of what is declared as YAML.
pub(super) fn of_definition(page: &mut Page, resource: &Resource, known: &Known<'_>) {
    page.heading("definition");
    page.field("type", known.head.type_key);
    page.field("version", known.head.version);
    page.optional("title", known.head.title);
    page.field("source", source(known.head.provisioning_source));
    page.field("origin", known.origin);
    let mut rest = with_object!(resource, object => spec(object));
    if let Value::Object(fields) = &mut rest {
        for head in ["type_key", "version", "title", "provisioning_source"] {
            fields.shift_remove(head);
        }
        redact(&mut rest);
    }
    page.heading("spec");
    for line in crate::yaml::document(&rest).lines() {
        page.line(&printable(line));
    }
}

fn spec<K: Kind>(object: &Object<K>) -> Value {
    serde_json::to_value(&object.spec).unwrap_or_default()
}

/// Values of environments can be secrets and are left to `get -o yaml`.
fn redact(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::Object(env) if name == "env" => {
                        env.values_mut().for_each(|value| *value = "***".into());
                    }
                    other => redact(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(redact),
        _ => {}
    }
}
