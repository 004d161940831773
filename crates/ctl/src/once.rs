//! Writes that are done once, however often they have to be sent.

use std::fs::File;
use std::io::{self, Read};
use std::time::Duration;

use tessera_client::Error;

use crate::failure::Failure;
use crate::kinds::bounded;

/// The pause before what has got no answer is sent again.
const RETRY_PAUSE: Duration = Duration::from_millis(250);

/// Sends something under an idempotency key of its own, and once more when the
/// answer is lost: it may be lost, or be cut off, after it was done, and the key
/// makes a second sending harmless.
pub(crate) async fn once<T>(
    operation: &str,
    send: impl AsyncFn(&str) -> Result<T, Error>,
) -> Result<T, Failure> {
    let key = idempotency_key()?;
    match bounded(operation, send(&key)).await {
        Err(Error::Unreachable(_) | Error::Protocol(_)) => {
            tokio::time::sleep(RETRY_PAUSE).await;
            Ok(bounded(operation, send(&key)).await?)
        }
        answer => Ok(answer?),
    }
}

/// 128 random bits: no two writes have the same.
fn idempotency_key() -> io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_is_used_twice() {
        let key = idempotency_key().unwrap();
        assert_eq!(key.len(), 32);
        assert_ne!(key, idempotency_key().unwrap());
        assert!(key.len() <= tessera_types::limits::IDEMPOTENCY_KEY_BYTES_MAX);
    }
}
