//! Errors as RFC 9457 problem documents, and the codes that programs may rely on.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::validate::Invalid;

/// What went wrong, stable for programs. `docs/reference/errors.md` has a
/// section for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The request could not be read: broken JSON, a missing or unknown field.
    InvalidRequest,
    /// The request was read, and breaks a rule of the resource.
    InvalidSpec,
    /// The body is larger than the limit.
    TooLarge,
    /// No such resource.
    NotFound,
    /// No such path or method.
    NoSuchRoute,
    /// The request is for another host than this one.
    WrongHost,
    /// A web page of another site asks for a change.
    CrossSite,
    /// The resource has changed since the revision that the request names.
    Conflict,
    /// The resource exists already.
    AlreadyExists,
    /// The resource is being deleted.
    BeingDeleted,
    /// No host has room for it in its window.
    DoesNotFit,
    /// The resource's state does not allow this now.
    NotNow,
    /// Events of this source are not let in.
    SourceNotAllowed,
    /// The idempotency key was used for another request.
    IdempotencyKeyReused,
    /// The revision to watch or list from has been compacted: list again.
    Compacted,
    /// Another live agent has this node's name.
    NodeNameTaken,
    /// Another agent with the same identity has registered since.
    Superseded,
    /// The agent must register first.
    NotRegistered,
    /// The node cannot answer just now.
    NodeUnavailable,
    /// The disk is full; the control plane goes on reading.
    StorageFull,
    /// The store cannot write.
    StorageFailed,
    /// The control plane is starting or stopping.
    Unavailable,
    /// Too many requests of this sort are under way.
    TooManyRequests,
    /// A bug or a failure that is not the caller's.
    Internal,
}

impl Code {
    /// Every code.
    pub const ALL: &'static [Self] = &[
        Self::InvalidRequest,
        Self::InvalidSpec,
        Self::TooLarge,
        Self::NotFound,
        Self::NoSuchRoute,
        Self::WrongHost,
        Self::CrossSite,
        Self::Conflict,
        Self::AlreadyExists,
        Self::BeingDeleted,
        Self::DoesNotFit,
        Self::NotNow,
        Self::SourceNotAllowed,
        Self::IdempotencyKeyReused,
        Self::Compacted,
        Self::NodeNameTaken,
        Self::Superseded,
        Self::NotRegistered,
        Self::NodeUnavailable,
        Self::StorageFull,
        Self::StorageFailed,
        Self::Unavailable,
        Self::TooManyRequests,
        Self::Internal,
    ];

    /// The code as it is written, such as `not_found`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidSpec => "invalid_spec",
            Self::TooLarge => "too_large",
            Self::NotFound => "not_found",
            Self::NoSuchRoute => "no_such_route",
            Self::WrongHost => "wrong_host",
            Self::CrossSite => "cross_site",
            Self::Conflict => "conflict",
            Self::AlreadyExists => "already_exists",
            Self::BeingDeleted => "being_deleted",
            Self::DoesNotFit => "does_not_fit",
            Self::NotNow => "not_now",
            Self::SourceNotAllowed => "source_not_allowed",
            Self::IdempotencyKeyReused => "idempotency_key_reused",
            Self::Compacted => "compacted",
            Self::NodeNameTaken => "node_name_taken",
            Self::Superseded => "superseded",
            Self::NotRegistered => "not_registered",
            Self::NodeUnavailable => "node_unavailable",
            Self::StorageFull => "storage_full",
            Self::StorageFailed => "storage_failed",
            Self::Unavailable => "unavailable",
            Self::TooManyRequests => "too_many_requests",
            Self::Internal => "internal",
        }
    }

    /// The HTTP status that goes with it.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidRequest => 400,
            Self::WrongHost => 421,
            Self::InvalidSpec | Self::IdempotencyKeyReused => 422,
            Self::CrossSite | Self::SourceNotAllowed => 403,
            Self::TooLarge => 413,
            Self::NotFound | Self::NoSuchRoute => 404,
            Self::Conflict
            | Self::AlreadyExists
            | Self::BeingDeleted
            | Self::DoesNotFit
            | Self::NotNow
            | Self::NodeNameTaken
            | Self::Superseded
            | Self::NotRegistered => 409,
            Self::Compacted => 410,
            Self::StorageFull => 507,
            Self::TooManyRequests => 429,
            Self::NodeUnavailable | Self::Unavailable => 503,
            Self::StorageFailed | Self::Internal => 500,
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::InvalidRequest => "The request could not be read",
            Self::InvalidSpec => "The resource breaks a rule",
            Self::TooLarge => "The request is too large",
            Self::NotFound => "No such resource",
            Self::NoSuchRoute => "No such path or method",
            Self::WrongHost => "The request is for another host",
            Self::CrossSite => "The request comes from another site",
            Self::Conflict => "The resource has changed meanwhile",
            Self::AlreadyExists => "The resource exists already",
            Self::BeingDeleted => "The resource is being deleted",
            Self::DoesNotFit => "No host has room for it",
            Self::NotNow => "Its state does not allow this now",
            Self::SourceNotAllowed => "Events of this source are not let in",
            Self::IdempotencyKeyReused => "The idempotency key was used for another request",
            Self::Compacted => "The revision is no longer kept",
            Self::NodeNameTaken => "Another agent has this node's name",
            Self::Superseded => "Another agent with this identity has registered",
            Self::NotRegistered => "The agent is not registered",
            Self::NodeUnavailable => "The node cannot answer",
            Self::StorageFull => "The disk is full",
            Self::StorageFailed => "The store cannot write",
            Self::Unavailable => "The control plane is not ready",
            Self::TooManyRequests => "Too many requests",
            Self::Internal => "Internal error",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An error as RFC 9457 has it (`application/problem+json`): what was wrong,
/// where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, thiserror::Error)]
#[error("{detail}")]
pub struct Problem {
    /// A URI reference that identifies the sort of problem.
    #[serde(rename = "type")]
    pub type_uri: String,
    /// The sort of problem in a few words.
    pub title: String,
    /// The HTTP status code.
    pub status: u16,
    /// The stable code.
    pub code: Code,
    /// What was wrong in this case.
    pub detail: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// The resource concerned, such as `workload/default/web`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Each broken rule with its place, for `invalid_spec`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub invalid: Vec<Invalid>,
    /// The id under which the server's log has the details: the client takes it
    /// from the header `x-request-id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Further facts, such as the revision that was found.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, String>,
}

impl Problem {
    /// A problem of the sort `code`.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            type_uri: format!("/problems/{code}"),
            title: code.title().to_owned(),
            status: code.status(),
            code,
            detail: detail.into(),
            remedy: None,
            instance: None,
            invalid: Vec::new(),
            request_id: None,
            facts: BTreeMap::new(),
        }
    }

    /// Says what to do about it.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Names the resource concerned.
    #[must_use]
    pub fn instance(mut self, instance: impl fmt::Display) -> Self {
        self.instance = Some(instance.to_string());
        self
    }

    /// Adds a fact.
    #[must_use]
    pub fn fact(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.facts.insert(name.to_owned(), value.to_string());
        self
    }

    /// The problem of a resource that breaks rules.
    #[must_use]
    pub fn invalid(instance: impl fmt::Display, invalid: Vec<Invalid>) -> Self {
        let detail = match invalid.as_slice() {
            [one] => one.to_string(),
            [first, ..] => format!("{first} (and {} more)", invalid.len() - 1),
            [] => "the resource breaks a rule".to_owned(),
        };
        Self { invalid, ..Self::new(Code::InvalidSpec, detail).instance(instance) }
    }

    /// A failure that is not the caller's. What is told is no detail of it: that
    /// goes to the log.
    #[must_use]
    pub fn internal(detail: &str) -> Self {
        Self::new(Code::Internal, detail)
    }

    /// The problem of a resource that is not there.
    #[must_use]
    pub fn not_found(instance: impl fmt::Display) -> Self {
        Self::new(Code::NotFound, format!("there is no {instance}")).instance(instance)
    }
}
