//! The client's side: asks the service that has the data directory.
//!
//! Every request opens a connection of its own and begins with `GET /v1`. That is answered at once by a service
//! that works, so that a client finds out within [`RESPONSE_TIMEOUT`] about one that hangs, and tells which version
//! answers.

use std::fmt::Display;
use std::future::poll_fn;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::{CONNECTION, HOST, TE};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use chrono_tz::Tz;
use hyper::body::{Body as _, Frame, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use store::event::Offset;
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};
use url::form_urlencoded;

use super::{HEAD_LIMIT, socket};
use crate::api::check::{CheckLine, CheckResult};
use crate::api::export::Selection;
use crate::api::lookup::Answer;
use crate::api::{About, ErrorBody, ExportOutcome, OUTCOME};
use crate::status::OwnershipState;

/// How long a service may take to answer where that takes no work.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest path with its query, in bytes. The rest of the head needs less than 1 KiB.
const PATH_LIMIT: usize = HEAD_LIMIT - 1024;

/// The longest answer that is not streamed, in bytes.
const ANSWER_LIMIT: usize = 16 << 20;

/// Why the service has not answered.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No service listens.
    #[error("no service answers there")]
    NotRunning,
    /// The socket belongs to another user.
    #[error("the service that runs there answers only its own user and root")]
    NotPermitted,
    /// The service accepts the connection and sends nothing.
    #[error(
        "the service did not answer within {} s: it may be suspended, or waiting for a disk that does not answer",
        RESPONSE_TIMEOUT.as_secs()
    )]
    TimedOut,
    /// The service has another version.
    #[error("this is probewatch {}, and the service that runs is probewatch {service}", env!("CARGO_PKG_VERSION"))]
    OtherVersion {
        /// The service's version.
        service: String,
    },
    /// The service does not support HTTP.
    #[error(
        "this is probewatch {}, and the service that runs is an older one, which does not support HTTP",
        env!("CARGO_PKG_VERSION")
    )]
    TooOld,
    /// The service answers too many others.
    #[error("{}", .0.error)]
    Busy(ErrorBody),
    /// The service says why not.
    #[error("{}", .0.error)]
    Refused(ErrorBody),
    /// The request is longer than the service reads.
    #[error("this exceeds the limit of {} KiB", HEAD_LIMIT >> 10)]
    TooLong,
    /// The service closed the connection before it answered.
    #[error("the service closed the connection without an answer")]
    Closed,
    /// The response ended early.
    #[error("the response ended early: {0}")]
    Aborted(io::Error),
    /// This process could not ask.
    #[error("could not ask the service: {0}")]
    System(io::Error),
}

impl ClientError {
    /// What to do about it.
    pub fn remedy(&self) -> Option<&str> {
        match self {
            Self::NotPermitted => Some("run this command with sudo"),
            Self::TimedOut => Some("check its log, and restart it"),
            Self::OtherVersion { .. } | Self::TooOld => Some("restart the service so that both are the same"),
            Self::Busy(body) | Self::Refused(body) => body.remedy.as_deref(),
            Self::TooLong => Some("ask for less at a time"),
            Self::Closed => Some("it is stopping, or answers too many others: try again in a moment"),
            Self::Aborted(_) => Some("the service's log may say why"),
            Self::NotRunning | Self::System(_) => None,
        }
    }
}

impl From<hyper::Error> for ClientError {
    fn from(error: hyper::Error) -> Self {
        if error.is_parse() { Self::TooOld } else { Self::Aborted(io::Error::other(error)) }
    }
}

/// Shows a person what is no output.
pub trait Screen {
    /// Something is wrong.
    fn warn(&mut self, warning: &dyn Display);
    /// The command has processed the events up to `at`, of `end`.
    fn progress(&mut self, at: Offset, end: Offset);
}

/// Asks the service in a data directory. Not for async code.
#[derive(Debug)]
pub struct Client {
    data_dir: PathBuf,
    zone: Tz,
    runtime: Runtime,
}

impl Client {
    /// A client of the service that listens in `data_dir`, once that has answered. It is to show times in `zone`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn connect(data_dir: &Path, zone: Tz) -> Result<Self, ClientError> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(ClientError::System)?;
        let client = Self { data_dir: data_dir.to_owned(), zone, runtime };
        client.runtime.block_on(client.open(Reuse::Close))?;
        Ok(client)
    }

    /// Looks one device up.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn look_up(&self, query: &str, json: bool) -> Result<Answer, ClientError> {
        let path = self.path("lookup", &[("q", query), ("format", format(json))]);
        self.runtime.block_on(in_time(async {
            let response = self.send(Method::GET, &path, String::new()).await?;
            // What is not found is an answer, too.
            let is_found = response.status() != StatusCode::NOT_FOUND;
            let response = if is_found { succeeded(response).await? } else { response };
            let text = String::from_utf8_lossy(&read_body(response).await?).into_owned();
            Ok(Answer { is_found, text })
        }))
    }

    /// The status of everything, as a JSON object or a text.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn status(&self, json: bool) -> Result<Vec<u8>, ClientError> {
        self.get(&self.path("status", &[("format", format(json))]))
    }

    /// The status of everything, as a value.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn status_value<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        parse(&self.status(true)?)
    }

    /// Whether the service records and captures.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn is_healthy(&self) -> Result<bool, ClientError> {
        let asked = in_time(self.send(Method::GET, "/v1/health", String::new()));
        Ok(self.runtime.block_on(asked)?.status().is_success())
    }

    /// What Telegram says of the bot now; `None` if there is no bot.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn bot_status<T: DeserializeOwned>(&self) -> Result<Option<T>, ClientError> {
        parse(&self.get("/v1/bot")?)
    }

    /// Whether the bot has an owner, and otherwise the link for the first one.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn ownership(&self) -> Result<OwnershipState, ClientError> {
        parse(&self.get("/v1/ownership")?)
    }

    /// The reply to one message of the person at the terminal. It may take as long as the command takes.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn chat(&self, message: &str) -> Result<String, ClientError> {
        let path = self.path("chat", &[]);
        self.runtime.block_on(async {
            let response = self.send(Method::POST, &path, message.to_owned()).await?;
            let reply = read_body(succeeded(response).await?).await?;
            Ok(String::from_utf8_lossy(&reply).into_owned())
        })
    }

    /// Asks for an export, and waits until there is something to write.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn export(
        &self,
        selection: &Selection,
        screen: &mut dyn Screen,
    ) -> Result<Download<'_>, ClientError> {
        let path = selection.to_path();
        let asked = self.start_copy(&path, selection.copies_state(), screen);
        Ok(Download { client: self, chunks: self.runtime.block_on(asked)? })
    }

    /// Compares the state with the log.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn check(&self, screen: &mut dyn Screen) -> Result<CheckResult, ClientError> {
        self.runtime.block_on(async {
            let mut chunks = self.start_copy("/v1/check", true, screen).await?;
            let mut waiting = Vec::new();
            while let Some(chunk) = chunks.next().await? {
                waiting.extend_from_slice(&chunk);
                while let Some(end) = waiting.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = waiting.drain(..=end).collect();
                    match parse(&line)? {
                        CheckLine::Progress { at, end } => screen.progress(Offset(at), Offset(end)),
                        CheckLine::Result(result) => return Ok(result),
                        CheckLine::Failed(body) => return Err(ClientError::Refused(body)),
                    }
                }
                if waiting.len() > ANSWER_LIMIT {
                    break;
                }
            }
            Err(ClientError::Aborted(io::ErrorKind::UnexpectedEof.into()))
        })
    }

    fn path(&self, endpoint: &str, parameters: &[(&str, &str)]) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(parameters).append_pair("zone", self.zone.name());
        format!("/v1/{endpoint}?{}", query.finish())
    }

    /// The body of an answer that takes the service no time.
    fn get(&self, path: &str) -> Result<Vec<u8>, ClientError> {
        self.runtime.block_on(in_time(async {
            let response = self.send(Method::GET, path, String::new()).await?;
            read_body(succeeded(response).await?).await
        }))
    }

    /// The answer to a request that may start with a copy of the state, for which it may have to wait.
    async fn start_copy(
        &self,
        path: &str,
        copies_state: bool,
        screen: &mut dyn Screen,
    ) -> Result<Chunks, ClientError> {
        let (mut connection, about) = self.open(Reuse::KeepAlive).await?;
        if copies_state && about.copying {
            screen.warn(&"another export or check is running; this one starts when it has ended");
        }
        Ok(Chunks::new(
            succeeded(connection.send(Method::GET, path, String::new(), Reuse::Close).await?).await?,
        ))
    }

    async fn send(&self, method: Method, path: &str, body: String) -> Result<Response, ClientError> {
        let (mut connection, _) = self.open(Reuse::KeepAlive).await?;
        connection.send(method, path, body, Reuse::Close).await
    }

    /// A connection on which the service has said that it is of the same version.
    async fn open(&self, reuse: Reuse) -> Result<(Connection, About), ClientError> {
        in_time(async {
            let mut connection = Connection::open(&self.data_dir).await?;
            let response = connection.send(Method::GET, "/v1", String::new(), reuse).await?;
            let about: About = parse(&read_body(succeeded(response).await?).await?)?;
            if about.version == env!("CARGO_PKG_VERSION") {
                Ok((connection, about))
            } else {
                Err(ClientError::OtherVersion { service: about.version })
            }
        })
        .await
    }
}

/// An export whose first bytes have arrived.
pub struct Download<'a> {
    client: &'a Client,
    chunks: Chunks,
}

impl Download<'_> {
    /// Writes it to `out`; returns how it went.
    ///
    /// # Errors
    /// What writing gives. If the service breaks off, an error of another kind with a [`ClientError`].
    pub fn write(mut self, out: &mut dyn Write) -> io::Result<ExportOutcome> {
        self.client.runtime.block_on(async {
            while let Some(chunk) = self.chunks.next().await.map_err(io::Error::other)? {
                out.write_all(&chunk)?;
            }
            Ok(self.chunks.outcome())
        })
    }
}

type Response = axum::http::Response<Incoming>;

/// Whether another request follows on a connection. If none does, the service closes it: a chat has no connection
/// while a person types.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reuse {
    KeepAlive,
    Close,
}

/// A connection for one request after another.
struct Connection {
    sender: SendRequest<Body>,
}

impl Connection {
    async fn open(data_dir: &Path) -> Result<Self, ClientError> {
        let stream = socket::connect(data_dir).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::ConnectionRefused => {
                ClientError::NotRunning
            }
            io::ErrorKind::PermissionDenied => ClientError::NotPermitted,
            _ => ClientError::System(error),
        })?;
        stream.set_nonblocking(true).map_err(ClientError::System)?;
        let stream = UnixStream::from_std(stream).map_err(ClientError::System)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // Whatever ends the connection also ends the request, which says why.
        tokio::spawn(async { drop(connection.await) });
        Ok(Self { sender })
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: String,
        reuse: Reuse,
    ) -> Result<Response, ClientError> {
        if path.len() > PATH_LIMIT {
            return Err(ClientError::TooLong);
        }
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "localhost")
            .header(TE, "trailers")
            .header(CONNECTION, if reuse == Reuse::Close { "close" } else { "keep-alive" })
            .body(Body::from(body))
            .map_err(|error| ClientError::System(io::Error::other(error)))?;
        let sent = async {
            self.sender.ready().await?;
            self.sender.send_request(request).await
        };
        sent.await.map_err(|error: hyper::Error| match error.is_parse() {
            true => ClientError::TooOld,
            // There is no part of a response yet.
            false => ClientError::Closed,
        })
    }
}

/// The body of an answer, a chunk at a time.
struct Chunks {
    body: Incoming,
    trailers: HeaderMap,
}

impl Chunks {
    fn new(response: Response) -> Self {
        Self { body: response.into_body(), trailers: HeaderMap::new() }
    }

    /// The next chunk; `None` once the body is whole.
    async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        loop {
            let frame = poll_fn(|context| Pin::new(&mut self.body).poll_frame(context)).await;
            match frame.transpose()?.map(Frame::into_data) {
                None => return Ok(None),
                Some(Ok(data)) => return Ok(Some(data)),
                Some(Err(other)) => self.trailers.extend(other.into_trailers().unwrap_or_default()),
            }
        }
    }

    /// How the export went, which the trailer of a whole body says.
    fn outcome(&self) -> ExportOutcome {
        let trailer = self.trailers.get(OUTCOME);
        trailer.and_then(|outcome| serde_json::from_slice(outcome.as_bytes()).ok()).unwrap_or_default()
    }
}

/// The whole body of an answer.
async fn read_body(response: Response) -> Result<Vec<u8>, ClientError> {
    let mut chunks = Chunks::new(response);
    let mut body = Vec::new();
    while let Some(chunk) = chunks.next().await? {
        body.extend_from_slice(&chunk);
        if body.len() > ANSWER_LIMIT {
            return Err(ClientError::Aborted(io::Error::new(io::ErrorKind::InvalidData, "it is too long")));
        }
    }
    Ok(body)
}

/// The answer, if it is none of an error.
async fn succeeded(response: Response) -> Result<Response, ClientError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let body = read_body(response).await?;
    let body = serde_json::from_slice(&body)
        .unwrap_or_else(|_| ErrorBody { error: format!("the service answers {status}"), remedy: None });
    Err(match status {
        StatusCode::SERVICE_UNAVAILABLE => ClientError::Busy(body),
        // It has no `Origin` header, so it is of another user.
        StatusCode::FORBIDDEN => ClientError::NotPermitted,
        _ => ClientError::Refused(body),
    })
}

fn format(json: bool) -> &'static str {
    if json { "json" } else { "text" }
}

fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T, ClientError> {
    serde_json::from_slice(json).map_err(|error| ClientError::Aborted(error.into()))
}

async fn in_time<T>(work: impl Future<Output = Result<T, ClientError>>) -> Result<T, ClientError> {
    tokio::time::timeout(RESPONSE_TIMEOUT, work).await.unwrap_or(Err(ClientError::TimedOut))
}
