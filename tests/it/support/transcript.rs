//! A conversation as its participants see it, in scenes: each action, and the messages that it caused in each chat.
//! [`MASKS`] replaces everything that differs between two runs of the same script. Messages are numbered from 1 in
//! each scene, so that a change affects only its own scene.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value};

use super::bot_api::{Call, Outcome, png_size, utf16_length};
use super::rich_form;

/// Patterns of text that differs between two runs, and their replacements, in the order in which they apply.
const MASKS: [(&str, &str); 16] = [
    // Timestamps, with a time zone or as in CSV tables; times of day.
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [A-Z]+", "‹time›"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", "‹time›"),
    // With the day of the week if midnight was in between.
    (r"(^|[^0-9a-f:])((Mon|Tue|Wed|Thu|Fri|Sat|Sun) )?\d\d:\d\d:\d\d([^0-9a-f:]|$)", "${1}‹clock›${4}"),
    (r"(^|[^0-9a-f:])\d\d:\d\d([^0-9a-f:]|$)", "${1}‹hour›${2}"),
    (r"\d{4}-\d\d-\d\d", "‹date›"),
    // Ages and uptimes below an hour. The script determines longer ones.
    (r"just now|\d+ (s|min) ago", "‹recently›"),
    (r"(\d+ h) \d+ min of silence", "$1 ‹n› min of silence"),
    (r"(\d+ min )?\d+ s\b", "‹moments›"),
    (r"registry(:| \|) \d+ days old", "registry$1 ‹n› days old"),
    // Codes, the test's folder, the radio's name, the version.
    (r"\b[0-9a-f]{32}\b", "‹code›"),
    (r"/[^ ]*/\.tmp\w+", "‹folder›"),
    (r"pwday[0-9a-f]+", "‹radio›"),
    // The number of attempts to open an interface.
    (r"restarted \d+ times?", "restarted ‹n› times"),
    (r"probewatch \d+\.\d+\.\d+", "probewatch ‹version›"),
    // Offsets of events, and the size of the log.
    (r"\d+,‹time›,(stdin|sensor)", "‹offset›,‹time›,$1"),
    (r"\d+\.\d kB\b", "‹size›"),
];

/// The number of lines that are shown of a CSV table.
const TABLE_LINES: usize = 4;

/// Calls that leave nothing visible in a chat.
const UNSEEN: [&str; 10] = [
    "getMe",
    "getUpdates",
    "setWebhook",
    "deleteWebhook",
    "getWebhookInfo",
    "getMyCommands",
    "sendChatAction",
    "sendMessageDraft",
    "sendRichMessageDraft",
    "getChat",
];

/// A part of a conversation, with its masks applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    pub title: &'static str,
    pub text: String,
}

/// Applies [`MASKS`].
pub fn masked(text: &str) -> String {
    static PATTERNS: LazyLock<[(Regex, &str); 16]> =
        LazyLock::new(|| MASKS.map(|(pattern, mask)| (Regex::new(pattern).expect("a pattern"), mask)));
    PATTERNS
        .iter()
        .fold(text.to_owned(), |text, (pattern, mask)| pattern.replace_all(&text, *mask).into_owned())
}

/// The conversation so far.
pub struct Transcript {
    /// Titles and texts.
    scenes: Vec<(&'static str, String)>,
    /// The chats and their names, in the order in which concurrent messages are listed.
    chats: Vec<(i64, &'static str)>,
    /// The numbers of the bot's messages in the transcript, by chat and message ID.
    numbers: BTreeMap<(i64, i64), usize>,
    /// Progress messages, which are left out: whether they appear depends on the machine's speed.
    progress: BTreeSet<(i64, i64)>,
}

impl Transcript {
    pub fn new(chats: &[(i64, &'static str)]) -> Self {
        let (numbers, progress) = (BTreeMap::new(), BTreeSet::new());
        Self { scenes: Vec::new(), chats: chats.to_vec(), numbers, progress }
    }

    pub fn scenes(&self) -> Vec<Scene> {
        self.scenes.iter().map(|(title, text)| Scene { title, text: masked(text.trim_end()) }).collect()
    }

    /// The text of the current scene.
    pub fn text(&self) -> &str {
        self.scenes.last().map_or("", |(_, text)| text)
    }

    /// Begins the next scene.
    pub fn begin(&mut self, title: &'static str) {
        self.scenes.push((title, String::new()));
        self.numbers.clear();
    }

    fn push(&mut self, text: &str) {
        self.scenes.last_mut().expect("a scene has begun").1.push_str(text);
    }

    /// Adds an action.
    pub fn add_action(&mut self, what: &str) {
        self.push(&format!("▶ {}\n", visible(what).replace('\n', "\n  ┆ ")));
    }

    /// Adds the calls that an action in the chat `here` caused.
    pub fn add_calls(&mut self, calls: &[Call], here: i64) {
        let position = |chat: i64| self.chats.iter().position(|(listed, _)| *listed == chat);
        let mut seen: Vec<(i64, &Call)> = calls
            .iter()
            .filter(|call| call.outcome == Outcome::Accepted && !UNSEEN.iter().any(|name| call.is(name)))
            .map(|call| (chat_of(call).unwrap_or(here), call))
            .collect();
        // Only the order within a chat is the same in every run.
        seen.sort_by_key(|(chat, _)| (*chat != here, position(*chat), *chat));
        let shown: String = seen.iter().map(|(chat, call)| self.shown(call, *chat, here)).collect();
        self.push(if shown.is_empty() { "  (nothing)\n" } else { &shown });
        self.push("\n");
    }

    /// The number of a message in the current scene.
    pub fn number(&mut self, chat: i64, message: i64) -> usize {
        let next = self.numbers.len() + 1;
        *self.numbers.entry((chat, message)).or_insert(next)
    }

    fn name(&self, chat: i64) -> String {
        let named = self.chats.iter().find(|(listed, _)| *listed == chat);
        named.map_or_else(|| format!("chat {chat}"), |(_, name)| (*name).to_owned())
    }

    fn shown(&mut self, call: &Call, chat: i64, here: i64) -> String {
        let of_chat = if chat == here { String::new() } else { format!("{} ", self.name(chat)) };
        let text = |name: &str| call.params.get(name).and_then(Value::as_str);
        let message = call.message_id.or_else(|| call.params.get("message_id")?.as_i64());
        let key = (chat, message.unwrap_or_default());
        if Call::read(&call.params).0.starts_with('⏳') {
            self.progress.insert(key);
        }
        if message.is_some() && self.progress.contains(&key) {
            return String::new();
        }
        match call.method.as_str() {
            "answerCallbackQuery" => match text("text") {
                Some(text) => format!("◀ {of_chat}(notice)\n{}", body(text)),
                None => String::new(),
            },
            "deleteMessage" => format!("◀ {of_chat}✂ #{} is deleted\n", self.number(key.0, key.1)),
            "setMyCommands" => format!("◀ {of_chat}{}", menu(call)),
            "deleteMyCommands" => format!("◀ {of_chat}(its own menu is removed)\n"),
            "leaveChat" => format!("◀ {of_chat}(the bot leaves)\n"),
            _ if message.is_some() => {
                let number = self.number(key.0, key.1);
                let head = match call.method.starts_with("edit") {
                    true => format!("◀ {of_chat}✎ #{number} becomes"),
                    false => format!("◀ {of_chat}#{number}"),
                };
                format!("{head}{}\n{}", properties(call), contents(call))
            }
            other => format!("◀ {of_chat}({other})\n"),
        }
    }
}

/// Escapes characters that change the direction of text or are invisible, and marks the end of the text.
fn visible(text: &str) -> String {
    let is_hidden = |c: char| {
        c.is_control() && c != '\n'
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
    };
    let shown = |c: char| if is_hidden(c) { c.escape_unicode().to_string() } else { c.to_string() };
    let shown: String = text.chars().map(shown).collect();
    if shown.ends_with(' ') { format!("{}␠", shown.trim_end()) } else { shown }
}

fn chat_of(call: &Call) -> Option<i64> {
    call.params.get("chat_id").or_else(|| call.params.get("scope")?.get("chat_id"))?.as_i64()
}

fn menu(call: &Call) -> String {
    let commands = call.params["commands"].as_array().cloned().unwrap_or_default();
    let field = |command: &Value, name: &str| command[name].as_str().unwrap_or_default().to_owned();
    if call.params.contains_key("scope") {
        let names: Vec<String> =
            commands.iter().map(|command| format!("/{}", field(command, "command"))).collect();
        return format!("(a menu of their own: {})\n", names.join(" "));
    }
    let line =
        |command: &Value| format!("/{} – {}", field(command, "command"), field(command, "description"));
    let lines: Vec<String> = commands.iter().map(line).collect();
    format!("(the menu for everybody)\n{}", body(&lines.join("\n")))
}

/// A silent message, its topic, and its files.
fn properties(call: &Call) -> String {
    let mut shown = String::new();
    if call.params.get("disable_notification") == Some(&Value::Bool(true)) {
        shown.push_str(" 🔕");
    }
    if let Some(topic) = call.params.get("message_thread_id") {
        let _ = write!(shown, " in topic {topic}");
    }
    for file in call.files.values() {
        shown.push(' ');
        shown.push_str(&match png_size(file) {
            Some((width, height)) => format!("(photo {width}×{height})"),
            None => format!("(document {})", file.file_name.as_deref().unwrap_or("without a name")),
        });
    }
    shown
}

fn contents(call: &Call) -> String {
    let media = call.params.get("media").and_then(Value::as_object);
    let mut shown = match call.rich_blocks() {
        Some(blocks) => body(&rich_form::shown(&blocks)),
        None => {
            let (plain, entities) = Call::read(media.unwrap_or(&call.params));
            body(&marked(&plain, &entities))
        }
    };
    for file in call.files.values().filter(|file| png_size(file).is_none()) {
        let table = String::from_utf8_lossy(&file.bytes);
        let lines = table.lines().count();
        for line in table.lines().take(TABLE_LINES) {
            let _ = writeln!(shown, "  ▤ {line}");
        }
        if lines > TABLE_LINES {
            let _ = writeln!(shown, "  ▤ … ({lines} lines)");
        }
    }
    if let Some(markup) = call.params.get("reply_markup").and_then(Value::as_object) {
        shown.push_str(&keyboard(markup));
    }
    shown
}

fn body(text: &str) -> String {
    text.split('\n').fold(String::new(), |body, line| body + format!("  │ {line}").trim_end() + "\n")
}

fn keyboard(markup: &Map<String, Value>) -> String {
    let mut shown = String::new();
    for row in markup.get("inline_keyboard").and_then(Value::as_array).into_iter().flatten() {
        let buttons: Vec<String> = row.as_array().into_iter().flatten().map(shown_button).collect();
        let _ = writeln!(shown, "  {}", buttons.join(" "));
    }
    if markup.get("force_reply") == Some(&Value::Bool(true)) {
        let field = markup.get("input_field_placeholder").and_then(Value::as_str).unwrap_or_default();
        let _ = writeln!(shown, "  (a reply is asked for; its empty field says “{field}”)");
    }
    shown
}

/// `[Label]`, with its style and what it copies.
fn shown_button(button: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut shown = format!("[{}", text(&button["text"]));
    if let Some(style) = button["style"].as_str() {
        let _ = write!(shown, " ‹{style}›");
    }
    if !button["copy_text"].is_null() {
        let _ = write!(shown, " ‹copies {}›", text(&button["copy_text"]["text"]));
    }
    shown + "]"
}

/// The text with its formatting, as [`rich_form::marks`] marks it.
fn marked(plain: &str, entities: &[Value]) -> String {
    let mut marks: Vec<(u64, bool, String)> = Vec::new();
    for entity in entities {
        let number = |name: &str| entity[name].as_u64().expect("a number");
        let (before, after) = rich_form::marks(entity);
        marks.push((number("offset"), true, before));
        marks.push((number("offset") + number("length"), false, after));
    }
    // If one entity ends where another begins, the end comes first.
    marks.sort_by_key(|(at, begins, _)| (*at, *begins));
    let (mut shown, mut at) = (String::new(), 0);
    let mut marks = marks.into_iter().peekable();
    for character in plain.chars().map(Some).chain([None]) {
        while let Some((_, _, mark)) = marks.next_if(|(place, _, _)| *place <= at) {
            shown.push_str(&mark);
        }
        if let Some(character) = character {
            shown.push(character);
            at += utf16_length(&character.to_string()) as u64;
        }
    }
    shown
}
