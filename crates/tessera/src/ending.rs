//! What a person reads while `tessera up` ends: what is still there, and until when.

use std::future::pending;
use std::time::{Duration, Instant};

use tessera_client::{Api, ListOptions};
use tessera_types::{Object, Workload, limits};

/// Between two looks. What has ended by the first is not told.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How many workloads are named.
const NAMES_MAX: usize = 8;

/// Watches the workloads while they are stopped.
pub(crate) struct Ending {
    api: Api,
    began: Instant,
    /// What was still there at the last look.
    left: Vec<Left>,
}

/// A workload whose copy is still there.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Left {
    name: String,
    grace: Duration,
}

impl Ending {
    pub(crate) fn begin(api: Api) -> Self {
        Self { api, began: Instant::now(), left: Vec::new() }
    }

    /// Looks again and again, and tells each time that it is other workloads that are
    /// left. Never ends by itself.
    pub(crate) async fn tell(&mut self, mut say: impl FnMut(&str)) {
        let Ok(mut left) = self.look().await else { return pending().await };
        self.left.clone_from(&left);
        let mut told = Vec::new();
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            left = match self.look().await {
                Ok(left) => left,
                // It is the control plane's turn to end.
                Err(_) => return pending().await,
            };
            self.left.clone_from(&left);
            if left != told && !left.is_empty() {
                say(&format!("Still stopping: {}.", self.names()));
            }
            told = left;
        }
    }

    /// What is left to itself by who does not wait; none where all has ended.
    pub(crate) fn abandoned(&self) -> Option<String> {
        let names = self.names();
        (!self.left.is_empty())
            .then(|| format!("Left to their supervisors, which go on to stop them: {names}."))
    }

    async fn look(&self) -> Result<Vec<Left>, tessera_client::Error> {
        let options =
            ListOptions { limit: Some(limits::PAGE_MAX as u32), ..ListOptions::default() };
        let list = self.api.list::<Workload>(&options).await?;
        Ok(list.items.iter().filter_map(|workload| left(workload)).collect())
    }

    fn names(&self) -> String {
        let elapsed = self.began.elapsed();
        let name = |left: &Left| match left.grace.saturating_sub(elapsed) {
            Duration::ZERO => left.name.clone(),
            rest => format!("{} (SIGKILL in {}s)", left.name, rest.as_secs() + 1),
        };
        let mut names: Vec<_> = self.left.iter().take(NAMES_MAX).map(name).collect();
        if self.left.len() > NAMES_MAX {
            names.push(format!("{} more", self.left.len() - NAMES_MAX));
        }
        names.join(", ")
    }
}

fn left(workload: &Object<Workload>) -> Option<Left> {
    workload.observed.instance.as_ref()?;
    let grace = workload.spec.stop.grace.as_std();
    Some(Left { name: workload.key().to_string(), grace })
}
