//! The effect and answer of each method. A method without its own code answers `true` if the schema says that it
//! returns a Boolean; for others, see `BotApi::answer_with`.

use std::sync::MutexGuard;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::schema::schema;
use super::updates;
use super::{Call, InlineArticle, SentMessage, Shared, State, UploadedFile, Webhook, certificate, limits};

/// The API's answer.
pub enum Reply {
    Result(Value),
    Refused { status: u16, description: String, parameters: Option<Value> },
}

impl Reply {
    pub fn error(status: u16, description: &str) -> Self {
        Self::Refused { status, description: description.to_owned(), parameters: None }
    }

    pub fn status(&self) -> u16 {
        match self {
            Self::Result(_) => 200,
            Self::Refused { status, .. } => *status,
        }
    }

    pub fn to_json(&self) -> String {
        let body = match self {
            Self::Result(result) => json!({"ok": true, "result": result}),
            Self::Refused { status, description, parameters } => {
                let mut body = json!({"ok": false, "error_code": status, "description": description});
                if let Some(parameters) = parameters {
                    body["parameters"] = parameters.clone();
                }
                body
            }
        };
        body.to_string()
    }
}

/// Carries out a valid call.
pub fn answer(state: &mut State, call: &Call) -> Reply {
    match call.method.to_ascii_lowercase().as_str() {
        "getme" => {
            let mut user = bot_user();
            user["supports_inline_queries"] = state.has_inline_mode.into();
            Reply::Result(user)
        }
        "setwebhook" => set_webhook(state, call),
        "deletewebhook" => {
            state.webhook = None;
            drop_pending(state, call);
            Reply::Result(true.into())
        }
        "getwebhookinfo" => Reply::Result(webhook_info(state)),
        "setmycommands" => {
            let commands = call.params.get("commands").cloned().unwrap_or_default();
            state.menus.insert(menu_scope(call), commands);
            Reply::Result(true.into())
        }
        "getmycommands" => {
            Reply::Result(state.menus.get(&menu_scope(call)).cloned().unwrap_or_else(|| json!([])))
        }
        "deletemycommands" => {
            state.menus.remove(&menu_scope(call));
            Reply::Result(true.into())
        }
        "sendmessage" | "sendrichmessage" | "sendphoto" | "senddocument" => send(state, call),
        "editmessagetext" | "editmessagemedia" => edit(state, call),
        "deletemessage" => delete(state, call),
        "answercallbackquery" => answer_query(state, call),
        "answerinlinequery" => answer_inline_query(state, call),
        "leavechat" => leave(state, call),
        "getchatmember" => chat_member(state, call),
        other => match state.canned.get(other) {
            Some(result) => Reply::Result(result.clone()),
            None if schema().returns_only_true(other) => Reply::Result(true.into()),
            None => {
                state.violations.push(format!("the test server has no answer to {}", call.method));
                Reply::error(501, "Not Implemented: see BotApi::answer_with")
            }
        },
    }
}

/// Violations by the uploaded files of a call.
pub fn file_violations(call: &Call) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(name) = call.params.get("media").and_then(|media| media["media"].as_str())
        && name.strip_prefix("attach://").is_none_or(|name| !call.files.contains_key(name))
    {
        found.push(format!("media: {name:?} was not uploaded"));
    }
    if let Some(file) = call.files.get("certificate").filter(|_| call.is("setWebhook")) {
        let url = call.params.get("url").and_then(Value::as_str).unwrap_or_default();
        found.extend(certificate::violations(url, &file.bytes));
    }
    for (name, file) in &call.files {
        if file.bytes.is_empty() {
            found.push(format!("file {name:?} must be non-empty"));
        }
        // Telegram's documentation does not say whether its megabytes are mebibytes. The smaller unit is the safe
        // choice.
        if file.bytes.len() > 50_000_000 {
            found.push(format!("file {name:?} is larger than 50 MB"));
        }
        if is_photo(call, name) {
            if let Some((width, height)) = png_size(file)
                && (width + height > 10_000 || width.max(height) > 20 * width.min(height))
            {
                found.push(format!("PHOTO_INVALID_DIMENSIONS: {width} by {height}"));
            }
            let signatures = [b"\x89PNG\r\n\x1a\n".as_slice(), b"\xff\xd8\xff", b"RIFF", b"GIF8"];
            if !signatures.iter().any(|magic| file.bytes.starts_with(magic)) {
                found.push(format!("IMAGE_PROCESS_FAILED: {name:?} is no PNG, JPEG, WebP or GIF"));
            }
            if file.bytes.len() > 10_000_000 {
                found.push(format!("photo {name:?} is larger than 10 MB"));
            }
        }
    }
    found
}

/// Whether the uploaded file of this name is sent as a photo.
fn is_photo(call: &Call, name: &str) -> bool {
    let media = call.params.get("media").into_iter().flat_map(|media| match media.as_array() {
        Some(several) => several.iter().collect(),
        None => vec![media],
    });
    let mut photos = media.filter(|media| media["type"] == "photo");
    call.is("sendPhoto") || photos.any(|media| media["media"] == format!("attach://{name}"))
}

pub fn bot_user() -> Value {
    json!({
        "id": 123456,
        "is_bot": true,
        "first_name": "probewatch under test",
        "username": "probewatch_test_bot",
        "can_join_groups": true,
        "can_read_all_group_messages": false,
        "supports_inline_queries": false,
        "can_connect_to_business": false,
        "has_main_web_app": false,
    })
}

/// The webhook's information, with the fields of `BotApi::answer_with` in place of the server's own.
fn webhook_info(state: &State) -> Value {
    let mut info = json!({
        "url": state.webhook.as_ref().map_or("", |webhook| &webhook.url),
        "has_custom_certificate": state.webhook.as_ref().is_some_and(|webhook| webhook.certificate.is_some()),
        "pending_update_count": state.pending.len(),
        "max_connections": 40,
    });
    for (field, value) in state.canned.get("getwebhookinfo").and_then(Value::as_object).into_iter().flatten()
    {
        info[field] = value.clone();
    }
    info
}

fn set_webhook(state: &mut State, call: &Call) -> Reply {
    let text = |name: &str| call.params.get(name).and_then(Value::as_str).map(str::to_owned);
    drop_pending(state, call);
    note_allowed_updates(state, call);
    let url = text("url").unwrap_or_default();
    if url.is_empty() {
        state.webhook = None;
        return Reply::Result(true.into());
    }
    let allowed_updates = state.allowed_updates.clone();
    let certificate =
        call.files.get("certificate").map(|file| String::from_utf8_lossy(&file.bytes).into_owned());
    let webhook = Webhook { url, secret_token: text("secret_token"), allowed_updates, certificate };
    state.webhooks.push(webhook.clone());
    state.webhook = Some(webhook);
    Reply::Result(true.into())
}

fn drop_pending(state: &mut State, call: &Call) {
    if call.params.get("drop_pending_updates").and_then(Value::as_bool) == Some(true) {
        state.pending.clear();
    }
}

/// Without the parameter, the earlier setting remains.
fn note_allowed_updates(state: &mut State, call: &Call) {
    if let Some(kinds) = call.params.get("allowed_updates").and_then(Value::as_array) {
        state.allowed_updates = kinds.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    }
}

/// Updates stay until a higher offset confirms them. Answers as soon as there is one, or at the timeout; `None` cuts
/// the connection.
pub fn get_updates<'a>(shared: &'a Shared, mut state: MutexGuard<'a, State>, call: &Call) -> Option<Reply> {
    let number = |name: &str| call.params.get(name).and_then(Value::as_i64);
    let limit = usize::try_from(number("limit").unwrap_or(100)).unwrap_or(100);
    let timeout = u64::try_from(number("timeout").unwrap_or(0)).unwrap_or(0);
    let deadline = Instant::now() + Duration::from_secs(timeout);
    state.newest_poll += 1;
    let this_poll = state.newest_poll;
    note_allowed_updates(&mut state, call);
    match number("offset") {
        Some(offset) if offset < 0 => {
            let kept = usize::try_from(offset.unsigned_abs()).unwrap_or(usize::MAX);
            let confirmed = state.pending.len().saturating_sub(kept);
            state.pending.drain(..confirmed);
        }
        Some(offset) => state.pending.retain(|update| update["update_id"].as_i64() >= Some(offset)),
        None => {}
    }
    shared.changed.notify_all();
    loop {
        if state.down {
            return None;
        }
        if state.webhook.is_some() {
            let why = "can't use getUpdates method while webhook is active; \
                       use deleteWebhook to delete the webhook first";
            return Some(Reply::error(409, &format!("Conflict: {why}")));
        }
        if state.newest_poll != this_poll {
            let why = "terminated by other getUpdates request; \
                       make sure that only one bot instance is running";
            return Some(Reply::error(409, &format!("Conflict: {why}")));
        }
        let allowed = state.allowed_updates.clone();
        let asked_for = |update: &Value| {
            allowed.is_empty() || allowed.iter().any(|allowed| allowed == updates::kind(update))
        };
        state.pending.retain(asked_for);
        let left = deadline.saturating_duration_since(Instant::now());
        if !state.pending.is_empty() || left.is_zero() {
            return Some(Reply::Result(state.pending.iter().take(limit).cloned().collect()));
        }
        state = shared.wait(state, left);
    }
}

fn send(state: &mut State, call: &Call) -> Reply {
    let Some(chat_id) = call.params.get("chat_id").and_then(Value::as_i64) else {
        return Reply::error(400, "Bad Request: chat not found");
    };
    if state.left.contains(&chat_id) {
        return state.refuse("bot is not a member of the chat");
    }
    let thread_id = call.params.get("message_thread_id").and_then(Value::as_i64);
    if state.closed_topics.contains(&(chat_id, thread_id)) {
        return Reply::error(400, "Bad Request: TOPIC_CLOSED");
    }
    state.last_message_id += 1;
    let Ok(sent) = sent_message(call, chat_id, state.last_message_id) else {
        return Reply::error(400, "Bad Request: can't parse entities");
    };
    let message = message_json(&sent);
    state.sent.push(sent);
    Reply::Result(message)
}

/// The bot leaves a group or channel, and can no longer send there.
fn leave(state: &mut State, call: &Call) -> Reply {
    let chat_id = call.params.get("chat_id").and_then(Value::as_i64).unwrap_or_default();
    if chat_id >= 0 {
        return state.refuse("chat not found");
    }
    state.left.insert(chat_id);
    Reply::Result(true.into())
}

/// A member of a group: of all, those are admins that the test has made.
fn chat_member(state: &mut State, call: &Call) -> Reply {
    let number = |name: &str| call.params.get(name).and_then(Value::as_i64).unwrap_or_default();
    let (chat_id, user_id) = (number("chat_id"), number("user_id"));
    if chat_id >= 0 || user_id <= 0 {
        return state.refuse("user not found");
    }
    let user = json!({"id": user_id, "is_bot": false, "first_name": "Test"});
    Reply::Result(match state.admins.contains(&(chat_id, user_id)) {
        true => json!({
            "status": "administrator",
            "user": user,
            "can_be_edited": false,
            "is_anonymous": false,
            "can_manage_chat": true,
            "can_delete_messages": true,
            "can_manage_video_chats": true,
            "can_restrict_members": true,
            "can_promote_members": false,
            "can_change_info": true,
            "can_invite_users": true,
            "can_post_stories": false,
            "can_edit_stories": false,
            "can_delete_stories": false,
        }),
        false => json!({"status": "member", "user": user}),
    })
}

/// A unique key for the scope of a menu.
fn menu_scope(call: &Call) -> String {
    match call.params.get("scope") {
        Some(scope) if scope["type"] != "default" => scope.to_string(),
        _ => String::new(),
    }
}

/// Deletes an existing message of the bot.
fn delete(state: &mut State, call: &Call) -> Reply {
    let number = |name: &str| call.params.get(name).and_then(Value::as_i64).unwrap_or_default();
    let which = (number("chat_id"), number("message_id"));
    let is_there = state.sent.iter().any(|message| (message.chat_id, message.message_id) == which);
    if !is_there || !state.deleted.insert(which) {
        return state.refuse("message to delete not found");
    }
    Reply::Result(true.into())
}

/// Answers a press, which can be answered once.
fn answer_query(state: &mut State, call: &Call) -> Reply {
    let id = call.params.get("callback_query_id").and_then(Value::as_str).unwrap_or_default();
    if !state.presses.remove(id) {
        return state.refuse("query is too old and response timeout expired or query ID is invalid");
    }
    Reply::Result(true.into())
}

/// Answers an inline query, which can be answered once.
fn answer_inline_query(state: &mut State, call: &Call) -> Reply {
    let id = call.params.get("inline_query_id").and_then(Value::as_str).unwrap_or_default();
    if !state.inline_queries.remove(id) {
        return state.refuse("query is too old and response timeout expired or query ID is invalid");
    }
    Reply::Result(true.into())
}

/// The articles of an answered inline query.
pub fn inline_articles(call: &Call) -> Vec<InlineArticle> {
    let results = call.params.get("results").and_then(Value::as_array).into_iter().flatten();
    let article = |result: &Value| {
        let text = |name: &str| result[name].as_str().unwrap_or_default().to_owned();
        let content = result["input_message_content"].as_object().cloned().unwrap_or_default();
        let (plain, _) = Call::read(&content);
        let detected = limits::detected(&content).expect("a content that was accepted");
        let (id, title, description) = (text("id"), text("title"), text("description"));
        InlineArticle { id, title, description, plain, detected, raw: result.clone() }
    };
    results.map(article).collect()
}

impl State {
    /// A refusal of a call that the bot should not have made, recorded as a violation.
    fn refuse(&mut self, why: &str) -> Reply {
        self.violations.push(why.to_owned());
        Reply::error(400, &format!("Bad Request: {why}"))
    }
}

/// Replaces the text of a text message, or the file of a message with a file.
fn edit(state: &mut State, call: &Call) -> Reply {
    let number = |name: &str| call.params.get(name).and_then(Value::as_i64);
    let (Some(chat_id), Some(message_id)) = (number("chat_id"), number("message_id")) else {
        return Reply::error(400, "Bad Request: message to edit not found");
    };
    let is_it = |message: &&SentMessage| message.chat_id == chat_id && message.message_id == message_id;
    let Some(before) = state.sent.iter().rev().find(is_it) else {
        return Reply::error(400, "Bad Request: message to edit not found");
    };
    if state.deleted.contains(&(chat_id, message_id)) {
        return state.refuse("message to edit not found");
    }
    if call.files.is_empty() != before.files.is_empty() {
        return state.refuse("what is in the message to edit is of another kind");
    }
    let Ok(mut edited) = sent_message(call, chat_id, message_id) else {
        return Reply::error(400, "Bad Request: can't parse entities");
    };
    let markup = |message: &SentMessage| message.raw.get("reply_markup").cloned();
    let bytes = |message: &SentMessage| -> Vec<Vec<u8>> {
        message.files.iter().map(|file| file.bytes.clone()).collect()
    };
    let seen = |message: &SentMessage| {
        let texts = (message.plain.clone(), message.entities.clone(), message.rich.clone());
        (texts, bytes(message), markup(message))
    };
    if seen(before) == seen(&edited) {
        let why = "specified new message content and reply markup are exactly the same as a current \
                   content and reply markup of the message";
        return Reply::error(400, &format!("Bad Request: message is not modified: {why}"));
    }
    edited.thread_id = before.thread_id;
    let mut message = message_json(&edited);
    message["edit_date"] = now().into();
    state.sent.push(edited);
    Reply::Result(message)
}

fn sent_message(call: &Call, chat_id: i64, message_id: i64) -> Result<SentMessage, String> {
    // The caption of an edited medium is in the medium's object.
    let params = call.params.get("media").and_then(Value::as_object).unwrap_or(&call.params);
    let (field, entities) = text_fields(!call.files.is_empty());
    let formatted = limits::read_formatted(params, field, entities)?;
    let rich = limits::rich_blocks(params)?;
    let text = match &rich {
        Some(_) => params["rich_message"]["html"].as_str(),
        None => params.get(field).and_then(Value::as_str),
    };
    let detected = limits::detected(params)?;
    Ok(SentMessage {
        method: call.method.clone(),
        chat_id,
        message_id,
        thread_id: call.params.get("message_thread_id").and_then(Value::as_i64),
        text: text.unwrap_or_default().to_owned(),
        plain: formatted.plain,
        entities: formatted.entities,
        rich,
        detected,
        files: call.files.values().cloned().collect(),
        raw: Value::Object(call.params.clone()),
        at: call.at,
    })
}

/// The parameters with a message's text and its entities.
fn text_fields(has_file: bool) -> (&'static str, &'static str) {
    if has_file { ("caption", "caption_entities") } else { ("text", "entities") }
}

/// The Message object that the API returns.
pub fn message_json(sent: &SentMessage) -> Value {
    let (field, entities) = text_fields(!sent.files.is_empty());
    let mut message = json!({
        "message_id": sent.message_id,
        "from": bot_user(),
        "chat": updates::chat(sent.chat_id),
        "date": now(),
    });
    if let Some(blocks) = &sent.rich {
        message["rich_message"] = json!({"blocks": blocks});
    } else if !sent.plain.is_empty() {
        message[field] = sent.plain.as_str().into();
    }
    if sent.rich.is_none() && !sent.entities.is_empty() {
        message[entities] = sent.entities.clone().into();
    }
    if let Some(thread_id) = sent.thread_id {
        message["message_thread_id"] = thread_id.into();
        message["is_topic_message"] = true.into();
    }
    if let Some(markup) =
        sent.raw.get("reply_markup").filter(|markup| markup.get("inline_keyboard").is_some())
    {
        message["reply_markup"] = markup.clone();
    }
    let file = sent.files.first();
    let id = format!("file{}", sent.message_id);
    let size = file.map_or(0, |file| file.bytes.len());
    if ["sendPhoto", "editMessageMedia"].iter().any(|method| sent.method.eq_ignore_ascii_case(method)) {
        let (width, height) = file.and_then(png_size).unwrap_or((640, 480));
        let size =
            json!({"file_id": id, "file_unique_id": id, "width": width, "height": height, "file_size": size});
        message["photo"] = json!([size]);
    } else if sent.method.eq_ignore_ascii_case("sendDocument") {
        let name = file.and_then(|file| file.file_name.clone()).unwrap_or_default();
        message["document"] =
            json!({"file_id": id, "file_unique_id": id, "file_name": name, "file_size": size});
    }
    message
}

/// Width and height from the header of a PNG.
pub fn png_size(file: &UploadedFile) -> Option<(u32, u32)> {
    let number = |at: usize| file.bytes.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes);
    if file.bytes.starts_with(b"\x89PNG") { number(16).zip(number(20)) } else { None }
}

/// Unix time in seconds, the unit of dates in the API.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}
