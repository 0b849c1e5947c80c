//! The listener and the connections: reads calls, applies the scripted faults, and writes answers.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufReader, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use serde_json::{Map, Value, json};

use super::methods::{self, Reply};
use super::schema::{schema, value_from_text};
use super::{Call, DEADLINE, Fault, Outcome, Shared, TOKEN, UploadedFile, limits, published, version};
use crate::support::http::{self, Request};

/// A port that stays reserved while the server is down: one socket is bound and never listens, and a second one
/// (SO_REUSEPORT) listens while the server is up.
pub struct Listener {
    shared: Arc<Shared>,
    address: SocketAddr,
    _reserved: OwnedFd,
    open: Option<Open>,
}

struct Open {
    listener: Arc<TcpListener>,
    connections: Connections,
    acceptor: JoinHandle<()>,
}

/// Every connection with its thread, to cut and join them when the server closes.
type Connections = Arc<Mutex<Vec<(TcpStream, JoinHandle<()>)>>>;

impl Listener {
    pub fn start(shared: Arc<Shared>) -> io::Result<Self> {
        let reserved = bound_socket(0)?;
        let socket = TcpListener::from(reserved);
        let address = socket.local_addr()?;
        let mut listener = Self { shared, address, _reserved: socket.into(), open: None };
        listener.open()?;
        Ok(listener)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Listens, unless it already does.
    pub fn open(&mut self) -> io::Result<()> {
        if self.open.is_some() {
            return Ok(());
        }
        let socket = bound_socket(self.address.port())?;
        // SAFETY: the descriptor is an open socket.
        if unsafe { libc::listen(socket.as_raw_fd(), 128) } != 0 {
            return Err(io::Error::last_os_error());
        }
        let listener = Arc::new(TcpListener::from(socket));
        let connections = Connections::default();
        let acceptor = {
            let (listener, connections) = (Arc::clone(&listener), Arc::clone(&connections));
            let shared = Arc::clone(&self.shared);
            thread::spawn(move || accept(&listener, &shared, &connections))
        };
        self.open = Some(Open { listener, connections, acceptor });
        Ok(())
    }

    /// Refuses new connections and cuts the open ones. A request that has taken effect is still answered
    /// (`Fault::AcceptThenClose` is the fault that does not). The state must already say `down`, so that waiting
    /// requests end.
    pub fn close(&mut self) {
        let Some(Open { listener, connections, acceptor }) = self.open.take() else { return };
        // SAFETY: the descriptor is an open socket; shutting it down wakes the thread in accept.
        unsafe { libc::shutdown(listener.as_raw_fd(), libc::SHUT_RDWR) };
        let _ = acceptor.join();
        for (stream, thread) in connections.lock().expect("no panic holds this").drain(..) {
            let _ = stream.shutdown(Shutdown::Read);
            let _ = thread.join();
        }
    }
}

/// A TCP socket bound to this port of 127.0.0.1 (0: any), which other sockets of this user may share.
fn bound_socket(port: u16) -> io::Result<OwnedFd> {
    let check = |result: i32| if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) };
    // SAFETY: plain system calls; every pointer is to a local of the size that is passed along.
    unsafe {
        let socket = check(libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0))?;
        let socket = OwnedFd::from_raw_fd(socket);
        let one: libc::c_int = 1;
        for option in [libc::SO_REUSEADDR, libc::SO_REUSEPORT] {
            let size = size_of_val(&one) as libc::socklen_t;
            let value = (&raw const one).cast();
            check(libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, value, size))?;
        }
        let mut address: libc::sockaddr_in = std::mem::zeroed();
        address.sin_family = libc::AF_INET as libc::sa_family_t;
        address.sin_port = port.to_be();
        address.sin_addr.s_addr = u32::from(Ipv4Addr::LOCALHOST).to_be();
        let size = size_of_val(&address) as libc::socklen_t;
        check(libc::bind(socket.as_raw_fd(), (&raw const address).cast(), size))?;
        Ok(socket)
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>, connections: &Connections) {
    while let Ok((stream, _)) = listener.accept() {
        let Ok(kept) = stream.try_clone() else { continue };
        let shared = Arc::clone(shared);
        let thread = thread::spawn(move || serve(stream, &shared));
        let mut connections = connections.lock().expect("no panic holds this");
        connections.retain(|(_, thread)| !thread.is_finished());
        connections.push((kept, thread));
    }
}

/// Serves one connection until either side closes it.
fn serve(stream: TcpStream, shared: &Shared) {
    let _ = stream.set_nodelay(true);
    let mut stream = BufReader::new(stream);
    while let Ok(Some(request)) = Request::read(&mut stream) {
        if shared.lock().down {
            break;
        }
        let Some(response) = answer(shared, &request) else { break };
        if response.write(stream.get_mut()).is_err() {
            break;
        }
    }
    let _ = stream.get_ref().shutdown(Shutdown::Both);
}

/// A response as it goes over the connection.
enum Response {
    /// The status and the body.
    Json(u16, String),
    /// The status and the new address.
    Redirect(u16, String),
    /// The beginning of a result, and then more of it until the client closes.
    Endless,
}

impl Response {
    fn write(&self, stream: &mut TcpStream) -> io::Result<()> {
        match self {
            Self::Json(status, body) => http::write_json(stream, *status, body),
            Self::Redirect(status, location) => {
                let head =
                    format!("HTTP/1.1 {status} Status\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(head.as_bytes())
            }
            Self::Endless => {
                stream.write_all(
                    b"HTTP/1.1 200 Status\r\ncontent-type: application/json\r\n\r\n{\"ok\":true,\"result\":\"",
                )?;
                loop {
                    stream.write_all(&[b'a'; 64 << 10])?;
                }
            }
        }
    }
}

/// The response to a request; `None` cuts the connection.
fn answer(shared: &Shared, request: &Request) -> Option<Response> {
    // The time of arrival, before this server's own work, which is slow with large files.
    let at = Instant::now();
    let not_found = || Some(Response::Json(404, Reply::error(404, "Not Found").to_json()));
    let Some((token, name)) = request.path.strip_prefix("/bot").and_then(|rest| rest.split_once('/')) else {
        shared.lock().violations.push(format!("no API path: {} {}", request.method, request.path));
        return not_found();
    };
    let method = schema().method_name(name).unwrap_or(name).to_owned();
    let (params, files) = match read_params(&method, request) {
        Ok(read) => read,
        Err(error) => {
            shared.lock().violations.push(format!("{method}: unreadable body: {error}"));
            return Some(Response::Json(
                400,
                Reply::error(400, "Bad Request: can't parse the body").to_json(),
            ));
        }
    };
    let mut call = Call { method, params, files, at, outcome: Outcome::Accepted, message_id: None };
    if http::percent_decode(token) != TOKEN {
        call.outcome = Outcome::Refused(401);
        record(shared, call);
        return Some(Response::Json(401, Reply::error(401, "Unauthorized").to_json()));
    }
    let violations = violations(&call);
    if let Some(first) = violations.first() {
        let reply = if schema().method_name(&call.method).is_some() {
            Reply::error(400, &format!("Bad Request: {first}"))
        } else {
            Reply::error(404, "Not Found")
        };
        call.outcome = Outcome::Refused(reply.status());
        shared.lock().violations.extend(violations);
        record(shared, call);
        return Some(Response::Json(reply.status(), reply.to_json()));
    }
    if let Some(fault) = next_fault(shared, &call) {
        return answer_fault(shared, call, fault);
    }
    let reply = carry_out(shared, call)?;
    Some(Response::Json(reply.status(), reply.to_json()))
}

/// Carries out a valid call and records it in one step, so that a test sees both or neither. A long poll is recorded
/// on arrival, not when it is answered.
fn carry_out(shared: &Shared, mut call: Call) -> Option<Reply> {
    let mut state = shared.lock();
    if call.method.eq_ignore_ascii_case("getUpdates") {
        let index = state.calls.len();
        state.calls.push(call.clone());
        let reply = methods::get_updates(shared, state, &call)?;
        if let Reply::Refused { status, .. } = reply {
            shared.lock().calls[index].outcome = Outcome::Refused(status);
        }
        return Some(reply);
    }
    let understood = version::understand(state.version, &call.method, &call.params);
    // Once for each request, however many buttons have it.
    for unknown in understood.unknown.into_iter().collect::<BTreeSet<_>>() {
        *state.unknown.entry(unknown).or_default() += 1;
    }
    let reply = match understood.refusal {
        Some(refusal) => refusal,
        None => {
            call.params = understood.params;
            methods::answer(&mut state, &call)
        }
    };
    if let (Outcome::Accepted, Reply::Refused { status, .. }) = (&call.outcome, &reply) {
        call.outcome = Outcome::Refused(*status);
    }
    if let Reply::Result(result) = &reply {
        call.message_id = result["message_id"].as_i64();
    }
    state.calls.push(call);
    shared.changed.notify_all();
    Some(reply)
}

fn answer_fault(shared: &Shared, mut call: Call, fault: Fault) -> Option<Response> {
    call.outcome = Outcome::Faulted(fault.clone());
    let reply = match fault {
        Fault::TooManyRequests { retry_after } => Reply::Refused {
            status: 429,
            description: format!("Too Many Requests: retry after {retry_after}"),
            parameters: Some(json!({"retry_after": retry_after})),
        },
        Fault::ServerError(502) => {
            record(shared, call);
            let page = "<html><head><title>502 Bad Gateway</title></head></html>\r\n";
            return Some(Response::Json(502, page.into()));
        }
        Fault::ServerError(status) => Reply::error(status, "Internal Server Error"),
        Fault::Forbidden => Reply::error(403, "Forbidden: bot was blocked by the user"),
        Fault::BadRequest => Reply::error(400, "Bad Request: chat not found"),
        Fault::Error { status, description } => Reply::error(status, description),
        Fault::NotModified => Reply::error(
            400,
            "Bad Request: message is not modified: specified new message content and reply markup are exactly \
             the same as a current content and reply markup of the message",
        ),
        Fault::MigratedTo(chat_id) => Reply::Refused {
            status: 400,
            description: "Bad Request: group chat was upgraded to a supergroup chat".into(),
            parameters: Some(json!({"migrate_to_chat_id": chat_id})),
        },
        Fault::Redirect { status, location } => {
            record(shared, call);
            return Some(Response::Redirect(status, location));
        }
        Fault::Endless => {
            record(shared, call);
            return Some(Response::Endless);
        }
        Fault::Close => {
            record(shared, call);
            return None;
        }
        Fault::AcceptThenClose => {
            carry_out(shared, call);
            return None;
        }
        Fault::Hang => {
            let mut state = shared.lock();
            let clearings = state.clearings;
            state.calls.push(call);
            shared.changed.notify_all();
            while !state.down && state.clearings == clearings {
                state = shared.wait(state, DEADLINE);
            }
            return None;
        }
    };
    record(shared, call);
    Some(Response::Json(reply.status(), reply.to_json()))
}

fn record(shared: &Shared, call: Call) {
    shared.lock().calls.push(call);
    shared.changed.notify_all();
}

fn next_fault(shared: &Shared, call: &Call) -> Option<Fault> {
    let mut state = shared.lock();
    let plan = state.faults.iter_mut().find(|plan| plan.left > 0 && (plan.is_meant)(call))?;
    plan.left -= 1;
    Some(plan.fault.clone())
}

fn violations(call: &Call) -> Vec<String> {
    let names: BTreeSet<String> = call.files.keys().cloned().collect();
    let mut found = schema().violations(&call.method, &call.params, &names);
    if found.is_empty() {
        found.extend(published::violations(&call.method, &call.params, |name| call.files.contains_key(name)));
        found.extend(limits::violations(&call.method.to_ascii_lowercase(), &call.params));
        found.extend(methods::file_violations(call));
    }
    found
}

type Params = (Map<String, Value>, BTreeMap<String, UploadedFile>);

/// The parameters of a request in any encoding of the API: query, JSON, form, multipart.
fn read_params(method: &str, request: &Request) -> Result<Params, String> {
    let mut params = Map::new();
    let mut files = BTreeMap::new();
    let types = |name: &str| schema().field_types(method, name);
    let text_value = |name: &str, text: &str| value_from_text(text, types(name));
    for (name, text) in http::form_pairs(&request.query) {
        params.insert(name.clone(), text_value(&name, &text));
    }
    let content_type = request.header("content-type").unwrap_or_default();
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match kind.as_str() {
        _ if request.body.is_empty() => {}
        "application/json" => {
            let body: Value = serde_json::from_slice(&request.body).map_err(|error| error.to_string())?;
            let object = match body {
                Value::Object(object) => object,
                Value::Null => Map::new(),
                other => return Err(format!("a JSON body that is no object: {other}")),
            };
            for (name, value) in object {
                // A nested object may also be a JSON string. Text stays text.
                let structured = !types(&name).iter().any(|t| matches!(*t, "String" | "Integer" | "Boolean"));
                let value = match value {
                    Value::String(text) if structured => text_value(&name, &text),
                    other => other,
                };
                params.insert(name, value);
            }
        }
        "application/x-www-form-urlencoded" => {
            for (name, text) in http::form_pairs(&String::from_utf8_lossy(&request.body)) {
                params.insert(name.clone(), text_value(&name, &text));
            }
        }
        "multipart/form-data" => {
            for part in http::multipart_parts(content_type, &request.body)? {
                if part.file_name.is_some() {
                    files.insert(part.name, UploadedFile { file_name: part.file_name, bytes: part.body });
                } else {
                    let text = String::from_utf8(part.body).map_err(|_| "a text part that is not UTF-8")?;
                    params.insert(part.name.clone(), text_value(&part.name, &text));
                }
            }
        }
        other => return Err(format!("content type {other:?}")),
    }
    Ok((params, files))
}
