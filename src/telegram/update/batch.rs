//! The updates of one response of `getUpdates`, each read by itself.

use tracing::warn;

use super::Update;

/// The most updates that are read of one response (Bot API, `getUpdates`, `limit`).
const UPDATES_LIMIT: usize = 100;

/// Reads the updates of a response's `result`; those without a number are left out and logged.
///
/// Returns `None` if there are such updates and no others: they cannot be acknowledged, so Telegram sends them again.
pub(in crate::telegram) fn read_updates(updates: &[&[u8]]) -> Option<Vec<Update>> {
    let mut read = Vec::with_capacity(updates.len());
    for update in updates.iter().take(UPDATES_LIMIT) {
        match Update::read(update) {
            Ok(update) => read.push(update),
            Err(error) => {
                let bytes = update.len();
                warn!(event = "update_unreadable", %error, bytes, "ignored an update that cannot be read");
            }
        }
    }
    (updates.is_empty() || !read.is_empty()).then_some(read)
}

/// The elements of the array `result` of a response, without parsing them: one that cannot be parsed hides no other.
/// `None` if the response has no such array.
pub(in crate::telegram) fn elements_of_result(body: &[u8]) -> Option<Vec<&[u8]>> {
    let mut elements = Vec::new();
    let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
    let (mut string_start, mut key) = (0, None);
    let mut element_start = None;
    for (at, byte) in body.iter().enumerate() {
        if in_string {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = true,
                b'"' => {
                    in_string = false;
                    if depth == 1 {
                        key = body.get(string_start..at);
                    }
                }
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => (in_string, string_start) = (true, at + 1),
            b'[' | b'{' => {
                depth += 1;
                if *byte == b'[' && depth == 2 && key == Some(b"result") {
                    element_start = Some(at + 1);
                }
            }
            b']' | b'}' => {
                depth = depth.checked_sub(1)?;
                if depth == 1
                    && let Some(start) = element_start
                {
                    let last = body.get(start..at)?.trim_ascii();
                    elements.extend(Some(last).filter(|last| !last.is_empty()));
                    return Some(elements);
                }
            }
            b',' if depth == 2
                && let Some(start) = element_start =>
            {
                elements.push(body.get(start..at)?.trim_ascii());
                element_start = Some(at + 1);
            }
            b',' if depth == 1 => key = None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_split_without_parsing_its_updates() {
        let split = |body: &str| {
            elements_of_result(body.as_bytes()).map(|found| {
                found.into_iter().map(|one| String::from_utf8(one.to_vec()).unwrap()).collect::<Vec<_>>()
            })
        };
        assert_eq!(split(r#"{"ok":true,"result":[]}"#), Some(vec![]));
        assert_eq!(
            split(r#"{"a":["result",1],"ok":true, "result" : [ {"a":"],\"}"} , [1,[2]],3 ] }"#),
            Some(vec![r#"{"a":"],\"}"}"#.to_owned(), "[1,[2]]".to_owned(), "3".to_owned()])
        );
        for body in
            ["", "{}", "[]", r#"{"ok":false,"description":"result"}"#, r#"{"result":{"result":[1]}}"#, "}}"]
        {
            assert_eq!(split(body), None, "{body}");
        }
    }
}
