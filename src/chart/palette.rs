//! The colours: light on dark slate, which suits Telegram's dark and light themes. Tests check the contrast ratios of
//! WCAG 2.

/// A colour in sRGB: red, green and blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Colour(pub(super) [u8; 3]);

impl Colour {
    const fn hex(rgb: u32) -> Self {
        let [_, red, green, blue] = rgb.to_be_bytes();
        Self([red, green, blue])
    }

    /// This colour mixed with `share` of `other`, from 0 to 1.
    pub(super) fn mixed(self, other: Self, share: f32) -> Self {
        let share = share.clamp(0.0, 1.0);
        let Self([r, g, b]) = self;
        let Self([other_r, other_g, other_b]) = other;
        let mix = |a: u8, b: u8| (f32::from(a) + (f32::from(b) - f32::from(a)) * share).round() as u8;
        Self([mix(r, other_r), mix(g, other_g), mix(b, other_b)])
    }
}

pub(super) const BACKGROUND: Colour = Colour::hex(0x1c_25_33);
pub(super) const TEXT: Colour = Colour::hex(0xf1_f4_f8);
/// Axis labels and other secondary text.
pub(super) const LABEL: Colour = Colour::hex(0xb4_c0_cf);
pub(super) const GRID: Colour = Colour::hex(0x36_43_56);
/// The start of a day, and the base line of bars.
pub(super) const STRONG_GRID: Colour = Colour::hex(0x5b_6a_80);
pub(super) const BAR: Colour = Colour::hex(0x56_b4_f5);
pub(super) const DOT: Colour = Colour::hex(0xff_b6_55);
/// An hour of the heat map without probes.
pub(super) const EMPTY_CELL: Colour = Colour::hex(0x28_33_44);

const HEAT: [Colour; 4] =
    [Colour::hex(0x2f_6a_9e), Colour::hex(0x2f_96_b4), Colour::hex(0x6c_cb_9b), Colour::hex(0xfd_e9_7c)];

/// The colour of a cell, from the least (0) to the most (1) probes.
pub(super) fn heat(share: f32) -> Colour {
    let [a, b, c, d] = HEAT;
    match share.clamp(0.0, 1.0) * 3.0 {
        place if place < 1.0 => a.mixed(b, place),
        place if place < 2.0 => b.mixed(c, place - 1.0),
        place => c.mixed(d, place - 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn luminance(Colour(rgb): Colour) -> f64 {
        let [r, g, b] = rgb.map(|channel| {
            let channel = f64::from(channel) / 255.0;
            if channel <= 0.04045 { channel / 12.92 } else { ((channel + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * r + 0.7152 * g + 0.0722 * b
    }

    fn contrast(one: Colour, other: Colour) -> f64 {
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    #[test]
    fn every_colour_contrasts_with_the_background() {
        for (colour, least) in
            [(TEXT, 12.0), (LABEL, 7.0), (BAR, 6.0), (DOT, 6.0), (STRONG_GRID, 2.5), (GRID, 1.4)]
        {
            assert!(contrast(colour, BACKGROUND) > least, "{colour:?}: {}", contrast(colour, BACKGROUND));
        }
    }

    #[test]
    fn more_probes_are_lighter_and_one_differs_from_none() {
        assert!(contrast(heat(0.0), EMPTY_CELL) > 1.8, "{}", contrast(heat(0.0), EMPTY_CELL));
        for step in 0..100 {
            assert!(luminance(heat(step as f32 / 100.0)) < luminance(heat((step + 1) as f32 / 100.0)));
        }
    }
}
