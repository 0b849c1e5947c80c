//! Which invisible characters belong to an emoji: joiners, variation selectors and tags. Elsewhere they can hide text,
//! or make two texts look alike.

/// What joins emoji into one.
pub(crate) const ZERO_WIDTH_JOINER: char = '\u{200d}';

/// The flags of England, Scotland and Wales, a black flag with tags. Unicode recommends no others.
const TAGGED_FLAGS: [&str; 3] = [
    "\u{1f3f4}\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
    "\u{1f3f4}\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}",
    "\u{1f3f4}\u{e0067}\u{e0062}\u{e0077}\u{e006c}\u{e0073}\u{e007f}",
];

/// The flag of tags at the start of a text.
pub(crate) fn tagged_flag(text: &str) -> Option<&'static str> {
    TAGGED_FLAGS.into_iter().find(|flag| text.starts_with(flag))
}

/// Whether a character chooses how the one before it looks: variation selectors, of which 15 and 16 choose between text
/// and picture.
pub(crate) fn is_variation_selector(c: char) -> bool {
    matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

/// Whether the selector after `base` makes it an emoji or a text, as the emoji that it may be, or the digit of a
/// keycap.
pub(crate) fn is_presented(base: char, selector: char, next: Option<char>) -> bool {
    let is_keycap = matches!(base, '0'..='9' | '#' | '*') && next == Some('\u{20e3}');
    matches!(selector, '\u{fe0e}' | '\u{fe0f}') && (is_keycap || is_picture(base))
}

/// The property `Extended_Pictographic` (`emoji-data.txt`), in whole blocks where these have little else.
fn is_picture(c: char) -> bool {
    matches!(c,
        '\u{a9}' | '\u{ae}' | '\u{203c}' | '\u{2049}' | '\u{2122}' | '\u{2139}' | '\u{2194}'..='\u{2199}'
        | '\u{21a9}'..='\u{21aa}' | '\u{231a}'..='\u{231b}' | '\u{2328}' | '\u{23cf}' | '\u{23e9}'..='\u{23f3}'
        | '\u{23f8}'..='\u{23fa}' | '\u{24c2}' | '\u{25aa}'..='\u{25ab}' | '\u{25b6}' | '\u{25c0}'
        | '\u{25fb}'..='\u{25fe}' | '\u{2600}'..='\u{27bf}' | '\u{2934}'..='\u{2935}' | '\u{2b05}'..='\u{2b07}'
        | '\u{2b1b}'..='\u{2b1c}' | '\u{2b50}' | '\u{2b55}' | '\u{3030}' | '\u{303d}' | '\u{3297}' | '\u{3299}'
        | '\u{1f000}'..='\u{1f1e5}' | '\u{1f200}'..='\u{1f3fa}' | '\u{1f400}'..='\u{1f8ff}'
        | '\u{1f90c}'..='\u{1faff}')
}

/// Whether a character only changes how the emoji before it looks: variation selector 16, and skin tones.
pub(crate) fn is_modifier(c: char) -> bool {
    matches!(c, '\u{fe0f}' | '\u{1f3fb}'..='\u{1f3ff}')
}

/// What people work with, are with or love, and their hair: behind a joiner after a person.
const WORK_AND_HAIR: &str = "⚕⚖✈🌾🍳🍼🎄🎓🎤🎨🏫🏭💻💼🔧🔬🚀🚒🦯🦼🦽🤝❤🦰🦱🦲🦳";

/// Whether a joiner between these two is of an emoji that Unicode recommends (UTS #51, `emoji-zwj-sequences.txt` 16.0).
/// Between all others it is invisible, and two texts that differ would look the same.
pub(crate) fn are_joined(left: char, right: char) -> bool {
    let is_person = |c| matches!(c, '👨' | '👩' | '🧑');
    match right {
        '♀' | '♂' => has_genders(left),
        _ if WORK_AND_HAIR.contains(right) => is_person(left),
        // Couples and families.
        '💋' => left == '❤',
        '👨' | '👩' | '🧑' => is_person(left) || matches!(left, '❤' | '💋' | '🤝'),
        '👦' | '👧' => matches!(left, '👨' | '👩' | '👦' | '👧'),
        '🧒' => matches!(left, '🧑' | '🧒'),
        '🫲' => left == '🫱',
        '➡' => matches!(left, '♀' | '♂' | '🏃' | '🚶' | '🧎' | '🦯' | '🦼' | '🦽'),
        '↔' | '↕' => left == '🙂',
        '💨' => left == '😮',
        '💫' => left == '😵',
        '🌫' => left == '😶',
        '🔥' => matches!(left, '❤' | '🐦'),
        '🩹' => left == '❤',
        '🗨' => left == '👁',
        '🌈' | '⚧' => left == '🏳',
        '☠' => left == '🏴',
        '🦺' => left == '🐕',
        '⬛' => matches!(left, '🐈' | '🐦'),
        '❄' => left == '🐻',
        '🟩' => left == '🍋',
        '🟫' => left == '🍄',
        '💥' => left == '⛓',
        _ => false,
    }
}

/// Whether there are a woman and a man of this emoji.
fn has_genders(c: char) -> bool {
    matches!(
        c,
        '⛹' | '🏃' | '🏄' | '🏊'..='🏌' | '👮' | '👯'..='👱' | '👳' | '👷' | '💁' | '💂' | '💆' | '💇' | '🕵' | '🙅'..='🙇'
            | '🙋' | '🙍' | '🙎' | '🚣' | '🚴'..='🚶' | '🤦' | '🤵' | '🤷'..='🤹' | '🤼'..='🤾' | '🦸' | '🦹' | '🧍'..='🧏'
            | '🧔' | '🧖'..='🧟'
    )
}
