//! Escapes text so that it stays on its line.

use std::fmt;

use crate::emoji::{
    ZERO_WIDTH_JOINER, are_joined, is_modifier, is_presented, is_variation_selector, tagged_flag,
};

/// Writes `text` so that it stays on its line: escapes control characters, line and paragraph separators, and
/// characters that change the direction of text or have no width. A joiner, a variation selector or a tag inside an
/// emoji stays.
///
/// # Errors
///
/// Those of `out`.
pub fn write_printable(out: &mut impl fmt::Write, text: &str) -> fmt::Result {
    // The last character that does not only change how the one before it looks.
    let mut base = None;
    let mut before = None;
    let mut rest = text.chars();
    loop {
        if let Some(flag) = tagged_flag(rest.as_str()) {
            out.write_str(flag)?;
            (base, before) = (None, None);
            rest = rest.as_str()[flag.len()..].chars();
            continue;
        }
        let Some(c) = rest.next() else { return Ok(()) };
        let joins = |left| rest.clone().next().is_some_and(|right| are_joined(left, right));
        match c {
            _ if is_variation_selector(c) => {
                let next = rest.clone().next();
                match before.is_some_and(|before| is_presented(before, c, next)) {
                    true => out.write_char(c)?,
                    false => write!(out, "{}", c.escape_unicode())?,
                }
            }
            ZERO_WIDTH_JOINER if base.is_some_and(joins) => out.write_char(c)?,
            '\\' => out.write_str("\\\\")?,
            _ if is_unprintable(c) => write!(out, "{}", c.escape_default())?,
            _ => out.write_char(c)?,
        }
        if !is_modifier(c) {
            base = Some(c);
        }
        before = Some(c);
    }
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

    #[test]
    fn selectors_and_tags_are_shown_in_emoji_only() {
        for emoji in [
            "❤\u{fe0f}",
            "☎\u{fe0e}",
            "™\u{fe0f}",
            "1\u{fe0f}\u{20e3}",
            "#\u{fe0f}\u{20e3}",
            "👍🏿",
            "🇩🇪",
            "🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}",
        ] {
            let ssid = format!("a {emoji}{emoji} b");
            assert_eq!(printable(&ssid), ssid);
        }
        for (text, shown) in [
            ("a\u{fe0f}", r"a\u{fe0f}"),
            ("1\u{fe0f}", r"1\u{fe0f}"),
            ("\u{fe0f}", r"\u{fe0f}"),
            ("❤\u{fe0f}\u{fe0f}", "❤\u{fe0f}\\u{fe0f}"),
            ("❤\u{fe01}", r"❤\u{fe01}"),
            ("葛\u{e0100}", r"葛\u{e0100}"),
            ("a\u{e0067}", r"a\u{e0067}"),
            ("🏴\u{e0068}\u{e007f}", r"🏴\u{e0068}\u{e007f}"),
        ] {
            assert_eq!(printable(text), shown);
        }
    }
}
