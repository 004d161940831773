//! Deleting: asked for by a write of the resource, and seen to by its manager.
//!
//! What belongs to another goes with that, and a host that is booked stays. As
//! what is booked is decided in turns, so is the deletion of a host: nothing can
//! be booked between the look at its bookings and the write. That of a node takes
//! its turn, too: what is booked after it is booked without the node.

use std::sync::Arc;

use tessera_api::{ApiError, DeleteQuery};
use tessera_reconciler::{World, admission};
use tessera_types::problem::Code;
use tessera_types::{Kind, KindName, Object, OwnerRef, Problem, Resource, ResourceKey};

use crate::declare::not_admitted;
use crate::handlers::refuse_deletion_of_seeded;
use crate::plane::Plane;

impl Plane {
    /// Asks for a resource's deletion.
    pub(crate) async fn delete<K: Kind>(
        &self,
        key: &ResourceKey,
        query: &DeleteQuery,
    ) -> Result<Arc<Object<K>>, ApiError> {
        let _turn = match K::KIND {
            KindName::Host | KindName::Node => self.turn_to_book(K::KIND).await,
            _ => None,
        };
        self.edit::<K>(key, |edit| {
            let found = edit.before();
            let is_other = query.id.is_some_and(|id| id != found.id);
            let is_newer = query.revision.is_some_and(|revision| revision != found.revision);
            if is_other || is_newer {
                return Err(Problem::new(Code::Conflict, format!("{key} has changed meanwhile"))
                    .instance(key)
                    .fact("found_revision", found.revision)
                    .fact("found_id", found.id)
                    .remedy("read it again, and delete it if it still should go"));
            }
            let resource = K::wrap(Arc::clone(found));
            let world = self.world.read();
            admission::check_deletion(&world, &resource)
                .map_err(|error| not_admitted(key, &error))?;
            refuse_deletion(&world, &resource).map_or(Ok(()), Err)?;
            edit.request_deletion();
            Ok(())
        })
        .await
    }
}

/// Why a resource may not be deleted by itself, if it may not.
fn refuse_deletion(world: &World, resource: &Resource) -> Option<Problem> {
    let is_record = matches!(resource.kind(), KindName::Job | KindName::Report);
    let Some(owner) = resource.owner().filter(|_| !is_record) else {
        return refuse_deletion_of_seeded(resource);
    };
    let detail = format!("{} belongs to {owner}, and goes with it", resource.key());
    let root = root_of(world, owner);
    let namespace = match resource.namespace() {
        Some(name) if *name != tessera_types::Name::default_namespace() => format!(" -n {name}"),
        _ => String::new(),
    };
    let name = &root.name;
    let command = match root.kind {
        KindName::Session => format!(
            "give up {root}: tesseractl session cancel {name}{namespace}, or tesseractl delete \
             session {name}{namespace}"
        ),
        kind => format!("delete {root}: tesseractl delete {} {name}{namespace}", kind.singular()),
    };
    Some(Problem::new(Code::NotNow, detail).instance(resource.key()).remedy(command))
}

/// The resource at the top, which belongs to nobody: the one that a person declared.
fn root_of(world: &World, owner: &OwnerRef) -> OwnerRef {
    let mut root = owner.clone();
    while let Some(above) =
        world.get(root.kind, root.id).and_then(|resource| resource.owner().cloned())
    {
        root = above;
    }
    root
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::server::Control;
    use crate::server::tests::{ask, options};

    const HOSTS: usize = 24;

    fn catalogue() -> Vec<Value> {
        let of = |kind: &str, name: &str, spec: Value| {
            let mut spec = spec;
            spec["type_key"] = name.into();
            spec["version"] = "1.0.0".into();
            json!({"kind": kind, "name": name, "spec": spec})
        };
        vec![
            of(
                "HostDefinition",
                "server",
                json!({"host_type": "server", "pod_types": ["cml_on_aws"], "capacity": {"cpu": "4"}}),
            ),
            of("PodDefinition", "lab", json!({"pod_type": "cml_on_aws", "demand": {"cpu": "3"}})),
            of(
                "PartDefinition",
                "part",
                json!({"duration": "1h",
                    "pods": [{"name": "lab", "selector": {"type_key": "lab"}}]}),
            ),
            of(
                "SessionDefinition",
                "exam",
                json!({"parts": [{"name": "one", "selector": {"type_key": "part"}}]}),
            ),
        ]
    }

    fn host(i: usize) -> Value {
        json!({"kind": "Host", "name": format!("server-{i}"), "labels": {"rack": i.to_string()},
            "spec": {"definition": {"type_key": "server"}}})
    }

    fn session(i: usize) -> Value {
        json!({"kind": "Session", "name": format!("exam-{i}"), "spec": {
            "definition": {"type_key": "exam"}, "timeslot": {"start_in": "10h"},
            "host": {"labels": [{"label": "rack", "equal": i.to_string()}]},
        }})
    }

    async fn apply(control: &Control, manifests: Vec<Value>) -> Value {
        let body = json!({"manifests": manifests}).to_string();
        let answer = ask(control, "POST /v1/apply", &body).await;
        body_of(&answer)
    }

    fn body_of(answer: &str) -> Value {
        let (_, body) = answer.split_once("\r\n\r\n").expect("an answer has a body");
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    fn is_made(answer: &Value) -> bool {
        answer["results"].as_array().unwrap().iter().all(|result| result["outcome"] == "created")
    }

    /// Whichever is first wins, and the other is refused.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn a_host_is_never_both_deleted_and_booked() {
        let folder = tempfile::tempdir().unwrap();
        let control = Control::start(options(folder.path())).await.unwrap();
        let hosts = (0..HOSTS).map(host);
        assert!(is_made(&apply(&control, catalogue().into_iter().chain(hosts).collect()).await));
        for i in 0..HOSTS {
            let request = format!("DELETE /v1/hosts/server-{i}");
            let (deleted, booked) =
                tokio::join!(ask(&control, &request, ""), apply(&control, vec![session(i)]));
            let is_deleted = deleted.starts_with("HTTP/1.1 202");
            assert_ne!(is_deleted, is_made(&booked), "{deleted} {booked}");
            if !is_deleted {
                let problem = body_of(&deleted);
                assert_eq!(problem["code"], "does_not_fit", "{problem}");
                let detail = problem["detail"].as_str().unwrap();
                assert!(detail.contains(&format!("by pod/default/exam-{i}-one-lab from ")));
            }
        }
        control.stop().await;
    }

    #[tokio::test]
    async fn what_belongs_to_a_session_names_the_command_that_gives_it_up() {
        let folder = tempfile::tempdir().unwrap();
        let control = Control::start(options(folder.path())).await.unwrap();
        let all = catalogue().into_iter().chain([host(0), session(0)]).collect();
        assert!(is_made(&apply(&control, all).await));
        for path in ["sessionparts/exam-0-one", "pods/exam-0-one-lab"] {
            let problem = body_of(&ask(&control, &format!("DELETE /v1/{path}"), "").await);
            assert_eq!(problem["code"], "not_now", "{problem}");
            let remedy = problem["remedy"].as_str().unwrap();
            assert!(remedy.contains("tesseractl session cancel exam-0,"), "{remedy}");
        }
        control.stop().await;
    }
}
