//! Escapes text so that it stays on its line.

use std::fmt;

/// Writes `text` so that it stays on its line: escapes control characters, line and paragraph separators, and
/// characters that change the direction of text or have no width.
///
/// # Errors
///
/// Those of `out`.
pub fn write_printable(out: &mut impl fmt::Write, text: &str) -> fmt::Result {
    for c in text.chars() {
        match c {
            '\\' => out.write_str("\\\\")?,
            _ if is_unprintable(c) => write!(out, "{}", c.escape_default())?,
            _ => out.write_char(c)?,
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
