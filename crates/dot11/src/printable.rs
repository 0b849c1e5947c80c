//! Escapes text so that it stays on its line.

use std::fmt;

use crate::emoji::{ZERO_WIDTH_JOINER, are_joined, is_modifier};

/// Writes `text` so that it stays on its line: escapes control characters, line and paragraph separators, and
/// characters that change the direction of text or have no width. A zero-width joiner inside an emoji stays.
///
/// # Errors
///
/// Those of `out`.
pub fn write_printable(out: &mut impl fmt::Write, text: &str) -> fmt::Result {
    // The last character that does not only change how the one before it looks.
    let mut base = None;
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let joins = |left| rest.clone().next().is_some_and(|right| are_joined(left, right));
        match c {
            ZERO_WIDTH_JOINER if base.is_some_and(joins) => out.write_char(c)?,
            '\\' => out.write_str("\\\\")?,
            _ if is_unprintable(c) => write!(out, "{}", c.escape_default())?,
            _ => out.write_char(c)?,
        }
        if !is_modifier(c) {
            base = Some(c);
        }
    }
    Ok(())
}

fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00ad}' | '\u{061c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
        || (u32::from(c) & 0xfffe) == 0xfffe
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printable(text: &str) -> String {
        let mut out = String::new();
        write_printable(&mut out, text).unwrap();
        out
    }

    #[test]
    fn a_joiner_inside_an_emoji_is_shown() {
        let emoji = "👩‍💻 👩🏽‍💻 👨‍👩‍👧‍👦 🏳️‍🌈 🏳️‍⚧️ 🏴‍☠️ ❤️‍🔥 🧑‍🤝‍🧑 👩‍❤️‍💋‍👨 🏃🏿‍♀️‍➡️ 🕵️‍♂️ 🐈‍⬛ 🙂‍↕️ 👁️‍🗨️ 🧔🏻‍♀️ 🫱🏻‍🫲🏿 👩🏾‍🦱 😶‍🌫️";
        for emoji in emoji.split(' ') {
            assert!(emoji.contains(ZERO_WIDTH_JOINER));
            let ssid = format!("a {emoji}{emoji} b");
            assert_eq!(printable(&ssid), ssid);
        }
    }

    #[test]
    fn a_joiner_elsewhere_is_escaped() {
        for (text, shown) in [
            ("Home\u{200d}", r"Home\u{200d}"),
            ("\u{200d}🌈", r"\u{200d}🌈"),
            ("Ho\u{200d}me", r"Ho\u{200d}me"),
            ("😀\u{200d}😀", r"😀\u{200d}😀"),
            ("👩\u{200d}\u{200d}💻", r"👩\u{200d}\u{200d}💻"),
            ("👩\u{200d}", r"👩\u{200d}"),
            ("💻\u{200d}👩", r"💻\u{200d}👩"),
            ("👩 \u{200d}💻", r"👩 \u{200d}💻"),
            ("👩\u{fe0f}\u{200b}\u{200d}💻", "👩\u{fe0f}\\u{200b}\\u{200d}💻"),
            ("क्\u{200d}ष", r"क्\u{200d}ष"),
        ] {
            assert_eq!(printable(text), shown);
        }
    }
}
