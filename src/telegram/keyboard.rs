//! The buttons of a message as the Bot API takes them (`InlineKeyboardMarkup`).
//!
//! teloxide's types know neither the style of a button nor a text to copy, so these are the bot's own.

use serde::Serialize;
use teloxide::requests::Payload;
use teloxide::types::ForceReply;
use tracing::error;

use crate::chat::{Button, ButtonAction, ButtonStyle};

/// The length of a button's callback data, in bytes (Bot API, `InlineKeyboardButton`, `callback_data`).
const CALLBACK_DATA_LENGTH: std::ops::RangeInclusive<usize> = 1..=64;

/// The length of a text to copy, in UTF-16 code units (Bot API, `CopyTextButton`, `text`: characters).
const COPIED_LENGTH: std::ops::RangeInclusive<usize> = 1..=256;

/// What is below a message (Bot API, `reply_markup`).
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Markup {
    Keyboard(Keyboard),
    ForceReply(ForceReply),
}

/// Rows of buttons (Bot API, `InlineKeyboardMarkup`).
#[derive(Debug, Serialize)]
pub(super) struct Keyboard {
    inline_keyboard: Vec<Vec<KeyboardButton>>,
}

/// A button (Bot API, `InlineKeyboardButton`).
#[derive(Debug, Serialize)]
struct KeyboardButton {
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    style: Option<&'static str>,
    #[serde(flatten)]
    action: Action,
}

/// The one field that says what a button does.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    CallbackData(String),
    CopyText(CopyText),
}

/// Bot API, `CopyTextButton`.
#[derive(Debug, Serialize)]
struct CopyText {
    text: String,
}

impl Keyboard {
    /// The rows without empty ones and without buttons that Telegram would refuse; `None` if there are none. Buttons
    /// that copy a text are left out unless the server `copies` texts.
    pub(super) fn new(rows: &[Vec<Button>], copies: bool) -> Option<Self> {
        let mut has_primary = false;
        let rows = rows.iter().map(|row| {
            let buttons = row.iter().filter(|button| copies || button.data().is_some());
            buttons.filter_map(|button| KeyboardButton::new(button, &mut has_primary)).collect::<Vec<_>>()
        });
        let inline_keyboard: Vec<_> = rows.filter(|row| !row.is_empty()).collect();
        (!inline_keyboard.is_empty()).then_some(Self { inline_keyboard })
    }
}

impl KeyboardButton {
    /// `has_primary` says whether an earlier button of the message is the most likely choice, of which there is one.
    fn new(Button { label, action, style }: &Button, has_primary: &mut bool) -> Option<Self> {
        let (action, fits) = match action {
            ButtonAction::Callback(data) => {
                (Action::CallbackData(data.clone()), CALLBACK_DATA_LENGTH.contains(&data.len()))
            }
            ButtonAction::Copy(text) => (
                Action::CopyText(CopyText { text: text.clone() }),
                COPIED_LENGTH.contains(&text.encode_utf16().count()),
            ),
        };
        if !fits || label.trim().is_empty() {
            error!(label, ?action, "left out a button that Telegram would refuse; this is a bug");
            return None;
        }
        let style = match style {
            Some(ButtonStyle::Danger) => Some("danger"),
            Some(ButtonStyle::Success) => Some("success"),
            Some(ButtonStyle::Primary) => (!std::mem::replace(has_primary, true)).then_some("primary"),
            None => None,
        };
        Some(Self { text: label.clone(), style, action })
    }
}

/// A request of teloxide's with buttons of the bot's own.
#[derive(Debug, Serialize)]
pub(super) struct WithMarkup<P, M> {
    #[serde(flatten)]
    pub(super) request: P,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reply_markup: Option<M>,
}

impl<P: Payload, M> Payload for WithMarkup<P, M> {
    type Output = P::Output;

    const NAME: &'static str = P::NAME;
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn button(label: &str, action: ButtonAction, style: Option<ButtonStyle>) -> Button {
        Button { label: label.to_owned(), action, style }
    }

    #[test]
    fn a_button_has_its_style_and_one_action() {
        let data = || ButtonAction::Callback("x".to_owned());
        let copy = || ButtonAction::Copy("a4:83:e7:4e:39:15".to_owned());
        let rows = [
            vec![button("a", data(), Some(ButtonStyle::Danger)), button("b", copy(), None)],
            vec![button("c", copy(), None)],
            vec![button("d", data(), Some(ButtonStyle::Primary))],
            vec![
                button("e", data(), Some(ButtonStyle::Primary)),
                button("f", data(), Some(ButtonStyle::Success)),
            ],
        ];
        let keyboard = |copies| serde_json::to_value(Keyboard::new(&rows, copies).unwrap()).unwrap();
        let copied = json!({"text": "a4:83:e7:4e:39:15"});
        let last = json!([
            {"text": "e", "callback_data": "x"},
            {"text": "f", "style": "success", "callback_data": "x"},
        ]);
        let [a, d] = [("a", "danger"), ("d", "primary")]
            .map(|(text, style)| json!({"text": text, "style": style, "callback_data": "x"}));
        assert_eq!(
            keyboard(true),
            json!({"inline_keyboard": [
                [a, {"text": "b", "copy_text": copied}], [{"text": "c", "copy_text": copied}], [d], last,
            ]})
        );
        assert_eq!(keyboard(false), json!({"inline_keyboard": [[a], [d], last]}));
        assert!(Keyboard::new(&rows[1..2], false).is_none());
    }

    #[test]
    fn what_telegram_would_refuse_is_left_out() {
        let callback = |length| button("a", ButtonAction::Callback("x".repeat(length)), None);
        let copying = |length| button("a", ButtonAction::Copy("é".repeat(length)), None);
        for refused in [
            callback(0),
            callback(65),
            copying(0),
            copying(257),
            button(" ", ButtonAction::Callback("x".to_owned()), None),
        ] {
            assert!(Keyboard::new(&[vec![refused.clone()]], true).is_none(), "{refused:?}");
        }
        for taken in [callback(1), callback(64), copying(1), copying(256)] {
            assert!(Keyboard::new(&[vec![taken]], true).is_some());
        }
    }
}
