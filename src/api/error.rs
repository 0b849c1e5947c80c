//! Why a request has no answer: a status code, and a JSON object with the error and its remedy.

use std::borrow::Cow;
use std::fmt::Display;

use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

/// The body of every error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// What is wrong.
    pub error: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// Why a request has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct ApiError {
    status: StatusCode,
    error: String,
    remedy: Option<Cow<'static, str>>,
}

impl ApiError {
    fn new(status: StatusCode, error: impl Display, remedy: Option<&'static str>) -> Self {
        Self { status, error: error.to_string(), remedy: remedy.map(Cow::Borrowed) }
    }

    /// 400: the request is wrong.
    pub fn bad_request(error: impl Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error, Some("docs/control-api.md lists the parameters"))
    }

    /// 403: a browser asks on behalf of a web page.
    pub fn forbidden_origin() -> Self {
        let error = "requests of web pages (with an Origin header) are not answered here";
        Self::new(StatusCode::FORBIDDEN, error, Some("ask without an Origin header, as curl does"))
    }

    /// 403: the client runs as another user than the service, and not as root.
    pub fn other_user() -> Self {
        let error = "the service answers only its own user and root";
        Self::new(StatusCode::FORBIDDEN, error, Some("run this command with sudo"))
    }

    /// 404: what is asked for does not exist.
    pub fn not_found(error: impl Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, error, Some("docs/control-api.md lists the paths"))
    }

    /// 404: no device has this name or address, or several have.
    pub fn no_such_device(error: impl Display, remedy: Option<&'static str>) -> Self {
        Self::new(StatusCode::NOT_FOUND, error, remedy)
    }

    /// 405: the path exists, and takes another method.
    pub fn method_not_allowed() -> Self {
        let error = "this path does not take this method";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, error, Some("use a method of the Allow header"))
    }

    /// 408: the request did not arrive in time.
    pub fn too_slow() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "the request did not arrive in time", None)
    }

    /// 413: the request is too long.
    pub fn too_long(limit: usize) -> Self {
        let error = format!("this exceeds the limit of {} KiB", limit >> 10);
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, error, Some("send less at a time"))
    }

    /// 421: the request is for another host.
    pub fn misdirected() -> Self {
        let error = "this socket answers for localhost only";
        Self::new(StatusCode::MISDIRECTED_REQUEST, error, Some("ask for http://localhost/v1/…"))
    }

    /// 503: too many others are being answered.
    pub fn busy(error: impl Display) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error, Some("try again when one of them has ended"))
    }

    /// 503: the service runs, and does not do what it is for.
    pub fn unhealthy(problems: &[String]) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, problems.join("; "), Some("see GET /v1/status"))
    }

    /// 500: something failed here.
    pub fn failed(error: impl Display) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, error, None)
    }

    /// The same error with this remedy.
    #[must_use]
    pub fn with_remedy(self, remedy: Option<&'static str>) -> Self {
        Self { remedy: remedy.map(Cow::Borrowed), ..self }
    }

    /// 500: a part of the service ended unexpectedly.
    pub fn bug() -> Self {
        Self::failed("the request ended unexpectedly; this is a bug")
    }

    /// What to do about it.
    pub fn remedy(&self) -> Option<&str> {
        self.remedy.as_deref()
    }

    /// The status code.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The object that the client gets.
    pub fn body(&self) -> ErrorBody {
        ErrorBody { error: self.error.clone(), remedy: self.remedy.clone().map(Cow::into_owned) }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut body = serde_json::to_vec(&self.body()).unwrap_or_default();
        body.push(b'\n');
        let mut response = (self.status, [(CONTENT_TYPE, super::body::JSON)], body).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, axum::http::HeaderValue::from_static("1"));
        }
        response
    }
}
