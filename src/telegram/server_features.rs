//! Sends a message in a form that the server accepts: without what an older Bot API server does not know.
//!
//! Invariants:
//! - A refusal because of such a part is answered at once with the same message without it, so no message is lost and no
//!   try is wasted.
//! - What the server lacks is concluded from the refusal's wording, in this file only, and remembered until the next start
//!   ([`ServerFeatures`]).
//! - A server that does not know the token answers as one that does not know the method. So the bot concludes that rich
//!   messages are lacking only when the server has answered to the same message in its classic form.

use tracing::{info, warn};

use super::request_error::RequestError;
use crate::status::{ServerFeature, ServerFeatures};
use crate::text::TimeMarkup;

/// Methods that older servers do not know. For any other, 404 means that the token is wrong.
pub(super) const OPTIONAL_METHODS: [&str; 2] = ["SendRichMessage", "SendMessageDraft"];

/// What a message may contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MessageForm {
    /// Whether it is a rich message, if it has a document.
    pub(super) is_rich: bool,
    /// How its times are written.
    pub(super) times: TimeMarkup,
    /// Whether it may have buttons that copy a text.
    pub(super) has_copy_text_buttons: bool,
}

/// Why a message is sent again in another form.
enum Refused {
    /// The server lacks this.
    Lacking(ServerFeature),
    /// It may lack rich messages; whether it does shows when it answers to the classic form.
    MaybeRich,
    /// It does not accept this rich message.
    Content,
    /// It does not accept a time of this message.
    Times,
}

impl MessageForm {
    /// Everything that the server is not known to lack, with times written so if it knows that.
    fn known_by(features: &ServerFeatures, times: TimeMarkup) -> Self {
        Self {
            is_rich: features.has(ServerFeature::RichMessages),
            times: match features.has(ServerFeature::DateTimeEntities) {
                true => times,
                false => TimeMarkup::Text,
            },
            has_copy_text_buttons: features.has(ServerFeature::CopyTextButtons),
        }
    }

    /// The form in which a message may be accepted that was refused in this one, and why.
    fn after(self, error: &RequestError) -> Option<(Self, Refused)> {
        if let RequestError::UnknownMethod = error {
            return self.is_rich.then_some((Self { is_rich: false, ..self }, Refused::MaybeRich));
        }
        let reason = error.refusal()?.to_lowercase();
        let is_about = |wordings: &[&str]| wordings.iter().all(|wording| reason.contains(wording));
        if self.times != TimeMarkup::Text && is_about(&["unsupported", "tag", "tg-time"]) {
            let form = Self { times: TimeMarkup::Text, ..self };
            return Some((form, Refused::Lacking(ServerFeature::DateTimeEntities)));
        }
        if self.times != TimeMarkup::Text && is_about(&["tg-time"]) {
            return Some((Self { times: TimeMarkup::Text, ..self }, Refused::Times));
        }
        if self.has_copy_text_buttons && is_unknown_button(&reason) {
            let form = Self { has_copy_text_buttons: false, ..self };
            return Some((form, Refused::Lacking(ServerFeature::CopyTextButtons)));
        }
        // An edit or a card: the server sees only that there is no text.
        let is_unknown_field = is_about(&["text", "is empty"]) || is_about(&["content", "not specified"]);
        (self.is_rich && error.may_be_about_content()).then(|| {
            let refused = if is_unknown_field { Refused::MaybeRich } else { Refused::Content };
            (Self { is_rich: false, ..self }, refused)
        })
    }
}

/// Whether a refusal, in lower case, says that the server does not know a kind of button: it sees none in a button that
/// copies a text.
fn is_unknown_button(reason: &str) -> bool {
    const WORDINGS: [&str; 6] =
        ["unallowed", "unsupported", "unknown", "copy_text", "type_invalid", "type invalid"];
    reason.contains("button") && WORDINGS.iter().any(|wording| reason.contains(wording))
}

/// Whether a refused draft shows that the server knows none: it does not know the method, or has it for some bots only.
pub(super) fn lacks_drafts(refusal: &RequestError) -> bool {
    match refusal {
        RequestError::UnknownMethod => true,
        RequestError::InvalidContent(reason) | RequestError::Refused(reason) => {
            !reason.starts_with("Forbidden")
        }
        // "for bots with forum topic mode" names a topic, too.
        RequestError::TopicClosed(reason) => {
            let reason = reason.to_lowercase();
            !["closed", "deleted", "not found"].iter().any(|wording| reason.contains(wording))
        }
        _ => false,
    }
}

/// Sends a message with `request`, and again in another form for as long as the server refuses one because of what it does
/// not know. `times` says how times are written if it knows entities, `has_document` whether it can be a rich message.
pub(super) async fn send_in_accepted_form<T, R: Future<Output = Result<T, RequestError>>>(
    features: &ServerFeatures,
    times: TimeMarkup,
    has_document: bool,
    request: impl Fn(MessageForm) -> R,
) -> Result<T, RequestError> {
    let mut form = MessageForm::known_by(features, times);
    form.is_rich &= has_document;
    let mut may_lack_rich = false;
    // Each refusal takes a part away, so this ends.
    loop {
        let outcome = request(form).await;
        if std::mem::take(&mut may_lack_rich) && is_answer(&outcome) {
            record_lacking(features, ServerFeature::RichMessages);
        }
        let error = match outcome {
            Err(error) => error,
            Ok(accepted) => {
                if form.is_rich {
                    features.record_shown(ServerFeature::RichMessages);
                }
                return Ok(accepted);
            }
        };
        let Some((next, refused)) = form.after(&error) else { return Err(error) };
        form = next;
        match refused {
            Refused::Lacking(feature) => record_lacking(features, feature),
            Refused::MaybeRich => may_lack_rich = true,
            Refused::Content => {
                warn!(event = "rich_message_refused", %error, "Telegram rejects a rich message; sending it in the classic form");
            }
            Refused::Times => {
                warn!(event = "times_refused", %error, "Telegram rejects a time of a message; sending its times as text");
            }
        }
    }
}

/// Whether the server knows the token and the method: it accepted the request, or refused it for another reason.
fn is_answer<T>(outcome: &Result<T, RequestError>) -> bool {
    match outcome {
        Ok(_) | Err(RequestError::Migrated(_)) => true,
        Err(error) => error.refusal().is_some() || error.retry_after().is_some(),
    }
}

/// Records that the server lacks a feature.
pub(super) fn record_lacking(features: &ServerFeatures, feature: ServerFeature) {
    if features.record_lacking(feature) {
        info!(
            event = "server_feature_lacking",
            ?feature,
            since = feature.since(),
            "the Bot API server is older than this feature; the bot does without it until the next start"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use serde::de::IgnoredAny;
    use serde_json::json;
    use store::event::Timestamp;

    use super::*;
    use crate::telegram::request_error::Response;

    const ACCEPTED: (u16, &str) = (200, "");
    const NOT_FOUND: (u16, &str) = (404, "Not Found");

    fn outcome((code, description): (u16, &str)) -> Result<(), RequestError> {
        let body = match code {
            200 => json!({"ok": true, "result": {}}),
            _ => json!({"ok": false, "error_code": code, "description": description}),
        };
        let response: Response<IgnoredAny> = serde_json::from_str(&body.to_string()).unwrap();
        response.into_result(code).map(|IgnoredAny| ())
    }

    /// The forms in which a message is sent to a server that answers so, its outcome, and what the server then lacks.
    fn sent(
        features: &ServerFeatures,
        answer: impl Fn(MessageForm) -> (u16, &'static str),
    ) -> (Vec<&'static str>, Result<(), String>, Vec<ServerFeature>) {
        let forms = RefCell::new(Vec::new());
        let request = async |form: MessageForm| {
            forms.borrow_mut().push(match form {
                MessageForm { is_rich: true, .. } => "rich",
                MessageForm { times: TimeMarkup::Text, has_copy_text_buttons: false, .. } => "old",
                MessageForm { times: TimeMarkup::Text, .. } => "without times",
                MessageForm { has_copy_text_buttons: false, .. } => "without copies",
                _ => "classic",
            });
            outcome(answer(form))
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let times = TimeMarkup::entities_at(Timestamp::from_micros(0));
        let outcome = runtime.block_on(send_in_accepted_form(features, times, true, request));
        (forms.into_inner(), outcome.map_err(|error| error.to_string()), features.lacking())
    }

    #[test]
    fn a_server_without_rich_messages_gets_the_classic_form_at_once_and_from_then_on() {
        for refusal in [NOT_FOUND, (400, "Bad Request: message text is empty")] {
            let features = ServerFeatures::default();
            let old = |form: MessageForm| if form.is_rich { refusal } else { ACCEPTED };
            let lacking = vec![ServerFeature::RichMessages];
            assert_eq!(sent(&features, old), (vec!["rich", "classic"], Ok(()), lacking.clone()));
            assert_eq!(sent(&features, old), (vec!["classic"], Ok(()), lacking));
        }
        // It is also an answer if the chat accepts no message, or later.
        for refusal in
            [(403, "Forbidden: bot was blocked by the user"), (429, "Too Many Requests: retry after 5")]
        {
            let features = ServerFeatures::default();
            let (_, outcome, lacking) =
                sent(&features, |form| if form.is_rich { NOT_FOUND } else { refusal });
            assert_eq!((outcome.is_err(), lacking), (true, vec![ServerFeature::RichMessages]));
        }
    }

    #[test]
    fn one_404_from_a_server_with_rich_messages_is_a_hiccup() {
        let features = ServerFeatures::default();
        let hiccup = |form: MessageForm| if form.is_rich { NOT_FOUND } else { ACCEPTED };
        for _ in 0..3 {
            assert_eq!(sent(&features, |_| ACCEPTED), (vec!["rich"], Ok(()), vec![]));
            assert_eq!(sent(&features, hiccup), (vec!["rich", "classic"], Ok(()), vec![]));
        }
        let lacking = vec![ServerFeature::RichMessages];
        assert_eq!(sent(&features, hiccup), (vec!["rich", "classic"], Ok(()), lacking), "it was downgraded");
    }

    #[test]
    fn nothing_is_concluded_if_the_token_may_be_wrong_or_the_server_is_out_of_reach() {
        for other in [(401, "Unauthorized"), NOT_FOUND, (502, "Bad Gateway")] {
            let features = ServerFeatures::default();
            let (forms, outcome, lacking) =
                sent(&features, |form| if form.is_rich { NOT_FOUND } else { other });
            assert_eq!(
                (forms, outcome.is_err(), lacking),
                (vec!["rich", "classic"], true, vec![]),
                "{other:?}"
            );
        }
        let features = ServerFeatures::default();
        let (forms, outcome, _) = sent(&features, |_| (401, "Unauthorized"));
        assert_eq!((forms, outcome.is_err()), (vec!["rich"], true));
    }

    #[test]
    fn a_rich_message_that_is_refused_says_nothing_about_the_server() {
        for refusal in [
            "Bad Request: RICH_MESSAGE_TOO_MANY_BLOCKS",
            "Bad Request: RICH_VALIDATE_CTOR_NOT_ALLOWED",
            "Bad Request: can't parse rich message: Unexpected end tag",
        ] {
            let features = ServerFeatures::default();
            let answer = |form: MessageForm| if form.is_rich { (400, refusal) } else { ACCEPTED };
            assert_eq!(sent(&features, answer), (vec!["rich", "classic"], Ok(()), vec![]), "{refusal}");
        }
        let unchanged = "Bad Request: message is not modified: specified new message content and reply markup are \
                         exactly the same as a current content and reply markup of the message";
        for refusal in [
            unchanged,
            "Bad Request: chat not found",
            "Bad Request: message to edit not found",
            "Bad Request: TOPIC_CLOSED",
        ] {
            let features = ServerFeatures::default();
            let (forms, outcome, lacking) = sent(&features, |_| (400, refusal));
            assert_eq!((forms, outcome.is_err(), lacking), (vec!["rich"], true, vec![]), "{refusal}");
        }
    }

    #[test]
    fn a_time_that_is_refused_says_nothing_about_the_server() {
        let features = ServerFeatures::default();
        let refusal =
            "Bad Request: can't parse entities: Tag \"tg-time\": 4102444800 is too far in the future";
        let answer = |form: MessageForm| match form.times {
            TimeMarkup::Text => ACCEPTED,
            TimeMarkup::Entities { .. } => (400, refusal),
        };
        let forms = RefCell::new(Vec::new());
        let request = async |form: MessageForm| {
            forms.borrow_mut().push(form);
            outcome(answer(form))
        };
        let times = TimeMarkup::entities_at(Timestamp::from_micros(0));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(send_in_accepted_form(&features, times, true, request)).unwrap();
        let forms: Vec<_> = forms.into_inner().iter().map(|form| (form.is_rich, form.times)).collect();
        assert_eq!(forms, [(true, times), (true, TimeMarkup::Text)]);
        assert_eq!(features.lacking(), []);
    }

    #[test]
    fn a_refusal_shows_what_is_not_known() {
        for (reason, is_unknown) in [
            ("can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard", true),
            ("BUTTON_TYPE_INVALID", true),
            ("BUTTON_DATA_INVALID", false),
            ("not enough rights to send messages with inline keyboard buttons", false),
        ] {
            assert_eq!(is_unknown_button(&reason.to_lowercase()), is_unknown, "{reason}");
        }
        let refused = |code, description| outcome((code, description)).unwrap_err();
        for (refusal, lacks) in [
            (refused(404, "Not Found"), true),
            (
                refused(400, "Bad Request: method is available only for bots with forum topic mode enabled"),
                true,
            ),
            (refused(400, "Bad Request: TOPIC_CLOSED"), false),
            (refused(400, "Bad Request: message thread not found"), false),
            (refused(403, "Forbidden: bot was blocked by the user"), false),
            (refused(403, "Forbidden: CHAT_SEND_PLAIN_FORBIDDEN"), false),
            (refused(429, "Too Many Requests: retry after 5"), false),
            (refused(502, "Bad Gateway"), false),
        ] {
            assert_eq!(lacks_drafts(&refusal), lacks, "{refusal}");
        }
    }

    #[test]
    fn every_part_that_a_server_does_not_know_is_left_out() {
        let features = ServerFeatures::default();
        let oldest = |form: MessageForm| match form {
            MessageForm { is_rich: true, .. } => NOT_FOUND,
            MessageForm { times: TimeMarkup::Entities { .. }, .. } => (
                400,
                "Bad Request: can't parse entities: Unsupported start tag \"tg-time\" at byte offset 12",
            ),
            MessageForm { has_copy_text_buttons: true, .. } => {
                (400, "Bad Request: Text buttons are unallowed in the inline keyboard")
            }
            _ => ACCEPTED,
        };
        let lacking = vec![
            ServerFeature::CopyTextButtons,
            ServerFeature::DateTimeEntities,
            ServerFeature::RichMessages,
        ];
        let forms = vec!["rich", "classic", "without times", "old"];
        assert_eq!(sent(&features, oldest), (forms, Ok(()), lacking.clone()));
        assert_eq!(sent(&features, oldest), (vec!["old"], Ok(()), lacking));
    }
}
