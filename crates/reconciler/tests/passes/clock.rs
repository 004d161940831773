//! A wall clock that is set while nothing else happens.

use serde_json::json;
use tessera_types::Duration;
use tessera_types::workload::WorkloadStatus;

use crate::plane::Plane;

/// No change and no timer says that an end is not there yet after all.
#[test]
fn what_was_over_by_a_clock_that_was_ahead_goes_on_when_that_is_put_right() {
    let mut plane = Plane::new();
    let end = plane.now.wall.plus(Duration::from_secs(60));
    let id = plane.declare("a", json!({"not_after": end.to_string()}));
    plane.wait(Duration::from_secs(1));
    plane.set_clock(3_600_000);
    plane.settle();
    assert_eq!(plane.workload(id).status, WorkloadStatus::Stopped);
    plane.set_clock(-3_600_000);
    plane.settle();
    assert_eq!(plane.workload(id).status, WorkloadStatus::Pending);
    plane.wait(Duration::from_secs(60));
    assert_eq!(plane.workload(id).status, WorkloadStatus::Stopped);
}
