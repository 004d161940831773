//! Tokens that are kept, in memory only, until shortly before they end.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use tessera_workflow::definition::Scheme;
use tessera_workflow::machine::Error;

use super::{Properties, grant};
use crate::http::Http;
use crate::mask::Mask;

/// A token is no longer used when this much of its time is left, or a tenth if that is less: the
/// request that it goes with takes time, and clocks differ.
const MARGIN: Duration = Duration::from_secs(30);

/// The tokens of one performer.
#[derive(Clone)]
pub(super) struct Tokens {
    http: Http,
    /// By what they were asked for with. Who finds its place locked waits for the one that asks, so
    /// that a hundred branches ask for one token.
    kept: Arc<parking_lot::Mutex<HashMap<[u8; 32], Place>>>,
}

type Place = Arc<tokio::sync::Mutex<Option<Kept>>>;

#[derive(Clone)]
struct Kept {
    token: Arc<str>,
    until: Option<Instant>,
    refresh: Option<String>,
}

/// A token that can be used.
pub(super) struct Token {
    pub(super) text: Arc<str>,
    /// Whether it was asked for earlier.
    pub(super) is_kept: bool,
}

impl Tokens {
    pub(super) fn new(http: Http) -> Self {
        Self { http, kept: Arc::default() }
    }

    /// A token for these properties: one that is kept, or a new one.
    pub(super) async fn get(
        &self,
        scheme: Scheme,
        properties: &Properties,
    ) -> Result<Token, Error> {
        let place = self.place(key(scheme, properties));
        let mut kept = place.lock().await;
        if let Some(Kept { token, until: Some(until), .. }) = &*kept
            && Instant::now() < *until
        {
            return Ok(Token { text: Arc::clone(token), is_kept: true });
        }
        let refresh = kept.as_ref().and_then(|it| it.refresh.clone());
        let granted = self.ask(scheme, properties, refresh.as_deref()).await?;
        let token: Arc<str> = granted.token.into();
        let until = granted.expires_in_s.map(|seconds| Instant::now() + usable(seconds));
        let refresh = granted.refresh.or(refresh);
        *kept = Some(Kept { token: Arc::clone(&token), until, refresh });
        Ok(Token { text: token, is_kept: false })
    }

    /// Never uses the token for these properties again.
    pub(super) fn forget(&self, scheme: Scheme, properties: &Properties) {
        let place = self.place(key(scheme, properties));
        // Whoever holds it is asking for a new one right now.
        if let Ok(mut kept) = place.try_lock()
            && let Some(kept) = &mut *kept
        {
            kept.until = None;
        }
    }

    async fn ask(
        &self,
        scheme: Scheme,
        properties: &Properties,
        refresh: Option<&str>,
    ) -> Result<grant::Granted, Error> {
        let asked = grant::ask(&self.http, scheme, properties, refresh).await;
        asked.map_err(|error| {
            let mut mask = Mask::of(&properties.0);
            refresh.into_iter().for_each(|token| mask.add(token));
            mask.error(error)
        })
    }

    fn place(&self, key: [u8; 32]) -> Place {
        let mut kept = self.kept.lock();
        if kept.len() >= self.http.limits().kept_max && !kept.contains_key(&key) {
            // Asking again costs a request; finding out which was used last costs more thought.
            kept.clear();
        }
        Arc::clone(kept.entry(key).or_default())
    }
}

fn usable(seconds: u64) -> Duration {
    let all = Duration::from_secs(seconds.min(u64::from(u32::MAX)));
    all - MARGIN.min(all / 10)
}

/// What a token is kept under: nothing that anybody could read the secret from.
fn key(scheme: Scheme, properties: &Properties) -> [u8; 32] {
    Sha256::digest(format!("{scheme:?} {}", properties.0)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_used_until_shortly_before_its_end() {
        assert_eq!(usable(3600), Duration::from_secs(3570));
        assert_eq!(usable(10), Duration::from_secs(9));
        assert_eq!(usable(0), Duration::ZERO);
        assert!(usable(u64::MAX) > Duration::from_secs(1 << 30));
    }
}
