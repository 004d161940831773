//! What is said of a resource that is not there: the nearest that is, and how to see
//! what there is.

use tessera_reconciler::World;
use tessera_types::{Name, Problem, ResourceKey, nearest, with_kind};

/// Of so many names the nearest is looked for: a mistake in a name must not cost a look
/// at everything there is.
const NAMES_MAX: usize = 10_000;

/// The problem of a resource that is not there.
pub(crate) fn missing(world: &World, key: &ResourceKey) -> Problem {
    let list = list(key);
    let remedy = match near(world, key) {
        Some(near) => format!("did you mean `{near}`? `{list}` lists what there is"),
        None => format!("`{list}` lists what there is"),
    };
    Problem::not_found(key).remedy(remedy)
}

fn list(key: &ResourceKey) -> String {
    let default = Name::default_namespace();
    let namespace = key.namespace.as_ref().filter(|namespace| **namespace != default);
    let option = namespace.map_or_else(String::new, |namespace| format!(" -n {namespace}"));
    format!("tesseractl get {}{option}", key.kind.plural())
}

fn near(world: &World, key: &ResourceKey) -> Option<String> {
    with_kind!(key.kind, K => {
        let all = world.table::<K>().iter().take(NAMES_MAX);
        let beside = all.filter(|object| object.namespace == key.namespace);
        nearest(key.name.as_str(), beside.map(|object| object.name.as_str())).map(str::to_owned)
    })
}

#[cfg(test)]
mod tests {
    use crate::server::Control;
    use crate::server::tests::{ask, options};

    #[tokio::test]
    async fn what_is_not_there_is_said_with_what_is() {
        let folder = tempfile::tempdir().unwrap();
        let control = Control::start(options(folder.path())).await.unwrap();
        let workload = r#"{"spec": {"command": "x"}}"#;
        let made = ask(&control, "PUT /v1/workloads/website", workload).await;
        assert!(made.starts_with("HTTP/1.1 20"), "{made}");
        let list = "`tesseractl get workloads` lists what there is";
        let near = format!("\"remedy\": \"did you mean `website`? {list}\"");
        for (request, remedy) in [
            ("GET /v1/workloads/webiste", near.as_str()),
            ("DELETE /v1/workloads/webiste", &near),
            ("POST /v1/workloads/webiste/reconcile", &near),
            ("GET /v1/workloads/webiste/history", &near),
            ("GET /v1/workloads/webiste/logs", &near),
            ("GET /v1/workloads/database", &format!("\"remedy\": \"{list}\"")),
            (
                "GET /v1/workloads/webiste?namespace=lab",
                "\"remedy\": \"`tesseractl get workloads -n lab` lists what there is\"",
            ),
            ("GET /v1/hosts/room", "\"remedy\": \"`tesseractl get hosts` lists what there is\""),
        ] {
            let answer = ask(&control, request, "").await;
            assert!(answer.starts_with("HTTP/1.1 404"), "{request}: {answer}");
            let body = answer.replace("\":\"", "\": \"");
            assert!(body.contains(remedy), "{request}: {answer}");
        }
        control.stop().await;
    }
}
