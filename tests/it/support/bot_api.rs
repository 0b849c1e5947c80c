//! A Bot API server on loopback for the service under test. It knows the Bot API 10.1, or plays an older server
//! ([`BotApi::start_version`]).
//!
//! It answers as Telegram does and checks every request against the [`schema`] and the published limits. A request
//! that breaks them is answered with 400 and remembered: the next wait, [`BotApi::assert_clean`] or the drop fails the
//! test with it. Faults can be scripted: refusals, silence, cut connections, and a server that goes down and returns on
//! the same port.

mod calls;
mod certificate;
mod detection;
mod html;
mod inline_limits;
mod limits;
mod methods;
mod published;
mod rich_blocks;
mod rich_html;
mod rich_plain;
mod schema;
mod server;
mod state;
mod updates;
mod version;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex};

use serde_json::{Value, json};

pub use calls::{Call, Fault, InlineArticle, Outcome, SentMessage, UploadedFile, Webhook};
pub use certificate::tls;
pub use detection::Detected;
pub use limits::utf16_length;
pub use methods::png_size;
pub use published::{published, type_violations};
pub use schema::schema;
pub use updates::Incoming;
pub use version::Version;

use super::wait::Wait;
use super::{DEADLINE, http};
use server::Listener;
use state::{PlannedFault, Shared, State};

const TOKEN: &str = "123456:TEST-abcdefghijklmnopqrstuvwxyz012345";

type LogTail = Box<dyn Fn() -> String + Send + Sync>;

/// The running server. Dropping it stops it, and panics if any request broke the rules.
pub struct BotApi {
    shared: Arc<Shared>,
    listener: Mutex<Listener>,
    address: SocketAddr,
    log_tail: Mutex<Option<LogTail>>,
}

impl BotApi {
    /// Starts a server on a free port of 127.0.0.1.
    pub fn start() -> Self {
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new() });
        let listener = Listener::start(Arc::clone(&shared)).expect("a port on loopback");
        let address = listener.address();
        Self { shared, listener: Mutex::new(listener), address, log_tail: Mutex::new(None) }
    }

    /// Starts a server that only knows this version of the Bot API. What it does not know is no violation; it counts
    /// it ([`Self::unknown_count`]).
    pub fn start_version(version: Version) -> Self {
        let api = Self::start();
        api.set_version(version);
        api
    }

    /// From now on the server knows this version, as after an update or a downgrade.
    pub fn set_version(&self, version: Version) {
        self.change(|state| state.version = version);
    }

    /// How often requests had this method (`sendRichMessage`), field (`InlineKeyboardButton.style`) or tag (`tg-time`),
    /// which the server's version does not know.
    pub fn unknown_count(&self, what: &str) -> usize {
        self.shared.lock().unknown.get(what).copied().unwrap_or_default()
    }

    /// Everything that the server's version did not know so far, and how often.
    pub fn unknown(&self) -> BTreeMap<String, usize> {
        self.shared.lock().unknown.clone()
    }

    /// Switches inline mode on or off, as with BotFather. It is off at first.
    pub fn set_inline_mode(&self, is_on: bool) {
        self.change(|state| state.has_inline_mode = is_on);
    }

    /// The base URL, for `api_url`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The token that the server accepts.
    pub fn token(&self) -> &'static str {
        TOKEN
    }

    /// Adds the tail of the service's log to the message of a failed wait.
    pub fn show_on_failure(&self, log_tail: impl Fn() -> String + Send + Sync + 'static) {
        *self.log_tail.lock().expect("no panic holds this") = Some(Box::new(log_tail));
    }

    /// Waits for the first setWebhook and returns the webhook that is set now.
    pub fn webhook(&self) -> Webhook {
        self.wait_for("setWebhook", |state| state.webhook.clone())
    }

    /// Waits until setWebhook was accepted `count` times in total, and returns the last webhook: a restart of the
    /// service may change the path and the secret.
    pub fn webhook_number(&self, count: usize) -> Webhook {
        self.wait_for(&format!("setWebhook number {count}"), |state| {
            if state.webhooks.len() >= count { state.webhook.clone() } else { None }
        })
    }

    /// Every webhook that was set so far, in order.
    pub fn webhook_history(&self) -> Vec<Webhook> {
        self.shared.lock().webhooks.clone()
    }

    /// Waits for the first accepted message that matches, including earlier ones. Progress messages do not count, since
    /// whether they are sent depends on the machine's speed.
    pub fn wait_for_message(&self, wanted: impl FnMut(&SentMessage) -> bool) -> SentMessage {
        self.wait_for_message_after(0, wanted)
    }

    /// Like [`Self::wait_for_message`], but only messages after the first `seen` count.
    pub fn wait_for_message_after(
        &self,
        seen: usize,
        mut wanted: impl FnMut(&SentMessage) -> bool,
    ) -> SentMessage {
        self.wait_for("a message", |state| {
            let mut messages = state.sent.iter().skip(seen).filter(|message| !message.is_progress());
            messages.find(|message| wanted(message)).cloned()
        })
    }

    /// Waits for the first accepted progress message that matches.
    pub fn wait_for_progress(&self, mut wanted: impl FnMut(&SentMessage) -> bool) -> SentMessage {
        self.wait_for("a progress message", |state| {
            state.sent.iter().find(|message| message.is_progress() && wanted(message)).cloned()
        })
    }

    /// Waits for the first call of a method (any case) that matches, whatever its outcome.
    pub fn wait_for_call(&self, method: &str, mut wanted: impl FnMut(&Call) -> bool) -> Call {
        self.wait_for(&format!("a call of {method}"), |state| {
            let mut calls = state.calls.iter().filter(|call| call.is(method));
            calls.find(|call| wanted(call)).cloned()
        })
    }

    /// Waits until a method (any case) was called `count` times in total, and returns these calls.
    pub fn wait_for_calls(&self, method: &str, count: usize) -> Vec<Call> {
        self.wait_for(&format!("{count} calls of {method}"), |state| {
            let calls = state.calls.iter().filter(|call| call.is(method));
            let calls: Vec<Call> = calls.cloned().collect();
            (calls.len() >= count).then_some(calls)
        })
    }

    /// Waits until the bot has confirmed every update that was pushed.
    pub fn wait_until_confirmed(&self) {
        self.wait_for("every update confirmed", |state| state.pending.is_empty().then_some(()));
    }

    /// All accepted messages so far.
    pub fn sent(&self) -> Vec<SentMessage> {
        self.shared.lock().sent.clone()
    }

    /// All accepted messages after the first `seen`.
    pub fn sent_after(&self, seen: usize) -> Vec<SentMessage> {
        self.shared.lock().sent.iter().skip(seen).cloned().collect()
    }

    /// The number of messages accepted so far.
    pub fn sent_count(&self) -> usize {
        self.shared.lock().sent.len()
    }

    /// All calls so far.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.lock().calls.clone()
    }

    /// The commands that the bot has set for all chats.
    pub fn commands(&self) -> Value {
        self.shared.lock().menus.get("").cloned().unwrap_or_else(|| Value::Array(Vec::new()))
    }

    /// The commands that the bot has set for this chat, if any.
    pub fn commands_of(&self, chat_id: i64) -> Option<Value> {
        self.commands_in(&json!({"type": "chat", "chat_id": chat_id}))
    }

    /// The commands that the bot has set for this scope, if any.
    pub fn commands_in(&self, scope: &Value) -> Option<Value> {
        let is_it = |key: &str| serde_json::from_str::<Value>(key).is_ok_and(|key| key == *scope);
        let state = self.shared.lock();
        state.menus.iter().find(|(key, _)| is_it(key)).map(|(_, menu)| menu.clone())
    }

    /// The menu that a user sees in a chat: that of the narrowest scope which has one.
    pub fn menu_seen_by(&self, user_id: i64, chat_id: i64) -> Value {
        let member = json!({"type": "chat_member", "chat_id": chat_id, "user_id": user_id});
        let of_chat = |kind: &str| json!({"type": kind, "chat_id": chat_id});
        let of_kind = |kind: &str| json!({"type": kind});
        let is_admin = self.shared.lock().admins.contains(&(chat_id, user_id));
        let scopes = match (chat_id > 0, is_admin) {
            (true, _) => vec![of_chat("chat"), of_kind("all_private_chats")],
            (false, true) => vec![
                member,
                of_chat("chat_administrators"),
                of_chat("chat"),
                of_kind("all_chat_administrators"),
                of_kind("all_group_chats"),
            ],
            (false, false) => vec![member, of_chat("chat"), of_kind("all_group_chats")],
        };
        scopes.iter().find_map(|scope| self.commands_in(scope)).unwrap_or_else(|| self.commands())
    }

    /// Whether this message was deleted.
    pub fn is_deleted(&self, message: &SentMessage) -> bool {
        self.shared.lock().deleted.contains(&(message.chat_id, message.message_id))
    }

    /// The current version of one of the bot's messages.
    pub fn message(&self, chat_id: i64, message_id: i64) -> Option<SentMessage> {
        let state = self.shared.lock();
        let is_it = |message: &&SentMessage| (message.chat_id, message.message_id) == (chat_id, message_id);
        state.sent.iter().rev().find(is_it).cloned()
    }

    /// Whether the bot subscribed to this kind of update. Telegram sends no others.
    pub fn is_asked_for(&self, update: &Value) -> bool {
        let allowed = self.shared.lock().allowed_updates.clone();
        allowed.is_empty() || allowed.iter().any(|kind| kind == updates::kind(update))
    }

    /// The number of inline queries that wait for an answer.
    pub fn unanswered_inline_queries(&self) -> usize {
        self.shared.lock().inline_queries.len()
    }

    /// Waits for the answer to the newest inline query that was pushed or posted, and returns its articles.
    pub fn wait_for_inline_answer(&self) -> Vec<InlineArticle> {
        let query = self.shared.lock().last_update_id.to_string();
        let call = self.wait_for_call("answerInlineQuery", |call| {
            call.params.get("inline_query_id").is_some_and(|id| *id == query.as_str())
        });
        methods::inline_articles(&call)
    }

    /// The number of button presses that wait for an answer.
    pub fn unanswered_presses(&self) -> usize {
        self.shared.lock().presses.len()
    }

    /// Answers the next `count` calls of a method (any case; `*` is any method) with a fault. Plans
    /// for the same method are used up in order; `usize::MAX` is until [`Self::clear_faults`].
    pub fn fail_next(&self, method: &str, count: usize, fault: Fault) {
        let method = method.to_owned();
        self.fail_when(count, fault, move |call| method == "*" || call.is(&method));
    }

    /// As [`Self::fail_next`], for requests about this chat.
    pub fn fail_next_in(&self, chat_id: i64, method: &str, count: usize, fault: Fault) {
        let method = method.to_owned();
        self.fail_when(count, fault, move |call| {
            call.params.get("chat_id") == Some(&chat_id.into()) && (method == "*" || call.is(&method))
        });
    }

    /// As [`Self::fail_next`], for calls that match, such as those with rich content.
    pub fn fail_when(&self, count: usize, fault: Fault, is_meant: impl Fn(&Call) -> bool + Send + 'static) {
        self.change(|state| {
            state.faults.push(PlannedFault { is_meant: Box::new(is_meant), left: count, fault });
        });
    }

    /// Sets a webhook, as another program with the bot's token does. Polling is refused until it is deleted.
    pub fn set_webhook_of_another_program(&self) {
        self.change(|state| {
            state.webhook = Some(Webhook {
                url: "https://elsewhere.example.org/".to_owned(),
                secret_token: None,
                allowed_updates: Vec::new(),
                certificate: None,
            });
        });
    }

    /// Makes a user an admin of a group.
    pub fn make_admin(&self, chat_id: i64, user_id: i64) {
        self.change(|state| {
            state.admins.insert((chat_id, user_id));
        });
    }

    /// Closes a topic of a forum; `None` is General.
    pub fn close_topic(&self, chat_id: i64, thread_id: Option<i64>) {
        self.change(|state| {
            state.closed_topics.insert((chat_id, thread_id));
        });
    }

    /// Forgets all planned faults; requests that hang are cut.
    pub fn clear_faults(&self) {
        self.change(|state| {
            state.faults.clear();
            state.clearings += 1;
        });
    }

    /// Answers a method (any case) with this result from now on, if the server has no answer of its own. For
    /// getWebhookInfo, these fields replace the server's.
    pub fn answer_with(&self, method: &str, result: Value) {
        self.change(|state| {
            state.canned.insert(method.to_ascii_lowercase(), result);
        });
    }

    /// Takes the server down, which cuts connections and refuses new ones, or back up on the same port with its state.
    /// Takes effect before it returns.
    pub fn set_down(&self, down: bool) {
        let mut listener = self.listener.lock().expect("no panic holds this");
        if down {
            self.change(|state| state.down = true);
            listener.close();
        } else {
            self.change(|state| state.down = false);
            listener.open().expect("the reserved port");
        }
    }

    /// Takes the violations so far, which then no longer fail the test.
    pub fn take_violations(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.lock().violations)
    }

    /// Panics if any request broke the rules.
    pub fn assert_clean(&self) {
        let violations = self.take_violations();
        assert!(violations.is_empty(), "requests broke the Bot API's rules:\n  {}", violations.join("\n  "));
    }

    /// Gives an update its ID. Posting or pushing the result again repeats the same update.
    pub fn update(&self, incoming: Incoming) -> Value {
        let mut state = self.shared.lock();
        state.last_update_id += 1;
        state.last_message_id += 1;
        let update = incoming.into_update(state.last_update_id, state.last_message_id);
        if let Some(press) = update["callback_query"]["id"].as_str() {
            state.presses.insert(press.to_owned());
        }
        if let Some(query) = update["inline_query"]["id"].as_str() {
            state.inline_queries.insert(query.to_owned());
        }
        update
    }

    /// Queues an update for getUpdates.
    pub fn push(&self, incoming: Incoming) {
        self.push_update(self.update(incoming));
    }

    /// Queues this very update for getUpdates.
    pub fn push_update(&self, update: Value) {
        self.change(|state| state.pending.push(update));
    }

    /// Posts an update to the service as Telegram would, with the right secret; returns the status.
    pub fn post(&self, listen: SocketAddr, incoming: Incoming) -> u16 {
        self.post_update(listen, &self.update(incoming))
    }

    /// Posts this very update with the right secret. Panics if the bot did not subscribe to this kind of update, since
    /// Telegram would not send it.
    pub fn post_update(&self, listen: SocketAddr, update: &Value) -> u16 {
        let webhook = self.webhook();
        let kind = updates::kind(update);
        let asked = webhook.allowed_updates.is_empty() || webhook.allowed_updates.iter().any(|k| k == kind);
        assert!(asked, "the bot asked for no updates of the kind {kind}: {:?}", webhook.allowed_updates);
        self.post_update_with_secret(listen, update, webhook.secret_token.as_deref())
    }

    /// Posts this very update to the webhook's path with any secret, or with none.
    pub fn post_update_with_secret(&self, listen: SocketAddr, update: &Value, secret: Option<&str>) -> u16 {
        let posted = self.try_post_update(listen, update, &self.webhook(), secret);
        posted.unwrap_or_else(|error| panic!("posting an update: {error}\n{}", self.report()))
    }

    /// Posts an update to this webhook of a service that may be killed at any moment.
    pub fn try_post(&self, listen: SocketAddr, incoming: Incoming, webhook: &Webhook) -> io::Result<u16> {
        let update = self.update(incoming);
        self.try_post_update(listen, &update, webhook, webhook.secret_token.as_deref())
    }

    fn try_post_update(
        &self,
        listen: SocketAddr,
        update: &Value,
        webhook: &Webhook,
        secret: Option<&str>,
    ) -> io::Result<u16> {
        let stream = http::connect(listen)?;
        match &webhook.certificate {
            Some(pem) => post_over(tls(stream, pem, webhook.host()), update, webhook, secret),
            // Without the proxy in between.
            None => post_over(stream, update, webhook, secret),
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.shared.lock());
        self.shared.changed.notify_all();
    }

    /// Waits until `look` returns a value. Panics at the deadline, and as soon as a rule was broken.
    fn wait_for<T>(&self, what: &str, mut wanted: impl FnMut(&State) -> Option<T>) -> T {
        let wait = Wait::start(DEADLINE, what);
        let mut state = self.shared.lock();
        loop {
            if let Some(found) = wanted(&state) {
                return found;
            }
            match wait.left() {
                Some(left) if state.violations.is_empty() => state = self.shared.wait(state, left),
                _ => {
                    drop(state);
                    wait.fail(&self.report());
                }
            }
        }
    }

    /// The calls and violations so far, for the message of a failed test.
    fn report(&self) -> String {
        let mut report = String::new();
        let state = self.shared.lock();
        for violation in &state.violations {
            report.push_str(&format!("broke the rules: {violation}\n"));
        }
        let skipped = state.calls.len().saturating_sub(40);
        for call in state.calls.iter().skip(skipped) {
            let params = Value::Object(call.params.clone());
            report.push_str(&format!("call: {} {params} -> {:?}\n", call.method, call.outcome));
        }
        drop(state);
        if let Ok(log_tail) = self.log_tail.lock()
            && let Some(log_tail) = &*log_tail
        {
            report.push_str(&format!("the service's log:\n{}", log_tail()));
        }
        report
    }
}

/// Posts this update to this webhook over an open connection.
pub fn post_over(
    stream: impl io::Read + io::Write,
    update: &Value,
    webhook: &Webhook,
    secret: Option<&str>,
) -> io::Result<u16> {
    let mut headers = vec![("content-type", "application/json")];
    headers.extend(secret.map(|secret| ("x-telegram-bot-api-secret-token", secret)));
    let (host, path, body) = (webhook.host(), webhook.path(), update.to_string());
    let answer = http::request_over(stream, host, "POST", path, &headers, body.as_bytes())?;
    Ok(answer.status)
}

impl Drop for BotApi {
    fn drop(&mut self) {
        self.change(|state| state.down = true);
        if let Ok(listener) = self.listener.get_mut() {
            listener.close();
        }
        if !std::thread::panicking() {
            self.assert_clean();
        }
    }
}
