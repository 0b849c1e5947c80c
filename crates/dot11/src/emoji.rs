//! Which emoji a zero-width joiner joins.

/// What joins emoji into one.
pub(crate) const ZERO_WIDTH_JOINER: char = '\u{200d}';

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
