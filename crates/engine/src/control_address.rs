//! Where the control plane is, which may be known only once the engine runs.

use std::fmt;
use std::sync::Arc;

use tessera_client::Api;
use tokio::sync::SetOnce;

/// Where the control plane is, for the adapter `fleet`: known, or to be told. Where both
/// are one program, each is started with the address of the other, and one has to be first.
#[derive(Clone, Default)]
pub struct ControlAddress(Arc<SetOnce<Api>>);

impl ControlAddress {
    /// It is at `url`.
    ///
    /// # Errors
    /// When that is no address of one.
    pub fn known(url: &str) -> Result<Self, String> {
        let address = Self::default();
        address.tell(url)?;
        Ok(address)
    }

    /// Tells where it is. Calls that have waited for this go on; what was told first stays.
    ///
    /// # Errors
    /// When it is no address of one.
    pub fn tell(&self, url: &str) -> Result<(), String> {
        let api = Api::new(url).map_err(|error| error.to_string())?;
        // Whoever was first has told it.
        let _ = self.0.set(api);
        Ok(())
    }

    /// Its API, once it is known where that is.
    pub(crate) async fn api(&self) -> &Api {
        self.0.wait().await
    }
}

impl fmt::Debug for ControlAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ControlAddress").field(&self.0.get().map(Api::url)).finish()
    }
}
