//! The operations that every kind has. They are the same for all, so they are
//! written once, generic over the kind, and registered for each kind of the
//! registry: a new kind has them all without a line here.

use std::future::Future;

use dropshot::{
    ApiDescription, ApiDescriptionRegisterError, ApiEndpoint, ApiEndpointVersions, Header,
    HttpResponseAccepted, HttpResponseOk, Path, Query, RequestContext, ServerContext, TypedBody,
};
use http::Method;
use tessera_types::api::{Applied, Body, History, List};
use tessera_types::{Kind, KindName, Manifest, Object, with_kind};

use crate::error::ApiError;
use crate::params::{
    ApplyQuery, DeleteQuery, HistoryQuery, IdempotencyHeader, ListQuery, NamePath, NamespaceQuery,
};

/// The answer of an operation.
pub type Answer<T> = Result<HttpResponseOk<T>, ApiError>;
/// The answer of an operation that takes time.
pub type AcceptedAnswer<T> = Result<HttpResponseAccepted<T>, ApiError>;

/// The operations that every kind has.
pub trait KindApi: 'static {
    /// What the handlers share.
    type Context: ServerContext;

    /// Lists resources, by namespace and name.
    fn list<K: Kind>(
        ctx: RequestContext<Self::Context>,
        query: Query<ListQuery>,
    ) -> impl Future<Output = Answer<List<K>>> + Send;

    /// Gets a resource.
    fn get<K: Kind>(
        ctx: RequestContext<Self::Context>,
        path: Path<NamePath>,
        query: Query<NamespaceQuery>,
    ) -> impl Future<Output = Answer<Object<K>>> + Send;

    /// Declares a resource: makes it, or changes it to be as declared.
    fn put<K: Kind>(
        ctx: RequestContext<Self::Context>,
        path: Path<NamePath>,
        query: Query<ApplyQuery>,
        header: Header<IdempotencyHeader>,
        body: TypedBody<Body<Manifest<K>>>,
    ) -> impl Future<Output = Answer<Applied<K>>> + Send;

    /// Asks for a resource's deletion.
    fn delete<K: Kind>(
        ctx: RequestContext<Self::Context>,
        path: Path<NamePath>,
        query: Query<DeleteQuery>,
    ) -> impl Future<Output = AcceptedAnswer<Object<K>>> + Send;

    /// The transitions of a resource, newest first.
    fn history<K: Kind>(
        ctx: RequestContext<Self::Context>,
        path: Path<NamePath>,
        query: Query<HistoryQuery>,
    ) -> impl Future<Output = Answer<History>> + Send;

    /// Has a resource looked at now.
    fn reconcile<K: Kind>(
        ctx: RequestContext<Self::Context>,
        path: Path<NamePath>,
        query: Query<NamespaceQuery>,
    ) -> impl Future<Output = AcceptedAnswer<Object<K>>> + Send;
}

/// Adds the operations of every kind to `api`.
///
/// # Errors
/// When an operation is in `api` already.
pub fn register_kinds<A: KindApi>(
    api: &mut ApiDescription<A::Context>,
) -> Result<(), ApiDescriptionRegisterError> {
    for kind in KindName::ALL {
        with_kind!(kind, K => register::<A, K>(api)?);
    }
    Ok(())
}

fn register<A: KindApi, K: Kind>(
    api: &mut ApiDescription<A::Context>,
) -> Result<(), ApiDescriptionRegisterError> {
    const JSON: &str = "application/json";
    let all = || ApiEndpointVersions::All;
    let (one, many) = (K::KIND.singular(), K::KIND.plural());
    let id = |verb: &str| format!("{one}_{verb}");
    let (list, item) = (format!("/v1/{many}"), format!("/v1/{many}/{{name}}"));
    let (history, reconcile) = (format!("{item}/history"), format!("{item}/reconcile"));
    let endpoints = [
        ApiEndpoint::new(id("list"), A::list::<K>, Method::GET, JSON, &list, all())
            .summary(format!("List {many}, by namespace and name.")),
        ApiEndpoint::new(id("get"), A::get::<K>, Method::GET, JSON, &item, all())
            .summary(format!("Get a {one}.")),
        ApiEndpoint::new(id("put"), A::put::<K>, Method::PUT, JSON, &item, all())
            .summary(format!("Declare a {one}: make it, or change it to be as declared.")),
        ApiEndpoint::new(id("delete"), A::delete::<K>, Method::DELETE, JSON, &item, all())
            .summary(format!("Ask for a {one}'s deletion."))
            .description("It disappears once all that it has is gone."),
        ApiEndpoint::new(id("history"), A::history::<K>, Method::GET, JSON, &history, all())
            .summary(format!("The transitions of a {one}, newest first."))
            .description("Also of one that is gone."),
        ApiEndpoint::new(id("reconcile"), A::reconcile::<K>, Method::POST, JSON, &reconcile, all())
            .summary(format!("Look at a {one} now."))
            .description("The pauses after failures end."),
    ];
    endpoints.into_iter().try_for_each(|endpoint| api.register(endpoint.tag(many)))
}

/// For the document alone: nothing is ever called.
pub(crate) enum Undefined {}

/// What an operation of [`Undefined`] answers, if it could be called.
fn undefined<T>() -> Result<T, ApiError> {
    Err(tessera_types::Problem::internal("only the document is served here").into())
}

impl KindApi for Undefined {
    type Context = dropshot::StubContext;

    async fn list<K: Kind>(
        _: RequestContext<Self::Context>,
        _: Query<ListQuery>,
    ) -> Answer<List<K>> {
        undefined()
    }

    async fn get<K: Kind>(
        _: RequestContext<Self::Context>,
        _: Path<NamePath>,
        _: Query<NamespaceQuery>,
    ) -> Answer<Object<K>> {
        undefined()
    }

    async fn put<K: Kind>(
        _: RequestContext<Self::Context>,
        _: Path<NamePath>,
        _: Query<ApplyQuery>,
        _: Header<IdempotencyHeader>,
        _: TypedBody<Body<Manifest<K>>>,
    ) -> Answer<Applied<K>> {
        undefined()
    }

    async fn delete<K: Kind>(
        _: RequestContext<Self::Context>,
        _: Path<NamePath>,
        _: Query<DeleteQuery>,
    ) -> AcceptedAnswer<Object<K>> {
        undefined()
    }

    async fn history<K: Kind>(
        _: RequestContext<Self::Context>,
        _: Path<NamePath>,
        _: Query<HistoryQuery>,
    ) -> Answer<History> {
        undefined()
    }

    async fn reconcile<K: Kind>(
        _: RequestContext<Self::Context>,
        _: Path<NamePath>,
        _: Query<NamespaceQuery>,
    ) -> AcceptedAnswer<Object<K>> {
        undefined()
    }
}
