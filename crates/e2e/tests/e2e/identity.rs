//! Two agents with one identity, as when a state folder was copied: the one that
//! registered last has the node, and they do not take it from each other.

use tessera_client::call;
use tessera_e2e::Fleet;
use tessera_types::node::{Capacity, Executors};
use tessera_types::problem::Code;
use tessera_types::sync::{Registration, ReportRequest, SyncRequest};
use tessera_types::{Duration, Labels, Name, Revision};

fn registration(session: &str) -> Registration {
    Registration {
        agent_id: "copied".to_owned(),
        session: session.to_owned(),
        start: 0,
        version: "test".to_owned(),
        capacity: Capacity::default(),
        labels: Labels::new(),
        executors: Executors { simulated: true, ..Executors::default() },
    }
}

fn sync(session: &str, wait: Duration) -> SyncRequest {
    SyncRequest {
        session: session.to_owned(),
        since: Revision::ZERO,
        partial: false,
        held: None,
        wait,
        told: None,
        usage: None,
        leaving: false,
    }
}

/// The code of a call that must be refused.
fn refused<T: std::fmt::Debug>(result: Result<T, tessera_client::Error>) -> Code {
    result.unwrap_err().problem().expect("the control plane refuses it").code
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_was_superseded_does_not_take_its_node_back() {
    let fleet = Fleet::start().await;
    let node: Name = "twin".parse().unwrap();
    let api = &fleet.api;
    let register = async |session: &str| {
        let registration = registration(session);
        call(api.agent_register(&node, &registration)).await
    };
    register("first").await.unwrap();
    let answered = call(api.agent_sync(&node, &sync("first", Duration::from_secs(5)))).await;
    let first = sync("first", Duration::from_secs(5));
    let first = SyncRequest { since: answered.unwrap().revision, ..first };
    // The call that waits for news ends as soon as the other one is there.
    let (waiting, registered) =
        tokio::join!(call(api.agent_sync(&node, &first)), async { register("second").await });
    registered.unwrap();
    // Its answer had begun, so it is broken off; the next call says why.
    assert!(waiting.is_err(), "{waiting:?}");
    assert_eq!(refused(call(api.agent_sync(&node, &first)).await), Code::Superseded);
    for _ in 0..3 {
        assert_eq!(refused(register("first").await), Code::Superseded);
        let session = "first".to_owned();
        let reports = ReportRequest { session, reports: Vec::new(), tenants: Vec::new() };
        assert_eq!(refused(call(api.agent_report(&node, &reports)).await), Code::Superseded);
        call(api.agent_sync(&node, &sync("second", Duration::ZERO))).await.unwrap();
    }
    // A restart of the one that has it is let in at once, as ever.
    register("third").await.unwrap();
    assert_eq!(refused(register("second").await), Code::Superseded);
    // With the node, all of that is forgotten.
    fleet.ctl(&["delete", "node", "twin", "--wait"]).expect(0);
    register("first").await.unwrap();
}
