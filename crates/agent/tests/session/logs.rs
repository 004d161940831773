//! Logs that somebody reads through the control plane.

use tessera_types::sync::CopyState;

use crate::plane::{Plane, eventually};
use crate::{Home, LONG_LEASE_MS, script};

#[tokio::test]
async fn logs_are_sent_on_request() {
    let (home, plane) = (Home::new(), Plane::new(LONG_LEASE_MS));
    let agent = home.agent(&plane).await;
    plane.place(1, script("for n in $(seq 1 1200); do echo line $n; done"));
    plane.until_state(1, CopyState::Completed).await;
    plane.read_log(1, "first", false);
    eventually("the end of the log", || plane.log().1).await;
    let expected: Vec<_> = (1..=1200).map(|n| format!("line {n}")).collect();
    assert_eq!(plane.log().0, expected);
    agent.shutdown(true).await;
}

#[tokio::test]
async fn why_there_is_no_log_of_a_tenant_is_told() {
    let (home, plane) = (Home::new(), Plane::new(LONG_LEASE_MS));
    let agent = home.agent(&plane).await;
    plane.read_tenant_log(1, "first");
    eventually("the end of the log", || plane.log().1).await;
    assert_eq!(plane.log_error().as_deref(), Some("the tenant is not on this node"));
    agent.shutdown(true).await;
}
