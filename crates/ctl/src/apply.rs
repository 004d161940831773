//! Sending declarations: in batches that the API takes, each applied once
//! however often it has to be sent.

use tessera_client::{Api, Error, call};
use tessera_types::api::{ApplyRequest, ApplyResponse, ApplyResult};
use tessera_types::limits;

use crate::failure::Failure;
use crate::manifests::Declaration;
use crate::once::once;

/// A batch as JSON, in bytes; what surrounds the manifests in a body fits beside it.
const BATCH_BYTES_MAX: usize = limits::BODY_BYTES_MAX - 1024;

/// Applies declarations and says of each what came of it, as soon as that is known.
/// One that is refused does not keep the others out. The control plane declares
/// those of a batch in the order that they need; where there are several batches,
/// what others are made from or placed on is sent first.
///
/// # Errors
/// [`Failure::Api`] when a batch gets no answer; `each` was then called for the
/// batches before it. What `each` returns ends it as well.
pub async fn apply(
    api: &Api,
    declarations: &[Declaration],
    mut each: impl FnMut(&Declaration, &ApplyResult) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut ordered;
    let mut batched = batches(declarations, limits::BATCH_MAX, BATCH_BYTES_MAX);
    if batched.len() > 1 {
        ordered = declarations.to_vec();
        ordered.sort_by_key(|declaration| declaration.key.kind.rank());
        batched = batches(&ordered, limits::BATCH_MAX, BATCH_BYTES_MAX);
    }
    for batch in batched {
        let results = send(api, batch).await?.results;
        if results.len() != batch.len() {
            let why = format!("{} results for {} manifests", results.len(), batch.len());
            return Err(Error::Protocol(why).into());
        }
        for (declaration, result) in batch.iter().zip(&results) {
            each(declaration, result)?;
        }
    }
    Ok(())
}

async fn send(api: &Api, batch: &[Declaration]) -> Result<ApplyResponse, Failure> {
    let manifests = batch.iter().map(|declaration| (&declaration.manifest).into()).collect();
    let request = ApplyRequest { manifests };
    once("apply", async |key| call(api.apply(Some(key), &request)).await).await
}

/// Cuts declarations into batches of at most `count_max` manifests and
/// `bytes_max` bytes. A single one that is larger goes alone, to be refused.
fn batches(
    declarations: &[Declaration],
    count_max: usize,
    bytes_max: usize,
) -> Vec<&[Declaration]> {
    let (mut batches, mut start, mut bytes) = (Vec::new(), 0, 0);
    for (at, declaration) in declarations.iter().enumerate() {
        // One more for the comma.
        let size = declaration.manifest.to_string().len() + 1;
        if at > start && (at - start == count_max || bytes + size > bytes_max) {
            batches.push(&declarations[start..at]);
            (start, bytes) = (at, 0);
        }
        bytes += size;
    }
    if start < declarations.len() {
        batches.push(&declarations[start..]);
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tessera_types::{KindName, ResourceKey};

    fn declaration(size: usize) -> Declaration {
        let key = ResourceKey::new(KindName::Workload, None, "web".parse().unwrap());
        // As JSON, a text has two quotes more.
        Declaration { key, manifest: "x".repeat(size).into(), at: String::new() }
    }

    proptest! {
        #[test]
        fn batches_are_within_bounds_and_leave_nothing_out(
            sizes in prop::collection::vec(0..30usize, 0..40),
            count_max in 1..8usize,
            bytes_max in 1..80usize,
        ) {
            let declarations: Vec<_> = sizes.iter().map(|size| declaration(*size)).collect();
            let batches = batches(&declarations, count_max, bytes_max);
            let sent: Vec<_> = batches.concat().iter().map(|it| it.manifest.clone()).collect();
            let all: Vec<_> = declarations.iter().map(|it| it.manifest.clone()).collect();
            prop_assert_eq!(sent, all);
            for batch in batches {
                let bytes: usize = batch.iter().map(|it| it.manifest.to_string().len() + 1).sum();
                prop_assert!(!batch.is_empty() && batch.len() <= count_max);
                prop_assert!(bytes <= bytes_max || batch.len() == 1);
            }
        }
    }
}
