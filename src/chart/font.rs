//! The font: Inter Medium, reduced to Latin, Greek and Cyrillic (`data/README.md`). Missing characters are drawn as a
//! box. There is no shaping, so no character can change the direction of a line.

use std::sync::LazyLock;

use ab_glyph::{Font, FontRef, GlyphId, PxScale, ScaleFont, point};

/// Never `None`: a test reads the file.
static INTER: LazyLock<Option<FontRef<'static>>> =
    LazyLock::new(|| FontRef::try_from_slice(include_bytes!("../../data/Inter-Medium.otf")).ok());

/// The longest text that is measured, in characters; more never fit on a line.
const MAX_CHARS: usize = 400;

/// Replaces characters missing from the font.
const REPLACEMENT: char = '□';

/// The font at some size.
pub(super) struct ScaledFont {
    font: &'static FontRef<'static>,
    scale: PxScale,
}

impl ScaledFont {
    /// ScaledFont whose em is `size` pixels.
    pub(super) fn of_size(size: f32) -> Option<Self> {
        let font = INTER.as_ref()?;
        // ab_glyph scales by line height, not by em.
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

    /// The width of `text`, in pixels.
    pub(super) fn width(&self, text: &str) -> f32 {
        text.chars().take(MAX_CHARS).map(|c| self.advance(c)).sum()
    }

    /// `text`, cut with an ellipsis if it is wider than `max_width` pixels.
    pub(super) fn fitted(&self, text: &str, max_width: f32) -> String {
        if text.chars().nth(MAX_CHARS).is_none() && self.width(text) <= max_width {
            return text.to_owned();
        }
        let mut left = max_width - self.advance('…');
        let fits = |c: &char| {
            left -= self.advance(*c);
            left >= 0.0
        };
        let kept: String = text.chars().take(MAX_CHARS).take_while(fits).collect();
        format!("{}…", kept.trim_end())
    }

    /// Calls `paint` for each pixel of `text` at `x` on `baseline`, with its coverage from 0 to 1.
    pub(super) fn draw(&self, text: &str, x: f32, baseline: f32, mut paint: impl FnMut(i32, i32, f32)) {
        let mut x = x;
        for c in text.chars().take(MAX_CHARS) {
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
    fn the_font_covers_labels_and_common_names() {
        let letters = ScaledFont::of_size(30.0).unwrap();
        for c in "Probes per hour 0123456789:.,−-…·/+()\"'\\ äöüßÉñłŞΩяЖії€№".chars() {
            assert_ne!(letters.glyph(c), letters.glyph('📡'), "{c}");
        }
    }

    #[test]
    fn missing_characters_become_boxes() {
        let letters = ScaledFont::of_size(30.0).unwrap();
        for text in ["📡", "網", "\u{202e}", "\n", "\u{0}", "ﷺ"] {
            let mut pixels = 0;
            letters.draw(text, 0.0, 40.0, |_, _, cover| pixels += i32::from(cover > 0.5));
            assert!(pixels > 20, "{text:?}");
        }
    }

    #[test]
    fn fitted_text_is_never_too_wide() {
        let letters = ScaledFont::of_size(30.0).unwrap();
        assert_eq!(letters.fitted("Kitchen tablet", 1000.0), "Kitchen tablet");
        for text in ["Kitchen tablet in the kitchen".to_owned(), "📡".repeat(90), "i".repeat(100_000)] {
            for max_width in [20.0, 100.0, 333.0] {
                let fitted = letters.fitted(&text, max_width);
                assert!(fitted.ends_with('…'), "{fitted}");
                assert!(letters.width(&fitted) <= max_width.max(letters.width("…")), "{fitted}");
            }
        }
    }
}
