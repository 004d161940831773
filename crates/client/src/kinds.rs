//! The calls that every kind has, generic over the kind: their paths follow from
//! its name, and what they carry are our own types.

use reqwest::{Method, RequestBuilder};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tessera_types::api::{Applied, History, List};
use tessera_types::{Kind, Manifest, Name, Object, ResourceKey, Revision, Uid};

use crate::Api;
use crate::error::{Error, of_response};

/// Which resources to list.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ListOptions {
    /// Only this namespace; all unless given.
    pub namespace: Option<Name>,
    /// Only those whose labels match.
    pub selector: Option<String>,
    /// Only what belongs to the resource of this identity, also through others.
    pub owner: Option<Uid>,
    /// At most so many on a page.
    pub limit: Option<u32>,
    /// The page after the one that answered with this `next_page`.
    pub page: Option<String>,
}

/// How to declare a resource.
#[derive(Clone, Debug, Default)]
pub struct PutOptions<'a> {
    /// Say what would come of it, and change nothing.
    pub dry_run: bool,
    /// The key under which the write is applied once.
    pub idempotency_key: Option<&'a str>,
}

/// What must hold of a resource that is deleted.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct DeleteOptions {
    /// It has this identity.
    pub id: Option<Uid>,
    /// It is at this revision.
    pub revision: Option<Revision>,
}

/// Which part of a history.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct HistoryOptions {
    /// At most so many entries.
    pub limit: Option<u32>,
    /// Only entries older than this one.
    pub before_seq: Option<u64>,
}

impl Api {
    /// A page of the resources of a kind, by namespace and name.
    ///
    /// # Errors
    /// [`Error`], by what went wrong.
    pub async fn list<K: Kind>(&self, options: &ListOptions) -> Result<List<K>, Error> {
        let url = format!("{}/v1/{}", self.url(), K::KIND.plural());
        send(self.request(Method::GET, &url).query(options)).await
    }

    /// A resource.
    ///
    /// # Errors
    /// [`Error`], by what went wrong.
    pub async fn get<K: Kind>(
        &self,
        name: &Name,
        namespace: Option<&Name>,
    ) -> Result<Object<K>, Error> {
        send(self.on::<K>(Method::GET, name, namespace, "")).await
    }

    /// Declares a resource.
    ///
    /// # Errors
    /// [`Error`], by what went wrong.
    pub async fn put<K: Kind>(
        &self,
        manifest: &Manifest<K>,
        options: &PutOptions<'_>,
    ) -> Result<Applied<K>, Error> {
        let namespace = manifest.namespace.as_ref();
        let mut request = self.on::<K>(Method::PUT, &manifest.name, namespace, "");
        if options.dry_run {
            request = request.query(&[("dry_run", "true")]);
        }
        if let Some(key) = options.idempotency_key {
            request = request.header("idempotency-key", key);
        }
        send(request.json(manifest)).await
    }

    /// Asks for a resource's deletion; says what it is now.
    ///
    /// # Errors
    /// [`Error`], by what went wrong.
    pub async fn delete<K: Kind>(
        &self,
        name: &Name,
        namespace: Option<&Name>,
        options: DeleteOptions,
    ) -> Result<Object<K>, Error> {
        send(self.on::<K>(Method::DELETE, name, namespace, "").query(&options)).await
    }

    /// A page of a resource's history, newest first; also of one that is gone.
    ///
    /// # Errors
    /// [`Error`], by what went wrong.
    pub async fn history(
        &self,
        key: &ResourceKey,
        options: HistoryOptions,
    ) -> Result<History, Error> {
        let url = format!("{}/v1/{}/{}/history", self.url(), key.kind.plural(), key.name);
        let request = self.request(Method::GET, &url).query(&options);
        send(in_namespace(request, key.namespace.as_ref())).await
    }

    /// Has a resource looked at now.
    ///
    /// # Errors
    /// [`Error`], by what went wrong.
    pub async fn reconcile<K: Kind>(
        &self,
        name: &Name,
        namespace: Option<&Name>,
    ) -> Result<Object<K>, Error> {
        send(self.on::<K>(Method::POST, name, namespace, "/reconcile")).await
    }

    fn on<K: Kind>(
        &self,
        method: Method,
        name: &Name,
        namespace: Option<&Name>,
        then: &str,
    ) -> RequestBuilder {
        let url = format!("{}/v1/{}/{}{then}", self.url(), K::KIND.plural(), name);
        in_namespace(self.request(method, &url), namespace)
    }
}

fn in_namespace(request: RequestBuilder, namespace: Option<&Name>) -> RequestBuilder {
    match namespace {
        Some(namespace) => request.query(&[("namespace", namespace)]),
        None => request,
    }
}

async fn send<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, Error> {
    let response = request.send().await.map_err(|error| Error::transport(&error))?;
    if !response.status().is_success() {
        return Err(of_response(response).await);
    }
    response.json().await.map_err(|error| Error::transport(&error))
}
