//! An answer that may be begun before it is known.

use dropshot::{ApiEndpointResponse, Body as HttpBody, HttpError, HttpResponse, HttpResponseOk};
use http::{Response, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;

/// An answer that is there, or whose body comes later: its head is sent at once, and all
/// that the request took is let go of while it waits. In the document it is the same. Who
/// gives a body has to write a whole `T` as JSON, or to break it off.
#[derive(Debug)]
pub enum Later<T> {
    /// It is there.
    Now(T),
    /// Its body comes later.
    Body(HttpBody),
}

impl<T: JsonSchema + Serialize + Send + Sync + 'static> HttpResponse for Later<T> {
    fn to_result(self) -> Result<Response<HttpBody>, HttpError> {
        match self {
            Self::Now(answer) => HttpResponseOk(answer).to_result(),
            Self::Body(body) => Response::builder()
                .status(StatusCode::OK)
                .header(http::header::CONTENT_TYPE, "application/json")
                .body(body)
                .map_err(|error| HttpError::for_internal_error(error.to_string())),
        }
    }

    fn response_metadata() -> ApiEndpointResponse {
        HttpResponseOk::<T>::response_metadata()
    }

    fn status_code(&self) -> StatusCode {
        StatusCode::OK
    }
}
