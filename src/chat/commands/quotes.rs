//! Quotes, in every shape that keyboards produce, and how a command's argument is quoted.

use dot11::Ssid;

use crate::chat::button::is_copied_exactly;

/// The SSID as an argument from which a command reads exactly its bytes, also after somebody copied it: a word, a text
/// in quotes, or hex digits.
pub(in crate::chat) fn ssid_argument(ssid: &Ssid) -> String {
    let is_word = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    match ssid.as_utf8() {
        Some(text) if !text.is_empty() && is_word(text) => text.to_owned(),
        // In quotes, spaces at its ends are kept.
        Some(text) if is_copied_exactly(text.trim_matches(' ')) => {
            let escaped = text.chars().flat_map(|c| {
                let escape = (c == '\\' || is_quote(Some(c))).then_some('\\');
                escape.into_iter().chain([c])
            });
            format!("\"{}\"", escaped.collect::<String>())
        }
        _ => format!("hex:{}", ssid.to_hex()),
    }
}

/// Phone keyboards replace straight quotes by typographic ones.
pub(in crate::chat) fn is_quote(c: Option<char>) -> bool {
    matches!(c, Some('"' | '“' | '”' | '„' | '«' | '»'))
}

/// The text between the quotes at the start, with `\"` and `\\` unescaped, and what follows the closing quote.
pub(in crate::chat) fn quoted(text: &str) -> Option<(Vec<u8>, &str)> {
    let mut content = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((place, c)) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some((_, escaped)) if escaped == '\\' || is_quote(Some(escaped)) => content.push(escaped),
                Some((_, other)) => content.extend(['\\', other]),
                None => return None,
            },
            _ if is_quote(Some(c)) => {
                return Some((content.into_bytes(), text.get(place + c.len_utf8()..)?));
            }
            _ => content.push(c),
        }
    }
    None
}

/// The text between single quotes at the start. The closing one must end a word, since an SSID may start with an
/// apostrophe.
pub(in crate::chat) fn in_single_quotes(text: &str) -> Option<(&str, &str)> {
    let is_single = |c: char| matches!(c, '\'' | '‘' | '’');
    let content = text.strip_prefix(is_single)?;
    content.match_indices(is_single).find_map(|(end, quote)| {
        let rest = content.get(end + quote.len()..)?;
        let ends_word = rest.is_empty() || rest.starts_with(char::is_whitespace);
        ends_word.then(|| content.get(..end)).flatten().map(|ssid| (ssid, rest))
    })
}
