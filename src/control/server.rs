//! The service's side: takes connections and answers each on a thread of its own.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::check::{Compared, SHOWN_LIMIT, is_well, report};
use super::export::{Export, What};
use super::frame::{Frame, Output};
use super::request::LIMIT;
use super::{Command, Listener, Live, Request, lookup, status};
use crate::chat::{Chat, console};
use crate::recorder::RecorderHandle;

/// Connections at a time.
const CONNECTIONS: usize = 16;

/// Chats among them.
const CHATS: usize = CONNECTIONS / 2;

/// How long a request may take to arrive.
const REQUEST_TIME: Duration = Duration::from_secs(10);

/// How long a person may say nothing, or take nothing of what is written.
const IDLE: Duration = Duration::from_secs(3600);

/// The wait after a connection could not be accepted, as where no file descriptor is left.
const ACCEPT_RETRY: Duration = Duration::from_millis(200);

/// What Telegram says of the bot, asked for now, as an object of JSON.
pub type AskTelegram = Arc<dyn Fn(&Handle) -> io::Result<String> + Send + Sync>;

/// What commands beside the service work with.
#[derive(Clone)]
pub struct Services {
    /// What it records, and the state.
    pub recorder: RecorderHandle,
    /// What answers in Telegram.
    pub chat: Chat,
    /// What asks Telegram how it sees the bot, where there is one.
    pub telegram: Option<AskTelegram>,
}

/// What all connections share.
struct Shared {
    beside: Services,
    runtime: Handle,
    open: Mutex<Open>,
    /// Held while there is a copy of the whole state.
    copying: Mutex<()>,
}

/// The connections that there are, by their numbers.
#[derive(Default)]
struct Open {
    streams: BTreeMap<u64, UnixStream>,
    last: u64,
    chats: usize,
}

/// Answers on `listener` until `stop`; who is being answered then is left.
pub async fn serve(listener: Listener, beside: Services, stop: CancellationToken) {
    let (runtime, open, copying) = (Handle::current(), Mutex::default(), Mutex::default());
    let shared = Arc::new(Shared { beside, runtime, open, copying });
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        if let Err(error) = accepted.and_then(|stream| shared.begin(stream)) {
            warn!("could not take a command beside the service: {error}");
            tokio::time::sleep(ACCEPT_RETRY).await;
        }
    }
    for stream in shared.open().streams.values() {
        // One that is closed already needs no closing.
        let _ = stream.shutdown(Shutdown::Both);
    }
}

impl Shared {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a connection answered on a thread of its own, unless there are too many.
    fn begin(self: &Arc<Self>, stream: UnixStream) -> io::Result<()> {
        stream.set_read_timeout(Some(REQUEST_TIME))?;
        stream.set_write_timeout(Some(IDLE))?;
        let number = {
            let mut open = self.open();
            if open.streams.len() >= CONNECTIONS {
                drop(open);
                // Fits into the socket's buffer, so that nobody waits for it.
                return Frame::Busy(format!(
                    "the service answers {CONNECTIONS} others already; try again when one of them has ended"
                ))
                .write(&stream);
            }
            open.last += 1;
            let number = open.last;
            open.streams.insert(number, stream.try_clone()?);
            number
        };
        let shared = Arc::clone(self);
        let answering = move || {
            let _ends = Ends { shared: &shared, number };
            if let Err(error) = shared.converse(&stream) {
                debug!("a command beside the service ended: {error}");
            }
        };
        let started = thread::Builder::new().name("beside".to_owned()).spawn(answering);
        started.map(drop).inspect_err(|_| drop(self.open().streams.remove(&number)))
    }

    fn converse(&self, stream: &UnixStream) -> io::Result<()> {
        let mut input = BufReader::new(stream);
        let mut line = Vec::new();
        Read::take(&mut input, LIMIT as u64).read_until(b'\n', &mut line)?;
        let last = match Request::read(&line) {
            Ok(request) => {
                let is_chat = matches!(request.command, Command::Chat { .. });
                let chatting = is_chat.then(|| Chatting::begin(self));
                if let Some(None) = chatting {
                    return Frame::Busy(format!(
                        "{CHATS} chats go on already; end one of them, or wait: one in which nothing is said for an \
                         hour ends by itself"
                    ))
                    .write(stream);
                }
                Frame::Begun.write(stream)?;
                stream.set_read_timeout(Some(IDLE))?;
                let mut out = Output::new(stream);
                let outcome = self.answer(request, input, stream, &mut out);
                out.flush()?;
                match outcome {
                    Ok(is_well) => Frame::Exit(u8::from(!is_well)),
                    Err(why) => Frame::Failed(why.to_string()),
                }
            }
            Err(why) => Frame::Failed(why),
        };
        last.write(stream)
    }

    /// Runs the command; whether it went well and found what it was to find.
    fn answer(
        &self,
        Request { zone, command, .. }: Request,
        input: impl BufRead,
        stream: &UnixStream,
        out: &mut Output<'_>,
    ) -> Result<bool, Box<dyn std::error::Error>> {
        let Services { recorder, chat, telegram } = self.beside.clone();
        let view = Live { recorder, runtime: self.runtime.clone() };
        match command {
            Command::Lookup { queries, json } => Ok(lookup::write(&view, &queries, json, zone, out)?),
            Command::Status { json } => {
                let found = self.runtime.block_on(chat.status());
                status::write_running(&found, json, zone, out)?;
                Ok(true)
            }
            Command::Health => Ok(status::is_well(&self.runtime.block_on(chat.status()))),
            Command::Chat { prompt } => {
                let prompt = prompt.then_some("> ");
                console::run(&chat.with_time_zone(zone), input, out, prompt, &self.runtime).map_err(told)?;
                Ok(true)
            }
            Command::Export(wanted) => {
                let _copying = (wanted.what == What::State).then(|| self.copying(stream));
                let mut tell = |what: &dyn Display| {
                    // Where nobody listens any more, writing what follows fails.
                    let _ = Frame::Told(what.to_string()).write(stream);
                };
                Ok(Export::new(&view, &wanted)?.write(out, &mut tell)? == 0)
            }
            Command::Telegram => {
                let said = telegram.map(|ask| ask(&self.runtime)).transpose()?;
                writeln!(out, "{}", said.as_deref().unwrap_or("null"))?;
                Ok(true)
            }
            Command::Check => {
                let _copying = self.copying(stream);
                let check = view.recorder.check(&self.runtime, SHOWN_LIMIT, &mut |at, end| {
                    let _ = Frame::Progress(at, end).write(stream);
                })?;
                write!(out, "{}", report(&check, Compared::Memory))?;
                Ok(is_well(&check))
            }
        }
    }

    /// The right to copy the state, which one connection has at a time; a person who has to wait is told so.
    fn copying(&self, stream: &UnixStream) -> MutexGuard<'_, ()> {
        self.copying.try_lock().unwrap_or_else(|_| {
            let why = "another export or check is on its way; this one begins when it has ended";
            // Where nobody listens any more, writing what follows fails.
            let _ = Frame::Told(why.to_owned()).write(stream);
            self.copying.lock().unwrap_or_else(PoisonError::into_inner)
        })
    }
}

/// Why a chat ended.
fn told(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            io::Error::other("nothing was said for an hour; start the chat again")
        }
        _ => error,
    }
}

/// A chat's place among those that there may be, free when it is dropped.
struct Chatting<'a>(&'a Shared);

impl<'a> Chatting<'a> {
    fn begin(shared: &'a Shared) -> Option<Self> {
        let mut open = shared.open();
        let is_free = open.chats < CHATS;
        open.chats += usize::from(is_free);
        is_free.then(|| Self(shared))
    }
}

impl Drop for Chatting<'_> {
    fn drop(&mut self) {
        self.0.open().chats -= 1;
    }
}

/// Tells, when a connection's thread ends, that it has, also where it panics.
struct Ends<'a> {
    shared: &'a Shared,
    number: u64,
}

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.shared.open().streams.remove(&self.number);
    }
}
