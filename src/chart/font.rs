//! The letters: Inter Medium, cut down to Latin, Greek and Cyrillic (`data/README.md`). A character that
//! the font does not have is drawn as a box; there is no shaping, so nothing turns the direction of a line.

use std::sync::LazyLock;

use ab_glyph::{Font, FontRef, GlyphId, PxScale, ScaleFont, point};

/// `None` cannot be: a test reads the file.
static INTER: LazyLock<Option<FontRef<'static>>> =
    LazyLock::new(|| FontRef::try_from_slice(include_bytes!("../../data/Inter-Medium.otf")).ok());

/// The longest text that is looked at, in characters; more do not fit on any line.
const LONGEST: usize = 400;

/// Stands for a character that the font does not have.
const REPLACEMENT: char = '□';

/// Inter at some size.
pub(super) struct Letters {
    font: &'static FontRef<'static>,
    scale: PxScale,
}

impl Letters {
    /// Letters whose em is `size` pixels.
    pub(super) fn of_size(size: f32) -> Option<Self> {
        let font = INTER.as_ref()?;
        // ab_glyph scales to the height of a line, not to the em.
        let line = font.height_unscaled() / font.units_per_em()?;
        Some(Self { font, scale: PxScale::from(size * line) })
    }

    /// The glyph of `c`, or the box.
    fn glyph(&self, c: char) -> GlyphId {
        match self.font.glyph_id(c) {
            GlyphId(0) => self.font.glyph_id(REPLACEMENT),
            glyph => glyph,
        }
    }

    fn advance(&self, c: char) -> f32 {
        self.font.as_scaled(self.scale).h_advance(self.glyph(c))
    }

    /// How wide `text` is, in pixels.
    pub(super) fn width(&self, text: &str) -> f32 {
        text.chars().take(LONGEST).map(|c| self.advance(c)).sum()
    }

    /// `text` as it is where it is no wider than `room` pixels, else its beginning and an ellipsis.
    pub(super) fn fitted(&self, text: &str, room: f32) -> String {
        if text.chars().nth(LONGEST).is_none() && self.width(text) <= room {
            return text.to_owned();
        }
        let mut left = room - self.advance('…');
        let fits = |c: &char| {
            left -= self.advance(*c);
            left >= 0.0
        };
        let kept: String = text.chars().take(LONGEST).take_while(fits).collect();
        format!("{}…", kept.trim_end())
    }

    /// Gives `paint` each pixel of `text`, whose line starts at `x` and stands on `baseline`, with the
    /// share of it that is covered, from 0 to 1.
    pub(super) fn draw(&self, text: &str, x: f32, baseline: f32, mut paint: impl FnMut(i32, i32, f32)) {
        let mut x = x;
        for c in text.chars().take(LONGEST) {
            let glyph = self.glyph(c).with_scale_and_position(self.scale, point(x, baseline));
            if let Some(outline) = self.font.outline_glyph(glyph) {
                let corner = outline.px_bounds().min;
                outline.draw(|dx, dy, cover| {
                    paint(corner.x as i32 + dx as i32, corner.y as i32 + dy as i32, cover)
                });
            }
            x += self.advance(c);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_font_has_what_charts_say_and_what_names_are_made_of() {
        let letters = Letters::of_size(30.0).unwrap();
        for c in "Probes per hour 0123456789:.,−-…·/+()\"'\\ äöüßÉñłŞΩяЖії€№".chars() {
            assert_ne!(letters.glyph(c), letters.glyph('📡'), "{c}");
        }
    }

    #[test]
    fn what_the_font_has_not_is_a_box() {
        let letters = Letters::of_size(30.0).unwrap();
        for text in ["📡", "網", "\u{202e}", "\n", "\u{0}", "ﷺ"] {
            let mut pixels = 0;
            letters.draw(text, 0.0, 40.0, |_, _, cover| pixels += i32::from(cover > 0.5));
            assert!(pixels > 20, "{text:?}");
        }
    }

    #[test]
    fn fitting_keeps_to_the_room() {
        let letters = Letters::of_size(30.0).unwrap();
        assert_eq!(letters.fitted("Kitchen tablet", 1000.0), "Kitchen tablet");
        for text in ["Kitchen tablet in the kitchen".to_owned(), "📡".repeat(90), "i".repeat(100_000)] {
            for room in [20.0, 100.0, 333.0] {
                let fitted = letters.fitted(&text, room);
                assert!(fitted.ends_with('…'), "{fitted}");
                assert!(letters.width(&fitted) <= room.max(letters.width("…")), "{fitted}");
            }
        }
    }
}
