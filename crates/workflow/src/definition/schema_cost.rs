//! What checking data against a schema may cost.
pub(super) fn admit(_: &serde_json::Value) -> Result<(), String> { Ok(()) }
