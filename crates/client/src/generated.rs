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
    /**List nodes, by name

Sends a `GET` request to `/v1/nodes`

Arguments:
- `limit`: At most so many; 500 unless given, and never more than 1000.
- `namespace`: Only this namespace; all unless given.
- `page`: The page after the one that answered with this `next_page`.
- `selector`: Only those whose labels match, such as `app=web,zone in (a,b)`.*/
    pub async fn node_list<'a>(
        &'a self,
        limit: Option<u32>,
        namespace: Option<&'a tessera_types::Name>,
        page: Option<&'a str>,
        selector: Option<&'a str>,
    ) -> Result<
        ResponseValue<tessera_types::api::List<tessera_types::Node>>,
        Error<tessera_types::Problem>,
    > {
        let url = format!("{}/v1/nodes", self.baseurl,);
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
            .query(&progenitor_client::QueryParam::new("limit", &limit))
            .query(&progenitor_client::QueryParam::new("namespace", &namespace))
            .query(&progenitor_client::QueryParam::new("page", &page))
            .query(&progenitor_client::QueryParam::new("selector", &selector))
            .headers(header_map)
            .build()?;
        let info = OperationInfo {
            operation_id: "node_list",
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
    /**Get a node

Sends a `GET` request to `/v1/nodes/{name}`

Arguments:
- `name`: The resource's name.*/
    pub async fn node_get<'a>(
        &'a self,
        name: &'a tessera_types::Name,
    ) -> Result<
        ResponseValue<tessera_types::Object<tessera_types::Node>>,
        Error<tessera_types::Problem>,
    > {
        let url = format!(
            "{}/v1/nodes/{}", self.baseurl, encode_path(& name.to_string()),
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
            .headers(header_map)
            .build()?;
        let info = OperationInfo {
            operation_id: "node_get",
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
    /**Declare a node's labels, limits or desired status

Sends a `PUT` request to `/v1/nodes/{name}`

Arguments:
- `name`: The resource's name.
- `dry_run`: Say what would come of it, and change nothing.
- `namespace`: Where it is; must not contradict the manifest.
- `idempotency_key`: Any text that is unique to the write, at most 128 bytes.
- `body`*/
    pub async fn node_put<'a>(
        &'a self,
        name: &'a tessera_types::Name,
        dry_run: Option<bool>,
        namespace: Option<&'a tessera_types::Name>,
        idempotency_key: Option<&'a str>,
        body: &'a tessera_types::Manifest<tessera_types::Node>,
    ) -> Result<
        ResponseValue<tessera_types::api::Applied<tessera_types::Node>>,
        Error<tessera_types::Problem>,
    > {
        let url = format!(
            "{}/v1/nodes/{}", self.baseurl, encode_path(& name.to_string()),
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
            .put(url)
            .header(
                ::reqwest::header::ACCEPT,
                ::reqwest::header::HeaderValue::from_static("application/json"),
            )
            .json(&body)
            .query(&progenitor_client::QueryParam::new("dry_run", &dry_run))
            .query(&progenitor_client::QueryParam::new("namespace", &namespace))
            .headers(header_map)
            .build()?;
        let info = OperationInfo {
            operation_id: "node_put",
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
    /**Forget a node. What it had is placed elsewhere; if its agent comes back

it stops its copies and registers anew.

Sends a `DELETE` request to `/v1/nodes/{name}`

Arguments:
- `name`: The resource's name.
- `id`: Only if the resource has this identity.
- `namespace`: `default` unless given.
- `revision`: Only if the resource is at this revision.*/
    pub async fn node_delete<'a>(
        &'a self,
        name: &'a tessera_types::Name,
        id: Option<&'a tessera_types::Uid>,
        namespace: Option<&'a tessera_types::Name>,
        revision: Option<u64>,
    ) -> Result<
        ResponseValue<tessera_types::Object<tessera_types::Node>>,
        Error<tessera_types::Problem>,
    > {
        let url = format!(
            "{}/v1/nodes/{}", self.baseurl, encode_path(& name.to_string()),
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
            .delete(url)
            .header(
                ::reqwest::header::ACCEPT,
                ::reqwest::header::HeaderValue::from_static("application/json"),
            )
            .query(&progenitor_client::QueryParam::new("id", &id))
            .query(&progenitor_client::QueryParam::new("namespace", &namespace))
            .query(&progenitor_client::QueryParam::new("revision", &revision))
            .headers(header_map)
            .build()?;
        let info = OperationInfo {
            operation_id: "node_delete",
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
    /**The transitions of a node, newest first

Sends a `GET` request to `/v1/nodes/{name}/history`

Arguments:
- `name`: The resource's name.
- `before_seq`: Only entries older than this one.
- `limit`: At most so many entries; 500 unless given, and never more than 1000.
- `namespace`: `default` unless given.*/
    pub async fn node_history<'a>(
        &'a self,
        name: &'a tessera_types::Name,
        before_seq: Option<u64>,
        limit: Option<u32>,
        namespace: Option<&'a tessera_types::Name>,
    ) -> Result<
        ResponseValue<tessera_types::api::History>,
        Error<tessera_types::Problem>,
    > {
        let url = format!(
            "{}/v1/nodes/{}/history", self.baseurl, encode_path(& name.to_string()),
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
            .query(&progenitor_client::QueryParam::new("before_seq", &before_seq))
            .query(&progenitor_client::QueryParam::new("limit", &limit))
            .query(&progenitor_client::QueryParam::new("namespace", &namespace))
            .headers(header_map)
            .build()?;
        let info = OperationInfo {
            operation_id: "node_history",
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
    /**Look at a node now, however often writing it has failed

Sends a `POST` request to `/v1/nodes/{name}/reconcile`

Arguments:
- `name`: The resource's name.*/
    pub async fn node_reconcile<'a>(
        &'a self,
        name: &'a tessera_types::Name,
    ) -> Result<
        ResponseValue<tessera_types::Object<tessera_types::Node>>,
        Error<tessera_types::Problem>,
    > {
        let url = format!(
            "{}/v1/nodes/{}/reconcile", self.baseurl, encode_path(& name.to_string()),
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
            operation_id: "node_reconcile",
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
    /**List workloads, by namespace and name

Sends a `GET` request to `/v1/workloads`

Arguments:
- `limit`: At most so many; 500 unless given, and never more than 1000.
- `namespace`: Only this namespace; all unless given.
- `page`: The page after the one that answered with this `next_page`.
- `selector`: Only those whose labels match, such as `app=web,zone in (a,b)`.*/
    pub async fn workload_list<'a>(
        &'a self,
        limit: Option<u32>,
        namespace: Option<&'a tessera_types::Name>,
        page: Option<&'a str>,
        selector: Option<&'a str>,
    ) -> Result<
        ResponseValue<tessera_types::api::List<tessera_types::Workload>>,
        Error<tessera_types::Problem>,
    > {
        let url = format!("{}/v1/workloads", self.baseurl,);
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
            .query(&progenitor_client::QueryParam::new("limit", &limit))
            .query(&progenitor_client::QueryParam::new("namespace", &namespace))
            .query(&progenitor_client::QueryParam::new("page", &page))
            .query(&progenitor_client::QueryParam::new("selector", &selector))
            .headers(header_map)
            .build()?;
        let info = OperationInfo {
            operation_id: "workload_list",
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
    /**Get a workload

Sends a `GET` request to `/v1/workloads/{name}`

Arguments:
- `name`: The resource's name.
- `namespace`: `default` unless given.*/
    pub async fn workload_get<'a>(
        &'a self,
        name: &'a tessera_types::Name,
        namespace: Option<&'a tessera_types::Name>,
    ) -> Result<
        ResponseValue<tessera_types::Object<tessera_types::Workload>>,
        Error<tessera_types::Problem>,
    > {
        let url = format!(
            "{}/v1/workloads/{}", self.baseurl, encode_path(& name.to_string()),
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
            .query(&progenitor_client::QueryParam::new("namespace", &namespace))
            .headers(header_map)
            .build()?;
        let info = OperationInfo {
            operation_id: "workload_get",
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
    /**Declare a workload: make it, or change it to be as declared

Sends a `PUT` request to `/v1/workloads/{name}`

Arguments:
- `name`: The resource's name.
- `dry_run`: Say what would come of it, and change nothing.
- `namespace`: Where it is; must not contradict the manifest.
- `idempotency_key`: Any text that is unique to the write, at most 128 bytes.
- `body`*/
    pub async fn workload_put<'a>(
        &'a self,
        name: &'a tessera_types::Name,
        dry_run: Option<bool>,
        namespace: Option<&'a tessera_types::Name>,
        idempotency_key: Option<&'a str>,
        body: &'a tessera_types::Manifest<tessera_types::Workload>,
    ) -> Result<
        ResponseValue<tessera_types::api::Applied<tessera_types::Workload>>,
        Error<tessera_types::Problem>,
    > {
        let url = format!(
            "{}/v1/workloads/{}", self.baseurl, encode_path(& name.to_string()),
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
            .put(url)
            .header(
                ::reqwest::header::ACCEPT,
                ::reqwest::header::HeaderValue::from_static("application/json"),
            )
            .json(&body)
            .query(&progenitor_client::QueryParam::new("dry_run", &dry_run))
            .query(&progenitor_client::QueryParam::new("namespace", &namespace))
            .headers(header_map)
            .build()?;
        let info = OperationInfo {
            operation_id: "workload_put",
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
    /**Ask for a workload's deletion. It disappears once its copy is stopped

Sends a `DELETE` request to `/v1/workloads/{name}`

Arguments:
- `name`: The resource's name.
- `id`: Only if the resource has this identity.
- `namespace`: `default` unless given.
- `revision`: Only if the resource is at this revision.*/
    pub async fn workload_delete<'a>(
        &'a self,
        name: &'a tessera_types::Name,
        id: Option<&'a tessera_types::Uid>,
        namespace: Option<&'a tessera_types::Name>,
        revision: Option<u64>,
    ) -> Result<
        ResponseValue<tessera_types::Object<tessera_types::Workload>>,
        Error<tessera_types::Problem>,
    > {
        let url = format!(
            "{}/v1/workloads/{}", self.baseurl, encode_path(& name.to_string()),
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
            .delete(url)
            .header(
                ::reqwest::header::ACCEPT,
                ::reqwest::header::HeaderValue::from_static("application/json"),
            )
            .query(&progenitor_client::QueryParam::new("id", &id))
            .query(&progenitor_client::QueryParam::new("namespace", &namespace))
            .query(&progenitor_client::QueryParam::new("revision", &revision))
            .headers(header_map)
            .build()?;
        let info = OperationInfo {
            operation_id: "workload_delete",
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
    /**The transitions of a workload, newest first; also of one that is gone

Sends a `GET` request to `/v1/workloads/{name}/history`

Arguments:
- `name`: The resource's name.
- `before_seq`: Only entries older than this one.
- `limit`: At most so many entries; 500 unless given, and never more than 1000.
- `namespace`: `default` unless given.*/
    pub async fn workload_history<'a>(
        &'a self,
        name: &'a tessera_types::Name,
        before_seq: Option<u64>,
        limit: Option<u32>,
        namespace: Option<&'a tessera_types::Name>,
    ) -> Result<
        ResponseValue<tessera_types::api::History>,
        Error<tessera_types::Problem>,
    > {
        let url = format!(
            "{}/v1/workloads/{}/history", self.baseurl, encode_path(& name.to_string()),
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
            .query(&progenitor_client::QueryParam::new("before_seq", &before_seq))
            .query(&progenitor_client::QueryParam::new("limit", &limit))
            .query(&progenitor_client::QueryParam::new("namespace", &namespace))
            .headers(header_map)
            .build()?;
        let info = OperationInfo {
            operation_id: "workload_history",
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
    /**Look at a workload now, whatever it waits for and however often writing it

has failed.

Sends a `POST` request to `/v1/workloads/{name}/reconcile`

Arguments:
- `name`: The resource's name.
- `namespace`: `default` unless given.*/
    pub async fn workload_reconcile<'a>(
        &'a self,
        name: &'a tessera_types::Name,
        namespace: Option<&'a tessera_types::Name>,
    ) -> Result<
        ResponseValue<tessera_types::Object<tessera_types::Workload>>,
        Error<tessera_types::Problem>,
    > {
        let url = format!(
            "{}/v1/workloads/{}/reconcile", self.baseurl, encode_path(& name
            .to_string()),
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
            .query(&progenitor_client::QueryParam::new("namespace", &namespace))
            .headers(header_map)
            .build()?;
        let info = OperationInfo {
            operation_id: "workload_reconcile",
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
}
/// Items consumers will typically use such as the Client.
pub mod prelude {
    #[allow(unused_imports)]
    pub use super::Client;
}
