//! Sessions on a fleet: what they are made of, and looking at what became of
//! them.
//!
//! Every program of a pod says in the file `starts` of the test's folder that it
//! was started, so a test can count starts without asking Tessera.

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tessera_client::{HistoryOptions, ListOptions};
use tessera_types::problem::Code;
use tessera_types::{Host, Kind, Name, Object, Record, ResourceKey, Session, State, Workload};

use crate::fleet::Fleet;
use crate::proc::{MARK, Process, copies};

/// The most entries that a page of a history has.
const PAGE: u32 = 1000;

/// A definition of version 1.0.0 with `spec`.
#[must_use]
pub fn definition(kind: &str, type_key: &str, spec: Value) -> Value {
    let mut spec = spec;
    spec["type_key"] = json!(type_key);
    if spec.get("version").is_none() {
        spec["version"] = json!("1.0.0");
    }
    json!({"kind": kind, "name": type_key.replace(['.', '_'], "-"), "spec": spec})
}

/// A definition of a fleet pod with these workloads, which is provisioned in a
/// few quick tries.
#[must_use]
pub fn pod(type_key: &str, workloads: &[Value]) -> Value {
    let retry = json!({
        "attempts_max": 3, "backoff": {"initial": "100ms", "max": "200ms"}, "timeout": "20s",
    });
    let spec = json!({"pod_type": "fleet", "workloads": workloads, "provision": retry});
    definition("PodDefinition", type_key, spec)
}

/// A definition of a part that has one pod, called `pod`.
#[must_use]
pub fn part(type_key: &str, pod: &str, spec: Value) -> Value {
    let mut spec = spec;
    spec["pods"] = json!([{"name": "pod", "selector": {"type_key": pod}}]);
    definition("PartDefinition", type_key, spec)
}

/// A definition of a session with these parts: names and type keys.
#[must_use]
pub fn session_of(type_key: &str, parts: &[(&str, &str)]) -> Value {
    let parts: Vec<_> = parts
        .iter()
        .map(|(name, key)| json!({"name": name, "selector": {"type_key": key}}))
        .collect();
    definition("SessionDefinition", type_key, json!({ "parts": parts }))
}

/// A session of a type, so long from now.
#[must_use]
pub fn session(name: &str, type_key: &str, start_in: &str) -> Value {
    json!({
        "kind": "Session", "name": name,
        "spec": {"definition": {"type_key": type_key}, "timeslot": {"start_in": start_in}},
    })
}

/// A group of all nodes, with so many seats besides, as definition and host.
#[must_use]
pub fn room(seats: u64) -> [Value; 2] {
    let spec = json!({
        "host_type": "node_group", "pod_types": ["fleet"],
        "capacity": {"counted": {"seats": seats}},
    });
    let host =
        json!({"kind": "Host", "name": "room", "spec": {"definition": {"type_key": "room"}}});
    [definition("HostDefinition", "room", spec), host]
}

fn name_of(name: &str) -> Name {
    name.parse().expect("a legal name")
}

impl Fleet {
    /// A workload of a pod that does something, says that it was started, and
    /// runs until it is stopped.
    #[must_use]
    pub fn actor(&self, name: &str, does: &str) -> Value {
        let dir = self.area().path().display();
        let script = format!(
            "echo \"$TESSERA_POD-{name}\" >> {dir}/starts\n{does}\n\
             : > \"{dir}/$TESSERA_POD-{name}.up\"\n\
             trap 'exit 0' TERM\nwhile :; do sleep 0.1; done"
        );
        let up = format!("test -e \"{dir}/$TESSERA_POD-{name}.up\"");
        let mut workload = self.workload(name, &script);
        workload["spec"]["env"] = json!({MARK: format!("{}/{name}", self.area().tag())});
        workload["spec"]["restart"] = json!({"policy": "never"});
        workload["spec"]["stop"] = json!({"grace": "1s"});
        workload["spec"]["resources"] = json!({"cpu": "20m", "memory": "8MiB"});
        workload["spec"]["health"] = json!({"exec": ["/bin/sh", "-c", up], "interval": "200ms"});
        workload
    }

    /// How often the program of this name was started, by what it wrote: a job, or
    /// `<pod>-<workload>`.
    #[must_use]
    pub fn starts(&self, name: &str) -> usize {
        let text = std::fs::read_to_string(self.area().join("starts")).unwrap_or_default();
        text.lines().filter(|line| *line == name).count()
    }

    /// Everything that was started, once for each start, in order.
    #[must_use]
    pub fn all_starts(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.area().join("starts")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Declares manifests of any kinds, in their order.
    ///
    /// # Panics
    /// When one is refused.
    pub async fn declare(&self, manifests: &[Value]) {
        for result in self.try_declare(manifests).await {
            assert!(result.get("problem").is_none(), "{result:#}");
        }
    }

    /// Declares manifests of any kinds; says what came of each.
    ///
    /// # Panics
    /// When the request as a whole is refused.
    pub async fn try_declare(&self, manifests: &[Value]) -> Vec<Value> {
        let (status, answer) = self.post("/v1/apply", &json!({ "manifests": manifests })).await;
        assert_eq!(status, 200, "{answer:#}");
        answer["results"].as_array().cloned().unwrap_or_default()
    }

    /// Posts JSON; says the status and the JSON that was answered.
    ///
    /// # Panics
    /// When nothing is answered.
    pub async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.send(Method::POST, path, &[("content-type", "application/json")], body.to_string())
            .await
    }

    /// Sends a request as it is written; says the status and the JSON that was
    /// answered.
    ///
    /// # Panics
    /// When nothing is answered.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> (u16, Value) {
        send(&self.url(), method, path, headers, body).await.expect("the control plane answers")
    }

    /// A resource, if there is one.
    pub async fn find<K: Kind>(&self, name: &str) -> Option<Object<K>> {
        self.api.get::<K>(&name_of(name), None).await.ok()
    }

    /// A resource as it is.
    ///
    /// # Panics
    /// When it cannot be read.
    pub async fn see<K: Kind>(&self, name: &str) -> Object<K> {
        let got = self.api.get::<K>(&name_of(name), None).await;
        got.unwrap_or_else(|error| panic!("{} {name}: {error}", K::KIND))
    }

    /// All resources of a kind.
    ///
    /// # Panics
    /// When they cannot be read.
    pub async fn all<K: Kind>(&self) -> Vec<Object<K>> {
        let options = ListOptions { limit: Some(1000), ..Default::default() };
        let list = self.api.list::<K>(&options).await.expect("they can be listed");
        list.items.iter().map(|it| (**it).clone()).collect()
    }

    /// Waits until a resource is as `is` says.
    pub async fn await_<K: Kind>(
        &self,
        name: &str,
        what: &str,
        is: impl Fn(&Object<K>) -> bool,
    ) -> Object<K> {
        let what = format!("{} {name}: {what}", K::KIND);
        self.eventually(&what, async || self.find::<K>(name).await.filter(|it| is(it))).await
    }

    /// Waits until a resource has this status.
    pub async fn reaches<K: Kind>(&self, name: &str, status: K::Status) -> Object<K> {
        self.await_::<K>(name, &status.to_string(), |it| it.status == status).await
    }

    /// Waits until there is no such resource.
    pub async fn vanishes<K: Kind>(&self, name: &str) {
        let key = name_of(name);
        self.eventually(&format!("{} {name}: gone", K::KIND), async || {
            let error = self.api.get::<K>(&key, None).await.err()?;
            (error.problem()?.code == Code::NotFound).then_some(())
        })
        .await;
    }

    /// Waits until a session is over.
    pub async fn over(&self, name: &str) -> Object<Session> {
        self.await_::<Session>(name, "over", |it| it.status.is_over()).await
    }

    /// Waits until the host `room` has what its nodes have.
    pub async fn room_is_ready(&self) {
        let has_some = |host: &Object<Host>| host.observed.capacity.cpu.0 > 0;
        self.await_::<Host>("room", "has nodes", has_some).await;
    }

    /// Waits until no workload and no process of one is left.
    pub async fn nothing_left(&self) {
        self.eventually("no workload is left", async || {
            (self.workloads().await.is_empty() && copies(&self.area().tag()).is_empty())
                .then_some(())
        })
        .await;
        let own = self.own_processes();
        self.eventually("no process of a workload is left", async || {
            let others = self.area().processes().into_iter().filter(|it| !own.contains(it));
            (others.count() == 0).then_some(())
        })
        .await;
    }

    /// The whole history of a resource, oldest first.
    ///
    /// # Panics
    /// When it cannot be read, or is not a walk along the arrows of its kind from
    /// its beginning to where it is now.
    pub async fn life<K: Kind>(&self, name: &str) -> Vec<Record> {
        let key = ResourceKey::new(K::KIND, None, name_of(name));
        let mut records = Vec::new();
        let mut before_seq = None;
        loop {
            let options = HistoryOptions { limit: Some(PAGE), before_seq };
            let page = self.api.history(&key, options).await;
            let page = page.unwrap_or_else(|error| panic!("{key}: {error}"));
            records.extend(page.items.into_iter().map(|entry| entry.record));
            before_seq = page.before_seq;
            if before_seq.is_none() {
                break;
            }
        }
        records.reverse();
        check_life::<K>(&key, &records);
        if let Some(now) = self.find::<K>(name).await {
            let last = records.last().map(|record| record.to.clone());
            assert_eq!(last, Some(now.status.to_string()), "{key}: {records:#?}");
        }
        records
    }

    /// The statuses that a resource has had, in their order.
    pub async fn path_of<K: Kind>(&self, name: &str) -> Vec<String> {
        let records = self.life::<K>(name).await.into_iter();
        records.filter(|it| it.from.as_ref() != Some(&it.to)).map(|it| it.to).collect()
    }

    /// The workloads that belong to a pod, by their names.
    pub async fn workloads_of(&self, pod: &str) -> Vec<Object<Workload>> {
        let is_own = |workload: &Object<Workload>| {
            workload.owner.as_ref().is_some_and(|owner| owner.name.as_str() == pod)
        };
        self.all::<Workload>().await.into_iter().filter(is_own).collect()
    }

    fn own_processes(&self) -> BTreeSet<Process> {
        self.programs().into_iter().filter_map(Process::find).collect()
    }
}

fn check_life<K: Kind>(key: &ResourceKey, records: &[Record]) {
    let known = |text: &str| K::Status::ALL.iter().copied().find(|it| it.to_string() == text);
    let mut at: Option<K::Status> = None;
    for record in records {
        if record.to == Record::DELETED {
            continue;
        }
        let to = known(&record.to).unwrap_or_else(|| panic!("{key}: {record:?}"));
        assert_eq!(record.from, at.map(|it| it.to_string()), "{key}: {records:#?}");
        match at {
            None => assert_eq!(to, K::Status::INITIAL, "{key}: {records:#?}"),
            Some(from) => assert!(from == to || from.may_become(to), "{key}: {records:#?}"),
        }
        assert!(!record.reason.is_empty() || record.from.is_none(), "{key}: {record:?}");
        at = Some(to);
    }
    assert!(at.is_some(), "{key} has no history");
    assert!(records.is_sorted_by_key(|record| record.at), "{key}: {records:#?}");
}

/// Sends a request; none when nobody answers.
pub async fn send(
    url: &str,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: String,
) -> Option<(u16, Value)> {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build();
    let mut request = client.ok()?.request(method, format!("{url}{path}")).body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.ok()?;
    let status = response.status().as_u16();
    let text = response.text().await.ok()?;
    Some((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
}
