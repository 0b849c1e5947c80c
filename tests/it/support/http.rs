//! A minimal HTTP/1.1 server and client over blocking sockets, for the Bot API server and for posting updates. The
//! tests script faults, which a library would hide: they hold, cut or refuse a connection at any point.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const MAX_LINE_BYTES: u64 = 16 * 1024;
const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;

/// A request as it was read; header names are in lower case.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    /// The path without the query.
    pub path: String,
    pub query: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    /// Reads the next request of a connection; `None` if the peer closed it between requests.
    pub fn read(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Self>> {
        let Some(start) = read_line(stream)? else { return Ok(None) };
        let mut words = start.split_ascii_whitespace();
        let (Some(method), Some(target)) = (words.next(), words.next()) else {
            return Err(malformed("request line"));
        };
        let headers = read_headers(stream)?;
        if find(&headers, "expect").is_some() {
            stream.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let body = read_body(stream, &headers, false)?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Ok(Some(Self { method: method.into(), path: path.into(), query: query.into(), headers, body }))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }
}

/// A response; header names are in lower case.
#[derive(Debug, Clone)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Sends one request on a new connection and reads the whole response. Every read and write fails after
/// [`super::DEADLINE`].
pub fn request(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Response> {
    let headers = [&[("connection", "close")], headers].concat();
    request_over(connect(address)?, &address.to_string(), method, target, &headers, body)
}

/// A connection whose reads and writes fail after [`super::DEADLINE`].
pub fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(super::DEADLINE))?;
    stream.set_write_timeout(Some(super::DEADLINE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Like [`request`], over an open connection, which stays open unless a header says otherwise.
pub fn request_over(
    mut stream: impl Read + Write,
    host: &str,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Response> {
    let mut head = format!("{method} {target} HTTP/1.1\r\nhost: {host}\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    let mut message = head.into_bytes();
    message.extend_from_slice(body);
    // A server may answer and close before it has read a body that it refuses. Read the answer nevertheless.
    let written = stream.write_all(&message);
    let mut stream = BufReader::new(stream);
    let start = match (read_line(&mut stream), written) {
        (Ok(Some(start)), _) => start,
        (Ok(None), Ok(())) => return Err(io::ErrorKind::UnexpectedEof.into()),
        (_, Err(error)) | (Err(error), Ok(())) => return Err(error),
    };
    let status = start.split_ascii_whitespace().nth(1).and_then(|word| word.parse().ok());
    let status = status.ok_or_else(|| malformed("status line"))?;
    let headers = read_headers(&mut stream)?;
    let body = read_body(&mut stream, &headers, true)?;
    Ok(Response { status, headers, body })
}

/// `GET` of a path, for health and metrics.
pub fn get(address: SocketAddr, target: &str) -> io::Result<Response> {
    request(address, "GET", target, &[], b"")
}

/// Writes a JSON response that keeps the connection open.
pub fn write_json(stream: &mut TcpStream, status: u16, body: &str) -> io::Result<()> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} Status\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(&[head.as_bytes(), body.as_bytes()].concat())
}

/// Decodes `%41+b` to `A b`.
pub fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let escaped = tail.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match (first, escaped.and_then(|two| u8::from_str_radix(two, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(if first == b'+' { b' ' } else { first });
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The pairs of a query or of an `application/x-www-form-urlencoded` body.
pub fn form_pairs(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (percent_decode(name), percent_decode(value)))
        .collect()
}

/// One part of a `multipart/form-data` body.
#[derive(Debug, Clone)]
pub struct Part {
    pub name: String,
    pub file_name: Option<String>,
    pub body: Vec<u8>,
}

/// The parts of a `multipart/form-data` body with this content type.
pub fn multipart_parts(content_type: &str, body: &[u8]) -> Result<Vec<Part>, String> {
    let boundary = parameter(content_type, "boundary").ok_or("multipart without a boundary")?;
    // With a line break before the first one, all delimiters have the same form.
    let body = [b"\r\n".as_slice(), body].concat();
    let delimiter = format!("\r\n--{boundary}").into_bytes();
    let mut rest = after(&body, &delimiter).ok_or("no first boundary")?;
    let mut parts = Vec::new();
    while !rest.starts_with(b"--") {
        let start = position(rest, b"\r\n\r\n").ok_or("a part without a blank line")?;
        let (head, tail) = (&rest[..start], &rest[start + 4..]);
        let end = position(tail, &delimiter).ok_or("a part without an end")?;
        let head = String::from_utf8_lossy(head).into_owned();
        let disposition = head
            .lines()
            .find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"))
            .ok_or("a part without a Content-Disposition")?;
        parts.push(Part {
            name: parameter(disposition, "name").ok_or("a part without a name")?,
            file_name: parameter(disposition, "filename"),
            body: tail[..end].to_vec(),
        });
        rest = &tail[end + delimiter.len()..];
    }
    Ok(parts)
}

/// The value of `name=value` or `name="value"` among the parameters of a header.
fn parameter(header: &str, name: &str) -> Option<String> {
    header.split(';').skip(1).find_map(|part| {
        let (key, value) = part.trim().split_once('=')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim_matches('"').to_owned())
    })
}

fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

fn after<'a>(bytes: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    position(bytes, wanted).map(|at| &bytes[at + wanted.len()..])
}

fn find<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("malformed HTTP: {what}"))
}

/// A line without its end; `None` at the end of the stream.
fn read_line(stream: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    if stream.take(MAX_LINE_BYTES).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.pop() != Some(b'\n') {
        return Err(malformed("a line without an end"));
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    String::from_utf8(line).map(Some).map_err(|_| malformed("a line that is not UTF-8"))
}

fn read_headers(stream: &mut impl BufRead) -> io::Result<Vec<(String, String)>> {
    let mut headers = Vec::new();
    loop {
        let line = read_line(stream)?.ok_or_else(|| malformed("headers without an end"))?;
        if line.is_empty() {
            return Ok(headers);
        }
        let (name, value) = line.split_once(':').ok_or_else(|| malformed("header"))?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

fn read_body(
    stream: &mut impl BufRead,
    headers: &[(String, String)],
    until_closed: bool,
) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    if find(headers, "transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        loop {
            let line = read_line(stream)?.ok_or_else(|| malformed("chunks without an end"))?;
            let digits = line.split(';').next().unwrap_or_default().trim();
            let length = usize::from_str_radix(digits, 16).map_err(|_| malformed("chunk length"))?;
            if length == 0 {
                read_headers(stream)?;
                return Ok(body);
            }
            read_exactly(stream, length, &mut body)?;
            if read_line(stream)?.is_none_or(|end| !end.is_empty()) {
                return Err(malformed("chunk end"));
            }
        }
    }
    match find(headers, "content-length") {
        Some(length) => {
            let length = length.parse().map_err(|_| malformed("content-length"))?;
            read_exactly(stream, length, &mut body)?;
        }
        None if until_closed => {
            stream.read_to_end(&mut body)?;
        }
        None => {}
    }
    Ok(body)
}

fn read_exactly(stream: &mut impl BufRead, length: usize, body: &mut Vec<u8>) -> io::Result<()> {
    if body.len() + length > MAX_BODY_BYTES {
        return Err(malformed("a body beyond every bound"));
    }
    let start = body.len();
    body.resize(start + length, 0);
    stream.read_exact(&mut body[start..])
}
