// Generated from openapi/tessera.json by `cargo xtask openapi`. Do not edit.
#[allow(unused_imports)]
pub use progenitor_client::{ByteStream, ClientInfo, Error, ResponseValue};
#[allow(unused_imports)]
use progenitor_client::{encode_path, ClientHooks, OperationInfo, RequestBuilderExt};
#[derive(Clone, Debug)]
/**Client for Tessera

One declarative control plane: services, timed sessions, automation, tenants.

Version: 0.1.0*/
pub struct Client {
    pub(crate) baseurl: String,
    pub(crate) client: reqwest::Client,
}
impl Client {
    ///Create a new client.
    ///
    ///`baseurl` is the base URL provided to the internal
    ///`reqwest::Client`, and should include a scheme and hostname,
    ///as well as port and a path stem if applicable.
    pub fn new(baseurl: &str) -> Self {
        #[cfg(not(target_arch = "wasm32"))]
        let client = {
            let dur = ::std::time::Duration::from_secs(15u64);
            reqwest::ClientBuilder::new().connect_timeout(dur).timeout(dur)
        };
        #[cfg(target_arch = "wasm32")]
        let client = reqwest::ClientBuilder::new();
        Self::new_with_client(baseurl, client.build().unwrap())
    }
    ///Construct a new client with an existing `reqwest::Client`,
    ///allowing more control over its configuration.
    ///
    ///`baseurl` is the base URL provided to the internal
    ///`reqwest::Client`, and should include a scheme and hostname,
    ///as well as port and a path stem if applicable.
    pub fn new_with_client(baseurl: &str, client: reqwest::Client) -> Self {
        Self {
            baseurl: baseurl.to_string(),
            client,
        }
    }
}
impl ClientInfo<()> for Client {
    fn api_version() -> &'static str {
        "0.1.0"
    }
    fn baseurl(&self) -> &str {
        self.baseurl.as_str()
    }
    fn client(&self) -> &reqwest::Client {
        &self.client
    }
    fn inner(&self) -> &() {
        &()
    }
}
impl ClientHooks<()> for &Client {}
#[allow(clippy::all)]
impl Client {
    /**Whether the process lives

Sends a `GET` request to `/healthz`
*/
    pub async fn healthz<'a>(
        &'a self,
    ) -> Result<
        ResponseValue<tessera_types::api::Readiness>,
        Error<tessera_types::Problem>,
    > {
        let url = format!("{}/healthz", self.baseurl,);
        let mut header_map = ::reqwest::header::HeaderMap::with_capacity(1usize);
        header_map
            .append(
                ::reqwest::header::HeaderName::from_static("api-version"),
                ::reqwest::header::HeaderValue::from_static(Self::api_version()),
            );
        #[allow(unused_mut)]
        let mut request = self
            .client
            .get(url)
            .header(
                ::reqwest::header::ACCEPT,
                ::reqwest::header::HeaderValue::from_static("application/json"),
            )
            .headers(header_map)
            .build()?;
        let info = OperationInfo {
            operation_id: "healthz",
        };
        self.pre(&mut request, &info).await?;
        let result = self.exec(request, &info).await;
        self.post(&result, &info).await?;
        let response = result?;
        match response.status().as_u16() {
            200u16 => ResponseValue::from_response(response).await,
            400u16..=499u16 => {
                Err(Error::ErrorResponse(ResponseValue::from_response(response).await?))
            }
            500u16..=599u16 => {
                Err(Error::ErrorResponse(ResponseValue::from_response(response).await?))
            }
            _ => Err(Error::UnexpectedResponse(response)),
        }
    }
    /**Metrics in the Prometheus text format

Sends a `GET` request to `/metrics`
*/
    pub async fn metrics<'a>(
        &'a self,
    ) -> Result<ResponseValue<ByteStream>, Error<ByteStream>> {
        let url = format!("{}/metrics", self.baseurl,);
        let mut header_map = ::reqwest::header::HeaderMap::with_capacity(1usize);
        header_map
            .append(
                ::reqwest::header::HeaderName::from_static("api-version"),
                ::reqwest::header::HeaderValue::from_static(Self::api_version()),
            );
        #[allow(unused_mut)]
        let mut request = self.client.get(url).headers(header_map).build()?;
        let info = OperationInfo {
            operation_id: "metrics",
        };
        self.pre(&mut request, &info).await?;
        let result = self.exec(request, &info).await;
        self.post(&result, &info).await?;
        let response = result?;
        match response.status().as_u16() {
            200..=299 => Ok(ResponseValue::stream(response)),
            _ => Err(Error::ErrorResponse(ResponseValue::stream(response))),
        }
    }
    /**This document

Sends a `GET` request to `/openapi.json`
*/
    pub async fn openapi<'a>(
        &'a self,
    ) -> Result<ResponseValue<ByteStream>, Error<ByteStream>> {
        let url = format!("{}/openapi.json", self.baseurl,);
        let mut header_map = ::reqwest::header::HeaderMap::with_capacity(1usize);
        header_map
            .append(
                ::reqwest::header::HeaderName::from_static("api-version"),
                ::reqwest::header::HeaderValue::from_static(Self::api_version()),
            );
        #[allow(unused_mut)]
        let mut request = self.client.get(url).headers(header_map).build()?;
        let info = OperationInfo {
            operation_id: "openapi",
        };
        self.pre(&mut request, &info).await?;
        let result = self.exec(request, &info).await;
        self.post(&result, &info).await?;
        let response = result?;
        match response.status().as_u16() {
            200..=299 => Ok(ResponseValue::stream(response)),
            _ => Err(Error::ErrorResponse(ResponseValue::stream(response))),
        }
    }
    /**Whether it serves: the store is open and writable, the loop runs

Sends a `GET` request to `/readyz`
*/
    pub async fn readyz<'a>(
        &'a self,
    ) -> Result<
        ResponseValue<tessera_types::api::Readiness>,
        Error<tessera_types::Problem>,
    > {
        let url = format!("{}/readyz", self.baseurl,);
        let mut header_map = ::reqwest::header::HeaderMap::with_capacity(1usize);
        header_map
            .append(
                ::reqwest::header::HeaderName::from_static("api-version"),
                ::reqwest::header::HeaderValue::from_static(Self::api_version()),
            );
        #[allow(unused_mut)]
        let mut request = self
            .client
            .get(url)
            .header(
                ::reqwest::header::ACCEPT,
                ::reqwest::header::HeaderValue::from_static("application/json"),
            )
            .headers(header_map)
            .build()?;
        let info = OperationInfo {
            operation_id: "readyz",
        };
        self.pre(&mut request, &info).await?;
        let result = self.exec(request, &info).await;
        self.post(&result, &info).await?;
        let response = result?;
        match response.status().as_u16() {
            200u16 => ResponseValue::from_response(response).await,
            400u16..=499u16 => {
                Err(Error::ErrorResponse(ResponseValue::from_response(response).await?))
            }
            500u16..=599u16 => {
                Err(Error::ErrorResponse(ResponseValue::from_response(response).await?))
            }
            _ => Err(Error::UnexpectedResponse(response)),
        }
    }
    /**Declare many manifests of any kind

Sends a `POST` request to `/v1/apply`

Arguments:
- `idempotency_key`: Any text that is unique to the write, at most 128 bytes.
- `body`*/
    pub async fn apply<'a>(
        &'a self,
        idempotency_key: Option<&'a str>,
        body: &'a tessera_types::api::ApplyRequest,
    ) -> Result<
        ResponseValue<tessera_types::api::ApplyResponse>,
        Error<tessera_types::Problem>,
    > {
        let url = format!("{}/v1/apply", self.baseurl,);
        let mut header_map = ::reqwest::header::HeaderMap::with_capacity(2usize);
        header_map
            .append(
                ::reqwest::header::HeaderName::from_static("api-version"),
                ::reqwest::header::HeaderValue::from_static(Self::api_version()),
            );
        if let Some(value) = idempotency_key {
            header_map.append("idempotency-key", value.to_string().try_into()?);
        }
        #[allow(unused_mut)]
        let mut request = self
            .client
            .post(url)
            .header(
                ::reqwest::header::ACCEPT,
                ::reqwest::header::HeaderValue::from_static("application/json"),
            )
            .json(&body)
            .headers(header_map)
            .build()?;
        let info = OperationInfo {
            operation_id: "apply",
        };
        self.pre(&mut request, &info).await?;
        let result = self.exec(request, &info).await;
        self.post(&result, &info).await?;
        let response = result?;
        match response.status().as_u16() {
            200u16 => ResponseValue::from_response(response).await,
            400u16..=499u16 => {
                Err(Error::ErrorResponse(ResponseValue::from_response(response).await?))
            }
            500u16..=599u16 => {
                Err(Error::ErrorResponse(ResponseValue::from_response(response).await?))
            }
            _ => Err(Error::UnexpectedResponse(response)),
        }
    }
    /**CloudEvents 1.0, in the structured, binary or batched content mode of the

HTTP binding.

Sends a `POST` request to `/v1/events`
*/
    pub async fn events<'a, B: Into<reqwest::Body>>(
        &'a self,
        body: B,
    ) -> Result<
        ResponseValue<tessera_types::booking::EventsAnswer>,
        Error<tessera_types::Problem>,
    > {
        let url = format!("{}/v1/events", self.baseurl,);
        let mut header_map = ::reqwest::header::HeaderMap::with_capacity(1usize);
        header_map
            .append(
                ::reqwest::header::HeaderName::from_static("api-version"),
                ::reqwest::header::HeaderValue::from_static(Self::api_version()),
            );
        #[allow(unused_mut)]
        let mut request = self
            .client
            .post(url)
            .header(
                ::reqwest::header::ACCEPT,
                ::reqwest::header::HeaderValue::from_static("application/json"),
            )
            .header(
                ::reqwest::header::CONTENT_TYPE,
                ::reqwest::header::HeaderValue::from_static("application/octet-stream"),
            )
            .body(body)
            .headers(header_map)
            .build()?;
        let info = OperationInfo {
            operation_id: "events",
        };
        self.pre(&mut request, &info).await?;
        let result = self.exec(request, &info).await;
        self.post(&result, &info).await?;
        let response = result?;
        match response.status().as_u16() {
            202u16 => ResponseValue::from_response(response).await,
            400u16..=499u16 => {
                Err(Error::ErrorResponse(ResponseValue::from_response(response).await?))
            }
            500u16..=599u16 => {
                Err(Error::ErrorResponse(ResponseValue::from_response(response).await?))
            }
            _ => Err(Error::UnexpectedResponse(response)),
        }
    }
    /**What of a host is taken when

Sends a `GET` request to `/v1/hosts/{name}/calendar`

Arguments:
- `name`: The resource's name.
- `from`: From when on; now unless given.
- `to`: Until when; a day after `from` unless given.*/
    pub async fn host_calendar<'a>(
        &'a self,
        name: &'a tessera_types::Name,
        from: Option<&'a tessera_types::Timestamp>,
        to: Option<&'a tessera_types::Timestamp>,
    ) -> Result<
        ResponseValue<tessera_types::booking::HostCalendar>,
        Error<tessera_types::Problem>,
    > {
        let url = format!(
            "{}/v1/hosts/{}/calendar", self.baseurl, encode_path(& name.to_string()),
        );
        let mut header_map = ::reqwest::header::HeaderMap::with_capacity(1usize);
        header_map
            .append(
                ::reqwest::header::HeaderName::from_static("api-version"),
                ::reqwest::header::HeaderValue::from_static(Self::api_version()),
            );
        #[allow(unused_mut)]
        let mut request = self
            .client
            .get(url)
            .header(
                ::reqwest::header::ACCEPT,
                ::reqwest::header::HeaderValue::from_static("application/json"),
            )
            .query(&progenitor_client::QueryParam::new("from", &from))
            .query(&progenitor_client::QueryParam::new("to", &to))
            .headers(header_map)
            .build()?;
        let info = OperationInfo {
            operation_id: "host_calendar",
        };
        self.pre(&mut request, &info).await?;
        let result = self.exec(request, &info).await;
        self.post(&result, &info).await?;
        let response = result?;
        match response.status().as_u16() {
            200u16 => ResponseValue::from_response(response).await,
            400u16..=499u16 => {
                Err(Error::ErrorResponse(ResponseValue::from_response(response).await?))
            }
            500u16..=599u16 => {
                Err(Error::ErrorResponse(ResponseValue::from_response(response).await?))
            }
            _ => Err(Error::UnexpectedResponse(response)),
        }
    }
    /**Try again what has failed in a host

Sends a `POST` request to `/v1/hosts/{name}/retry`

Arguments:
- `name`: The resource's name.
- `idempotency_key`: Any text that is unique to the write, at most 128 bytes.*/
    pub async fn host_retry<'a>(
        &'a self,
        name: &'a tessera_types::Name,
        idempotency_key: Option<&'a str>,
    ) -> Result<
        ResponseValue<tessera_types::Object<tessera_types::Host>>,
        Error<tessera_types::Problem>,
    > {
        let url = format!(
            "{}/v1/hosts/{}/retry", self.baseurl, encode_path(& name.to_string()),
        );
        let mut header_map = ::reqwest::header::HeaderMap::with_capacity(2usize);
        header_map
            .append(
                ::reqwest::header::HeaderName::from_static("api-version"),
                ::reqwest::header::HeaderValue::from_static(Self::api_version()),
            );
        if let Some(value) = idempotency_key {
            header_map.append("idempotency-key", value.to_string().try_into()?);
        }
        #[allow(unused_mut)]
        let mut request = self
            .client
            .post(url)
            .header(
                ::reqwest::header::ACCEPT,
                ::reqwest::header::HeaderValue::from_static("application/json"),
            )
            .headers(header_map)
            .build()?;
        let info = OperationInfo {
            operation_id: "host_retry",
        };
        self.pre(&mut request, &info).await?;
        let result = self.exec(request, &info).await;
        self.post(&result, &info).await?;
        let response = result?;
        match response.status().as_u16() {
            202u16 => ResponseValue::from_response(response).await,
            400u16..=499u16 => {
                Err(Error::ErrorResponse(ResponseValue::from_response(response).await?))
            }
            500u16..=599u16 => {
                Err(Error::ErrorResponse(ResponseValue::from_response(response).await?))
            }
            _ => Err(Error::UnexpectedResponse(response)),
        }
    }
    /**Let a node keep what it has and take nothing new

Sends a `POST` request to `/v1/nodes/{name}/cordon`

Arguments:
- `name`: The resource's name.*/
    pub async fn node_cordon<'a>(
        &'a self,
        name: &'a tessera_types::Name,
    ) -> Result<
        ResponseValue<tessera_types::Object<tessera_types::Node>>,
        Error<tessera_types::Problem>,
    > {
        let url = format!(
            "{}/v1/nodes/{}/cordon", self.baseurl, encode_path(& name.to_string()),
        );
        let mut header_map = ::reqwest::header::HeaderMap::with_capacity(1usize);
        header_map
            .append(
                ::reqwest::header::HeaderName::from_static("api-version"),
                ::reqwest::header::HeaderValue::from_static(Self::api_version()),
            );
        #[allow(unused_mut)]
        let mut request = self
            .client
            .post(url)
            .header(
                ::reqwest::header::ACCEPT,
                ::reqwest::header::HeaderValue::from_static("application/json"),
            )
            .headers(header_map)
            .build()?;
        let info = OperationInfo {
            operation_id: "node_cordon",
        };
        self.pre(&mut request, &info).await?;
        let result = self.exec(request, &info).await;
        self.post(&result, &info).await?;
        let response = result?;
        match response.status().as_u16() {
            202u16 => ResponseValue::from_response(response).await,
            400u16..=499u16 => {
                Err(Error::ErrorResponse(ResponseValue::from_response(response).await?))
            }
            500u16..=599u16 => {
                Err(Error::ErrorResponse(ResponseValue::from_response(response).await?))
            }
            _ => Err(Error::UnexpectedResponse(response)),
        }
    }
    /**Move everything off a node and let it take nothing new

Sends a `POST` request to `/v1/nodes/{name}/drain`

Arguments:
- `name`: The resource's name.*/
    pub async fn node_drain<'a>(
        &'a self,
        name: &'a tessera_types::Name,
    ) -> Result<
        ResponseValue<tessera_types::Object<tessera_types::Node>>,
        Error<tessera_types::Problem>,
    > {
        let url = format!(
            "{}/v1/nodes/{}/drain", self.baseurl, encode_path(& name.to_string()),
        );
        let mut header_map = ::reqwest::header::HeaderMap::with_capacity(1usize);
        header_map
            .append(
                ::reqwest::header::HeaderName::from_static("api-version"),
                ::reqwest::header::HeaderValue::from_static(Self::api_version()),
            );
        #[allow(unused_mut)]
        let mut request = self
            .client
            .post(url)
            .header(
                ::reqwest::header::ACCEPT,
                ::reqwest::header::HeaderValue::from_static("application/json"),
            )
            .headers(header_map)
            .build()?;
        let info = OperationInfo {
            operation_id: "node_drain",
        };
        self.pre(&mut request, &info).await?;
        let result = self.exec(request, &info).await;
        self.post(&result, &info).await?;
        let response = result?;
        match response.status().as_u16() {
            202u16 => ResponseValue::from_response(response).await,
            400u16..=499u16 => {
                Err(Error::ErrorResponse(ResponseValue::from_response(response).await?))
            }
            500u16..=599u16 => {
                Err(Error::ErrorResponse(ResponseValue::from_response(response).await?))
            }
            _ => Err(Error::UnexpectedResponse(response)),
        }
    }
    /**A part of a log that somebody reads

Sends a `POST` request to `/v1/nodes/{name}/logs/{request}`

Arguments:
- `name`: The node's name.
- `request`: The request, as the sync answer named it.
- `body`*/
    pub async fn agent_logs<'a>(
        &'a self,
        name: &'a tessera_types::Name,
        request: &'a str,
        body: &'a tessera_types::sync::LogChunk,
    ) -> Result<
        ResponseValue<tessera_types::sync::LogChunkAnswer>,
        Error<tessera_types::Problem>,
    > {
        let url = format!(
            "{}/v1/nodes/{}/logs/{}", self.baseurl, encode_path(& name.to_string()),
            encode_path(& request.to_string()),
        );
        let mut header_map = ::reqwest::header::HeaderMap::with_capacity(1usize);
        header_map
            .append(
                ::reqwest::header::HeaderName::from_static("api-version"),
                ::reqwest::header::HeaderValue::from_static(Self::api_version()),
            );
        #[allow(unused_mut)]
        let mut _request = self
            .client
            .post(url)
            .header(
                ::reqwest::header::ACCEPT,
                ::reqwest::header::HeaderValue::from_static("application/json"),
            )
            .json(&body)
            .headers(header_map)
            .build()?;
        let info = OperationInfo {
            operation_id: "agent_logs",
        };
        self.pre(&mut _request, &info).await?;
        let result = self.exec(_request, &info).await;
        self.post(&result, &info).await?;
        let response = result?;
        match response.status().as_u16() {
            200u16 => ResponseValue::from_response(response).await,
            400u16..=499u16 => {
                Err(Error::ErrorResponse(ResponseValue::from_response(response).await?))
            }
            500u16..=599u16 => {
                Err(Error::ErrorResponse(ResponseValue::from_response(response).await?))
            }
            _ => Err(Error::UnexpectedResponse(response)),
        }
    }
    /**An agent introduces its node

Sends a `POST` request to `/v1/nodes/{name}/register`

Arguments:
- `name`: The resource's name.
- `body`*/
    pub async fn agent_register<'a>(
        &'a self,
        name: &'a tessera_types::Name,
        body: &'a tessera_types::sync::Registration,
    ) -> Result<
        ResponseValue<tessera_types::sync::Registered>,
        Error<tessera_types::Problem>,
    > {
        let url = format!(
            "{}/v1/nodes/{}/register", self.baseurl, encode_path(& name.to_string()),
        );
        let mut header_map = ::reqwest::header::HeaderMap::with_capacity(1usize);
        header_map
            .append(
                ::reqwest::header::HeaderName::from_static("api-version"),
                ::reqwest::header::HeaderValue::from_static(Self::api_version()),
            );
        #[allow(unused_mut)]
        let mut request = self
            .client
            .post(url)
            .header(
                ::reqwest::header::ACCEPT,
                ::reqwest::header::HeaderValue::from_static("application/json"),
            )
            .json(&body)
            .headers(header_map)
            .build()?;
        let info = OperationInfo {
            operation_id: "agent_register",
        };
        self.pre(&mut request, &info).await?;
        let result = self.exec(request, &info).await;
        self.post(&result, &info).await?;
        let response = result?;
        match response.status().as_u16() {
            200u16 => ResponseValue::from_response(response).await,
            400u16..=499u16 => {
                Err(Error::ErrorResponse(ResponseValue::from_response(response).await?))
            }
            500u16..=599u16 => {
                Err(Error::ErrorResponse(ResponseValue::from_response(response).await?))
            }
            _ => Err(Error::UnexpectedResponse(response)),
        }
    }
    /**What happened to an agent's copies

Sends a `POST` request to `/v1/nodes/{name}/reports`

Arguments:
- `name`: The resource's name.
- `body`*/
    pub async fn agent_report<'a>(
        &'a self,
        name: &'a tessera_types::Name,
        body: &'a tessera_types::sync::ReportRequest,
    ) -> Result<
        ResponseValue<tessera_types::sync::ReportResponse>,
        Error<tessera_types::Problem>,
    > {
        let url = format!(
            "{}/v1/nodes/{}/reports", self.baseurl, encode_path(& name.to_string()),
        );
        let mut header_map = ::reqwest::header::HeaderMap::with_capacity(1usize);
        header_map
            .append(
                ::reqwest::header::HeaderName::from_static("api-version"),
                ::reqwest::header::HeaderValue::from_static(Self::api_version()),
            );
        #[allow(unused_mut)]
        let mut request = self
            .client
            .post(url)
            .header(
                ::reqwest::header::ACCEPT,
                ::reqwest::header::HeaderValue::from_static("application/json"),
            )
            .json(&body)
            .headers(header_map)
            .build()?;
        let info = OperationInfo {
            operation_id: "agent_report",
        };
        self.pre(&mut request, &info).await?;
        let result = self.exec(request, &info).await;
        self.post(&result, &info).await?;
        let response = result?;
        match response.status().as_u16() {
            200u16 => ResponseValue::from_response(response).await,
            400u16..=499u16 => {
                Err(Error::ErrorResponse(ResponseValue::from_response(response).await?))
            }
            500u16..=599u16 => {
                Err(Error::ErrorResponse(ResponseValue::from_response(response).await?))
            }
            _ => Err(Error::UnexpectedResponse(response)),
        }
    }
    /**An agent's heartbeat, answered as soon as there is news for it

Sends a `POST` request to `/v1/nodes/{name}/sync`

Arguments:
- `name`: The resource's name.
- `body`*/
    pub async fn agent_sync<'a>(
        &'a self,
        name: &'a tessera_types::Name,
        body: &'a tessera_types::sync::SyncRequest,
    ) -> Result<
        ResponseValue<tessera_types::sync::SyncResponse>,
        Error<tessera_types::Problem>,
    > {
        let url = format!(
            "{}/v1/nodes/{}/sync", self.baseurl, encode_path(& name.to_string()),
        );
        let mut header_map = ::reqwest::header::HeaderMap::with_capacity(1usize);
        header_map
            .append(
                ::reqwest::header::HeaderName::from_static("api-version"),
                ::reqwest::header::HeaderValue::from_static(Self::api_version()),
            );
        #[allow(unused_mut)]
        let mut request = self
            .client
            .post(url)
            .header(
                ::reqwest::header::ACCEPT,
                ::reqwest::header::HeaderValue::from_static("application/json"),
            )
            .json(&body)
            .headers(header_map)
            .build()?;
        let info = OperationInfo {
            operation_id: "agent_sync",
        };
        self.pre(&mut request, &info).await?;
        let result = self.exec(request, &info).await;
        self.post(&result, &info).await?;
        let response = result?;
        match response.status().as_u16() {
            200u16 => ResponseValue::from_response(response).await,
            400u16..=499u16 => {
                Err(Error::ErrorResponse(ResponseValue::from_response(response).await?))
            }
            500u16..=599u16 => {
                Err(Error::ErrorResponse(ResponseValue::from_response(response).await?))
            }
            _ => Err(Error::UnexpectedResponse(response)),
        }
    }
    /**Let a node take workloads again

Sends a `POST` request to `/v1/nodes/{name}/uncordon`

Arguments:
- `name`: The resource's name.*/
    pub async fn node_uncordon<'a>(
        &'a self,
        name: &'a tessera_types::Name,
    ) -> Result<
        ResponseValue<tessera_types::Object<tessera_types::Node>>,
        Error<tessera_types::Problem>,
    > {
        let url = format!(
            "{}/v1/nodes/{}/uncordon", self.baseurl, encode_path(& name.to_string()),
        );
        let mut header_map = ::reqwest::header::HeaderMap::with_capacity(1usize);
        header_map
            .append(
                ::reqwest::header::HeaderName::from_static("api-version"),
                ::reqwest::header::HeaderValue::from_static(Self::api_version()),
            );
        #[allow(unused_mut)]
        let mut request = self
            .client
            .post(url)
            .header(
                ::reqwest::header::ACCEPT,
                ::reqwest::header::HeaderValue::from_static("application/json"),
            )
            .headers(header_map)
            .build()?;
        let info = OperationInfo {
            operation_id: "node_uncordon",
        };
        self.pre(&mut request, &info).await?;
        let result = self.exec(request, &info).await;
        self.post(&result, &info).await?;
        let response = result?;
        match response.status().as_u16() {
            202u16 => ResponseValue::from_response(response).await,
            400u16..=499u16 => {
                Err(Error::ErrorResponse(ResponseValue::from_response(response).await?))
            }
            500u16..=599u16 => {
                Err(Error::ErrorResponse(ResponseValue::from_response(response).await?))
            }
            _ => Err(Error::UnexpectedResponse(response)),
        }
    }
    /**What the sessions and pods among the manifests would come to: what would

be made, where and when. Nothing changes.

Sends a `POST` request to `/v1/plan`
*/
    pub async fn plan<'a>(
        &'a self,
        body: &'a tessera_types::api::ApplyRequest,
    ) -> Result<
        ResponseValue<tessera_types::booking::PlanResponse>,
        Error<tessera_types::Problem>,
    > {
        let url = format!("{}/v1/plan", self.baseurl,);
        let mut header_map = ::reqwest::header::HeaderMap::with_capacity(1usize);
        header_map
            .append(
                ::reqwest::header::HeaderName::from_static("api-version"),
                ::reqwest::header::HeaderValue::from_static(Self::api_version()),
            );
        #[allow(unused_mut)]
        let mut request = self
            .client
            .post(url)
            .header(
                ::reqwest::header::ACCEPT,
                ::reqwest::header::HeaderValue::from_static("application/json"),
            )
            .json(&body)
            .headers(header_map)
            .build()?;
        let info = OperationInfo {
            operation_id: "plan",
        };
        self.pre(&mut request, &info).await?;
        let result = self.exec(request, &info).await;
        self.post(&result, &info).await?;
        let response = result?;
        match response.status().as_u16() {
            200u16 => ResponseValue::from_response(response).await,
            400u16..=499u16 => {
                Err(Error::ErrorResponse(ResponseValue::from_response(response).await?))
            }
            500u16..=599u16 => {
                Err(Error::ErrorResponse(ResponseValue::from_response(response).await?))
            }
            _ => Err(Error::UnexpectedResponse(response)),
        }
    }
    /**Try again what has failed in a pod

Sends a `POST` request to `/v1/pods/{name}/retry`

Arguments:
- `name`: The resource's name.
- `namespace`: `default` unless given.
- `idempotency_key`: Any text that is unique to the write, at most 128 bytes.*/
    pub async fn pod_retry<'a>(
        &'a self,
        name: &'a tessera_types::Name,
        namespace: Option<&'a tessera_types::Name>,
        idempotency_key: Option<&'a str>,
    ) -> Result<
        ResponseValue<tessera_types::Object<tessera_types::Pod>>,
        Error<tessera_types::Problem>,
    > {
        let url = format!(
            "{}/v1/pods/{}/retry", self.baseurl, encode_path(& name.to_string()),
        );
        let mut header_map = ::reqwest::header::HeaderMap::with_capacity(2usize);
        header_map
            .append(
                ::reqwest::header::HeaderName::from_static("api-version"),
                ::reqwest::header::HeaderValue::from_static(Self::api_version()),
            );
        if let Some(value) = idempotency_key {
            header_map.append("idempotency-key", value.to_string().try_into()?);
        }
        #[allow(unused_mut)]
        let mut request = self
            .client
            .post(url)
            .header(
                ::reqwest::header::ACCEPT,
                ::reqwest::header::HeaderValue::from_static("application/json"),
            )
            .query(&progenitor_client::QueryParam::new("namespace", &namespace))
            .headers(header_map)
            .build()?;
        let info = OperationInfo {
            operation_id: "pod_retry",
        };
        self.pre(&mut request, &info).await?;
        let result = self.exec(request, &info).await;
        self.post(&result, &info).await?;
        let response = result?;
        match response.status().as_u16() {
            202u16 => ResponseValue::from_response(response).await,
            400u16..=499u16 => {
                Err(Error::ErrorResponse(ResponseValue::from_response(response).await?))
            }
            500u16..=599u16 => {
                Err(Error::ErrorResponse(ResponseValue::from_response(response).await?))
            }
            _ => Err(Error::UnexpectedResponse(response)),
        }
    }
    /**Load definitions into the catalogue: all of them, or none

Sends a `POST` request to `/v1/seed`
*/
    pub async fn seed<'a>(
        &'a self,
        body: &'a tessera_types::booking::SeedRequest,
    ) -> Result<
        ResponseValue<tessera_types::booking::SeedResponse>,
        Error<tessera_types::Problem>,
    > {
        let url = format!("{}/v1/seed", self.baseurl,);
        let mut header_map = ::reqwest::header::HeaderMap::with_capacity(1usize);
        header_map
            .append(
                ::reqwest::header::HeaderName::from_static("api-version"),
                ::reqwest::header::HeaderValue::from_static(Self::api_version()),
            );
        #[allow(unused_mut)]
        let mut request = self
            .client
            .post(url)
            .header(
                ::reqwest::header::ACCEPT,
                ::reqwest::header::HeaderValue::from_static("application/json"),
            )
            .json(&body)
            .headers(header_map)
            .build()?;
        let info = OperationInfo {
            operation_id: "seed",
        };
        self.pre(&mut request, &info).await?;
        let result = self.exec(request, &info).await;
        self.post(&result, &info).await?;
        let response = result?;
        match response.status().as_u16() {
            200u16 => ResponseValue::from_response(response).await,
            400u16..=499u16 => {
                Err(Error::ErrorResponse(ResponseValue::from_response(response).await?))
            }
            500u16..=599u16 => {
                Err(Error::ErrorResponse(ResponseValue::from_response(response).await?))
            }
            _ => Err(Error::UnexpectedResponse(response)),
        }
    }
    /**Open the gate of a part that waits for somebody's approval. One that is open

already stays so, and the answer says it.

Sends a `POST` request to `/v1/sessions/{name}/approve`

Arguments:
- `name`: The resource's name.
- `namespace`: `default` unless given.
- `idempotency_key`: Any text that is unique to the write, at most 128 bytes.
- `body`*/
    pub async fn session_approve<'a>(
        &'a self,
        name: &'a tessera_types::Name,
        namespace: Option<&'a tessera_types::Name>,
        idempotency_key: Option<&'a str>,
        body: &'a tessera_types::booking::PartRequest,
    ) -> Result<
        ResponseValue<tessera_types::booking::Approved>,
        Error<tessera_types::Problem>,
    > {
        let url = format!(
            "{}/v1/sessions/{}/approve", self.baseurl, encode_path(& name.to_string()),
        );
        let mut header_map = ::reqwest::header::HeaderMap::with_capacity(2usize);
        header_map
            .append(
                ::reqwest::header::HeaderName::from_static("api-version"),
                ::reqwest::header::HeaderValue::from_static(Self::api_version()),
            );
        if let Some(value) = idempotency_key {
            header_map.append("idempotency-key", value.to_string().try_into()?);
        }
        #[allow(unused_mut)]
        let mut request = self
            .client
            .post(url)
            .header(
                ::reqwest::header::ACCEPT,
                ::reqwest::header::HeaderValue::from_static("application/json"),
            )
            .json(&body)
            .query(&progenitor_client::QueryParam::new("namespace", &namespace))
            .headers(header_map)
            .build()?;
        let info = OperationInfo {
            operation_id: "session_approve",
        };
        self.pre(&mut request, &info).await?;
        let result = self.exec(request, &info).await;
        self.post(&result, &info).await?;
        let response = result?;
        match response.status().as_u16() {
            202u16 => ResponseValue::from_response(response).await,
            400u16..=499u16 => {
                Err(Error::ErrorResponse(ResponseValue::from_response(response).await?))
            }
            500u16..=599u16 => {
                Err(Error::ErrorResponse(ResponseValue::from_response(response).await?))
            }
            _ => Err(Error::UnexpectedResponse(response)),
        }
    }
    /**Give a session up: what it has is torn down

Sends a `POST` request to `/v1/sessions/{name}/cancel`

Arguments:
- `name`: The resource's name.
- `namespace`: `default` unless given.
- `idempotency_key`: Any text that is unique to the write, at most 128 bytes.*/
    pub async fn session_cancel<'a>(
        &'a self,
        name: &'a tessera_types::Name,
        namespace: Option<&'a tessera_types::Name>,
        idempotency_key: Option<&'a str>,
    ) -> Result<
        ResponseValue<tessera_types::Object<tessera_types::Session>>,
        Error<tessera_types::Problem>,
    > {
        let url = format!(
            "{}/v1/sessions/{}/cancel", self.baseurl, encode_path(& name.to_string()),
        );
        let mut header_map = ::reqwest::header::HeaderMap::with_capacity(2usize);
        header_map
            .append(
                ::reqwest::header::HeaderName::from_static("api-version"),
                ::reqwest::header::HeaderValue::from_static(Self::api_version()),
            );
        if let Some(value) = idempotency_key {
            header_map.append("idempotency-key", value.to_string().try_into()?);
        }
        #[allow(unused_mut)]
        let mut request = self
            .client
            .post(url)
            .header(
                ::reqwest::header::ACCEPT,
                ::reqwest::header::HeaderValue::from_static("application/json"),
            )
            .query(&progenitor_client::QueryParam::new("namespace", &namespace))
            .headers(header_map)
            .build()?;
        let info = OperationInfo {
            operation_id: "session_cancel",
        };
        self.pre(&mut request, &info).await?;
        let result = self.exec(request, &info).await;
        self.post(&result, &info).await?;
        let response = result?;
        match response.status().as_u16() {
            202u16 => ResponseValue::from_response(response).await,
            400u16..=499u16 => {
                Err(Error::ErrorResponse(ResponseValue::from_response(response).await?))
            }
            500u16..=599u16 => {
                Err(Error::ErrorResponse(ResponseValue::from_response(response).await?))
            }
            _ => Err(Error::UnexpectedResponse(response)),
        }
    }
    /**Let a session end later, if its hosts have room

Sends a `POST` request to `/v1/sessions/{name}/extend`

Arguments:
- `name`: The resource's name.
- `namespace`: `default` unless given.
- `idempotency_key`: Any text that is unique to the write, at most 128 bytes.
- `body`*/
    pub async fn session_extend<'a>(
        &'a self,
        name: &'a tessera_types::Name,
        namespace: Option<&'a tessera_types::Name>,
        idempotency_key: Option<&'a str>,
        body: &'a tessera_types::booking::StretchRequest,
    ) -> Result<
        ResponseValue<tessera_types::Object<tessera_types::Session>>,
        Error<tessera_types::Problem>,
    > {
        let url = format!(
            "{}/v1/sessions/{}/extend", self.baseurl, encode_path(& name.to_string()),
        );
        let mut header_map = ::reqwest::header::HeaderMap::with_capacity(2usize);
        header_map
            .append(
                ::reqwest::header::HeaderName::from_static("api-version"),
                ::reqwest::header::HeaderValue::from_static(Self::api_version()),
            );
        if let Some(value) = idempotency_key {
            header_map.append("idempotency-key", value.to_string().try_into()?);
        }
        #[allow(unused_mut)]
        let mut request = self
            .client
            .post(url)
            .header(
                ::reqwest::header::ACCEPT,
                ::reqwest::header::HeaderValue::from_static("application/json"),
            )
            .json(&body)
            .query(&progenitor_client::QueryParam::new("namespace", &namespace))
            .headers(header_map)
            .build()?;
        let info = OperationInfo {
            operation_id: "session_extend",
        };
        self.pre(&mut request, &info).await?;
        let result = self.exec(request, &info).await;
        self.post(&result, &info).await?;
        let response = result?;
        match response.status().as_u16() {
            202u16 => ResponseValue::from_response(response).await,
            400u16..=499u16 => {
                Err(Error::ErrorResponse(ResponseValue::from_response(response).await?))
            }
            500u16..=599u16 => {
                Err(Error::ErrorResponse(ResponseValue::from_response(response).await?))
            }
            _ => Err(Error::UnexpectedResponse(response)),
        }
    }
    /**Try again what has failed in a part

Sends a `POST` request to `/v1/sessions/{name}/retry`

Arguments:
- `name`: The resource's name.
- `namespace`: `default` unless given.
- `idempotency_key`: Any text that is unique to the write, at most 128 bytes.
- `body`*/
    pub async fn session_retry<'a>(
        &'a self,
        name: &'a tessera_types::Name,
        namespace: Option<&'a tessera_types::Name>,
        idempotency_key: Option<&'a str>,
        body: &'a tessera_types::booking::PartRequest,
    ) -> Result<
        ResponseValue<tessera_types::Object<tessera_types::Session>>,
        Error<tessera_types::Problem>,
    > {
        let url = format!(
            "{}/v1/sessions/{}/retry", self.baseurl, encode_path(& name.to_string()),
        );
        let mut header_map = ::reqwest::header::HeaderMap::with_capacity(2usize);
        header_map
            .append(
                ::reqwest::header::HeaderName::from_static("api-version"),
                ::reqwest::header::HeaderValue::from_static(Self::api_version()),
            );
        if let Some(value) = idempotency_key {
            header_map.append("idempotency-key", value.to_string().try_into()?);
        }
        #[allow(unused_mut)]
        let mut request = self
            .client
            .post(url)
            .header(
                ::reqwest::header::ACCEPT,
                ::reqwest::header::HeaderValue::from_static("application/json"),
            )
            .json(&body)
            .query(&progenitor_client::QueryParam::new("namespace", &namespace))
            .headers(header_map)
            .build()?;
        let info = OperationInfo {
            operation_id: "session_retry",
        };
        self.pre(&mut request, &info).await?;
        let result = self.exec(request, &info).await;
        self.post(&result, &info).await?;
        let response = result?;
        match response.status().as_u16() {
            202u16 => ResponseValue::from_response(response).await,
            400u16..=499u16 => {
                Err(Error::ErrorResponse(ResponseValue::from_response(response).await?))
            }
            500u16..=599u16 => {
                Err(Error::ErrorResponse(ResponseValue::from_response(response).await?))
            }
            _ => Err(Error::UnexpectedResponse(response)),
        }
    }
    /**Let a session end earlier

Sends a `POST` request to `/v1/sessions/{name}/shrink`

Arguments:
- `name`: The resource's name.
- `namespace`: `default` unless given.
- `idempotency_key`: Any text that is unique to the write, at most 128 bytes.
- `body`*/
    pub async fn session_shrink<'a>(
        &'a self,
        name: &'a tessera_types::Name,
        namespace: Option<&'a tessera_types::Name>,
        idempotency_key: Option<&'a str>,
        body: &'a tessera_types::booking::StretchRequest,
    ) -> Result<
        ResponseValue<tessera_types::Object<tessera_types::Session>>,
        Error<tessera_types::Problem>,
    > {
        let url = format!(
            "{}/v1/sessions/{}/shrink", self.baseurl, encode_path(& name.to_string()),
        );
        let mut header_map = ::reqwest::header::HeaderMap::with_capacity(2usize);
        header_map
            .append(
                ::reqwest::header::HeaderName::from_static("api-version"),
                ::reqwest::header::HeaderValue::from_static(Self::api_version()),
            );
        if let Some(value) = idempotency_key {
            header_map.append("idempotency-key", value.to_string().try_into()?);
        }
        #[allow(unused_mut)]
        let mut request = self
            .client
            .post(url)
            .header(
                ::reqwest::header::ACCEPT,
                ::reqwest::header::HeaderValue::from_static("application/json"),
            )
            .json(&body)
            .query(&progenitor_client::QueryParam::new("namespace", &namespace))
            .headers(header_map)
            .build()?;
        let info = OperationInfo {
            operation_id: "session_shrink",
        };
        self.pre(&mut request, &info).await?;
        let result = self.exec(request, &info).await;
        self.post(&result, &info).await?;
        let response = result?;
        match response.status().as_u16() {
            202u16 => ResponseValue::from_response(response).await,
            400u16..=499u16 => {
                Err(Error::ErrorResponse(ResponseValue::from_response(response).await?))
            }
            500u16..=599u16 => {
                Err(Error::ErrorResponse(ResponseValue::from_response(response).await?))
            }
            _ => Err(Error::UnexpectedResponse(response)),
        }
    }
    /**What a service of a tenant wrote on a node: one JSON `LogLine` a line

Sends a `GET` request to `/v1/tenants/{name}/logs`

Arguments:
- `name`: The resource's name.
- `follow`: Go on as lines are written.
- `node`: The node; not needed where the tenant is on one only.
- `service`: The suffix of the service; the primary unless given.
- `since`: Only lines at or after this time.
- `tail`: Only the last so many lines.*/
    pub async fn tenant_logs<'a>(
        &'a self,
        name: &'a tessera_types::Name,
        follow: Option<bool>,
        node: Option<&'a tessera_types::Name>,
        service: Option<&'a tessera_types::Name>,
        since: Option<&'a tessera_types::Timestamp>,
        tail: Option<u32>,
    ) -> Result<ResponseValue<ByteStream>, Error<ByteStream>> {
        let url = format!(
            "{}/v1/tenants/{}/logs", self.baseurl, encode_path(& name.to_string()),
        );
        let mut header_map = ::reqwest::header::HeaderMap::with_capacity(1usize);
        header_map
            .append(
                ::reqwest::header::HeaderName::from_static("api-version"),
                ::reqwest::header::HeaderValue::from_static(Self::api_version()),
            );
        #[allow(unused_mut)]
        let mut request = self
            .client
            .get(url)
            .query(&progenitor_client::QueryParam::new("follow", &follow))
            .query(&progenitor_client::QueryParam::new("node", &node))
            .query(&progenitor_client::QueryParam::new("service", &service))
            .query(&progenitor_client::QueryParam::new("since", &since))
            .query(&progenitor_client::QueryParam::new("tail", &tail))
            .headers(header_map)
            .build()?;
        let info = OperationInfo {
            operation_id: "tenant_logs",
        };
        self.pre(&mut request, &info).await?;
        let result = self.exec(request, &info).await;
        self.post(&result, &info).await?;
        let response = result?;
        match response.status().as_u16() {
            200..=299 => Ok(ResponseValue::stream(response)),
            _ => Err(Error::ErrorResponse(ResponseValue::stream(response))),
        }
    }
    /**Ask for a run of a tenant's service on a node. Asking twice under one `request_id`

is asking once.

Sends a `POST` request to `/v1/tenants/{name}/runs`

Arguments:
- `name`: The resource's name.
- `body`*/
    pub async fn tenant_run<'a>(
        &'a self,
        name: &'a tessera_types::Name,
        body: &'a tessera_types::api::RunTenantRequest,
    ) -> Result<
        ResponseValue<tessera_types::tenant::TenantRun>,
        Error<tessera_types::Problem>,
    > {
        let url = format!(
            "{}/v1/tenants/{}/runs", self.baseurl, encode_path(& name.to_string()),
        );
        let mut header_map = ::reqwest::header::HeaderMap::with_capacity(1usize);
        header_map
            .append(
                ::reqwest::header::HeaderName::from_static("api-version"),
                ::reqwest::header::HeaderValue::from_static(Self::api_version()),
            );
        #[allow(unused_mut)]
        let mut request = self
            .client
            .post(url)
            .header(
                ::reqwest::header::ACCEPT,
                ::reqwest::header::HeaderValue::from_static("application/json"),
            )
            .json(&body)
            .headers(header_map)
            .build()?;
        let info = OperationInfo {
            operation_id: "tenant_run",
        };
        self.pre(&mut request, &info).await?;
        let result = self.exec(request, &info).await;
        self.post(&result, &info).await?;
        let response = result?;
        match response.status().as_u16() {
            202u16 => ResponseValue::from_response(response).await,
            400u16..=499u16 => {
                Err(Error::ErrorResponse(ResponseValue::from_response(response).await?))
            }
            500u16..=599u16 => {
                Err(Error::ErrorResponse(ResponseValue::from_response(response).await?))
            }
            _ => Err(Error::UnexpectedResponse(response)),
        }
    }
    /**What nodes have, and what of it is in use

Sends a `GET` request to `/v1/top`
*/
    pub async fn top<'a>(
        &'a self,
    ) -> Result<ResponseValue<tessera_types::api::Top>, Error<tessera_types::Problem>> {
        let url = format!("{}/v1/top", self.baseurl,);
        let mut header_map = ::reqwest::header::HeaderMap::with_capacity(1usize);
        header_map
            .append(
                ::reqwest::header::HeaderName::from_static("api-version"),
                ::reqwest::header::HeaderValue::from_static(Self::api_version()),
            );
        #[allow(unused_mut)]
        let mut request = self
            .client
            .get(url)
            .header(
                ::reqwest::header::ACCEPT,
                ::reqwest::header::HeaderValue::from_static("application/json"),
            )
            .headers(header_map)
            .build()?;
        let info = OperationInfo {
            operation_id: "top",
        };
        self.pre(&mut request, &info).await?;
        let result = self.exec(request, &info).await;
        self.post(&result, &info).await?;
        let response = result?;
        match response.status().as_u16() {
            200u16 => ResponseValue::from_response(response).await,
            400u16..=499u16 => {
                Err(Error::ErrorResponse(ResponseValue::from_response(response).await?))
            }
            500u16..=599u16 => {
                Err(Error::ErrorResponse(ResponseValue::from_response(response).await?))
            }
            _ => Err(Error::UnexpectedResponse(response)),
        }
    }
    /**Every change from a revision on, as server-sent events. Each event's

data is a JSON `WatchEvent` and its id the revision.

Sends a `GET` request to `/v1/watch`

Arguments:
- `kind`: Only this kind.
- `name`: Only the resource of this name.
- `namespace`: Only this namespace.
- `selector`: Only those whose labels match; one that stops matching is reported as deleted.
- `since`: Changes after this revision. From now on, unless given; the header `Last-Event-ID` wins over it.*/
    pub async fn watch<'a>(
        &'a self,
        kind: Option<&'a tessera_types::KindName>,
        name: Option<&'a tessera_types::Name>,
        namespace: Option<&'a tessera_types::Name>,
        selector: Option<&'a str>,
        since: Option<u64>,
    ) -> Result<ResponseValue<ByteStream>, Error<ByteStream>> {
        let url = format!("{}/v1/watch", self.baseurl,);
        let mut header_map = ::reqwest::header::HeaderMap::with_capacity(1usize);
        header_map
            .append(
                ::reqwest::header::HeaderName::from_static("api-version"),
                ::reqwest::header::HeaderValue::from_static(Self::api_version()),
            );
        #[allow(unused_mut)]
        let mut request = self
            .client
            .get(url)
            .query(&progenitor_client::QueryParam::new("kind", &kind))
            .query(&progenitor_client::QueryParam::new("name", &name))
            .query(&progenitor_client::QueryParam::new("namespace", &namespace))
            .query(&progenitor_client::QueryParam::new("selector", &selector))
            .query(&progenitor_client::QueryParam::new("since", &since))
            .headers(header_map)
            .build()?;
        let info = OperationInfo {
            operation_id: "watch",
        };
        self.pre(&mut request, &info).await?;
        let result = self.exec(request, &info).await;
        self.post(&result, &info).await?;
        let response = result?;
        match response.status().as_u16() {
            200..=299 => Ok(ResponseValue::stream(response)),
            _ => Err(Error::ErrorResponse(ResponseValue::stream(response))),
        }
    }
    /**The output of a workload: one JSON `LogLine` a line. Also of one that is

gone, as long as its node keeps it.

Sends a `GET` request to `/v1/workloads/{name}/logs`

Arguments:
- `name`: The resource's name.
- `follow`: Go on as lines are written.
- `namespace`: `default` unless given.
- `since`: Only lines at or after this time.
- `tail`: Only the last so many lines.*/
    pub async fn workload_logs<'a>(
        &'a self,
        name: &'a tessera_types::Name,
        follow: Option<bool>,
        namespace: Option<&'a tessera_types::Name>,
        since: Option<&'a tessera_types::Timestamp>,
        tail: Option<u32>,
    ) -> Result<ResponseValue<ByteStream>, Error<ByteStream>> {
        let url = format!(
            "{}/v1/workloads/{}/logs", self.baseurl, encode_path(& name.to_string()),
        );
        let mut header_map = ::reqwest::header::HeaderMap::with_capacity(1usize);
        header_map
            .append(
                ::reqwest::header::HeaderName::from_static("api-version"),
                ::reqwest::header::HeaderValue::from_static(Self::api_version()),
            );
        #[allow(unused_mut)]
        let mut request = self
            .client
            .get(url)
            .query(&progenitor_client::QueryParam::new("follow", &follow))
            .query(&progenitor_client::QueryParam::new("namespace", &namespace))
            .query(&progenitor_client::QueryParam::new("since", &since))
            .query(&progenitor_client::QueryParam::new("tail", &tail))
            .headers(header_map)
            .build()?;
        let info = OperationInfo {
            operation_id: "workload_logs",
        };
        self.pre(&mut request, &info).await?;
        let result = self.exec(request, &info).await;
        self.post(&result, &info).await?;
        let response = result?;
        match response.status().as_u16() {
            200..=299 => Ok(ResponseValue::stream(response)),
            _ => Err(Error::ErrorResponse(ResponseValue::stream(response))),
        }
    }
}
/// Items consumers will typically use such as the Client.
pub mod prelude {
    #[allow(unused_imports)]
    pub use super::Client;
}
