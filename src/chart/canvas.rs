//! A canvas of pixels with the shapes that charts need. Everything outside is clipped.

use super::font::ScaledFont;
use super::palette::Colour;

/// A rectangle of pixels; right and bottom are exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) left: i32,
    pub(super) top: i32,
    pub(super) right: i32,
    pub(super) bottom: i32,
}

impl Area {
    pub(super) const fn width(self) -> i32 {
        self.right - self.left
    }

    pub(super) const fn height(self) -> i32 {
        self.bottom - self.top
    }

    /// The x coordinate at `share` of the width, from 0 (left) to 1.
    pub(super) fn x(self, share: f64) -> i32 {
        self.left + (f64::from(self.width()) * share).round() as i32
    }

    /// The y coordinate at `share` of the height, from 0 (bottom) to 1.
    pub(super) fn y(self, share: f64) -> i32 {
        self.bottom - (f64::from(self.height()) * share).round() as i32
    }
}

/// The anchor of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Middle,
    Right,
}

/// The style of a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    /// The font size, in pixels per em.
    pub(super) size: f32,
    pub(super) colour: Colour,
    pub(super) align: Align,
}

/// A picture in progress.
pub(super) struct Canvas {
    width: i32,
    height: i32,
    /// RGB, row by row.
    pixels: Vec<u8>,
}

impl Canvas {
    pub(super) fn new(width: u16, height: u16, colour: Colour) -> Self {
        let Colour(rgb) = colour;
        Self {
            width: i32::from(width),
            height: i32::from(height),
            pixels: rgb.repeat(usize::from(width) * usize::from(height)),
        }
    }

    /// Blends `share` (0 to 1) of `colour` over a pixel.
    fn blend(&mut self, x: i32, y: i32, colour: Colour, share: f32) {
        if !(0..self.width).contains(&x) || !(0..self.height).contains(&y) {
            return;
        }
        let place = (y * self.width + x) as usize * 3;
        if let Some(pixel) = self.pixels.get_mut(place..).and_then(<[u8]>::first_chunk_mut::<3>) {
            *pixel = Colour(*pixel).mixed(colour, share).0;
        }
    }

    pub(super) fn fill(&mut self, area: Area, colour: Colour) {
        self.fill_rounded(area, 0.0, colour);
    }

    /// Fills `area` with corners rounded by up to `radius` pixels.
    pub(super) fn fill_rounded(&mut self, area: Area, radius: f32, colour: Colour) {
        // Half a pixel is a sharp corner.
        let radius = radius.min(area.width().min(area.height()) as f32 / 2.0).max(0.5);
        for y in area.top.max(0)..area.bottom.min(self.height) {
            for x in area.left.max(0)..area.right.min(self.width) {
                // The distance of the pixel's centre from the centre of the nearest corner's circle.
                let beyond = |at: i32, from: i32, to: i32| {
                    let at = at as f32 + 0.5;
                    (from as f32 + radius - at).max(at - (to as f32 - radius)).max(0.0)
                };
                let distance = beyond(x, area.left, area.right).hypot(beyond(y, area.top, area.bottom));
                self.blend(x, y, colour, radius - distance + 0.5);
            }
        }
    }

    /// Fills `area` with slanted lines.
    pub(super) fn hatch(&mut self, area: Area, colour: Colour) {
        for y in area.top..area.bottom {
            for x in area.left..area.right {
                if (x + y).rem_euclid(8) < 2 {
                    self.blend(x, y, colour, 1.0);
                }
            }
        }
    }

    /// A disc around a point with opacity `share` (0 to 1).
    pub(super) fn dot(&mut self, x: f32, y: f32, radius: f32, colour: Colour, share: f32) {
        for row in (y - radius).floor() as i32..=(y + radius).ceil() as i32 {
            for column in (x - radius).floor() as i32..=(x + radius).ceil() as i32 {
                let distance = (column as f32 + 0.5 - x).hypot(row as f32 + 0.5 - y);
                let cover = (radius - distance + 0.5).clamp(0.0, 1.0);
                self.blend(column, row, colour, cover * share);
            }
        }
    }

    /// Writes `text` on `baseline`.
    pub(super) fn text(&mut self, x: i32, baseline: i32, text: &str, style: Style) {
        let Some(letters) = ScaledFont::of_size(style.size) else { return };
        let left = match style.align {
            Align::Left => x as f32,
            Align::Middle => x as f32 - letters.width(text) / 2.0,
            Align::Right => x as f32 - letters.width(text),
        };
        letters.draw(text, left, baseline as f32, |x, y, cover| self.blend(x, y, style.colour, cover));
    }

    /// The picture as a PNG file.
    pub(super) fn into_png(self) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, self.width.unsigned_abs(), self.height.unsigned_abs());
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        // Writing to memory cannot fail, and the data has the size in the header.
        let _ = encoder.write_header().and_then(|mut writer| writer.write_image_data(&self.pixels));
        file
    }
}

#[cfg(test)]
mod tests {
    use super::super::palette::{BACKGROUND, BAR, TEXT};
    use super::*;

    #[test]
    fn clips_outside_the_canvas() {
        let mut canvas = Canvas::new(10, 10, BACKGROUND);
        let outside = Area { left: -50, top: 5, right: 0, bottom: 400 };
        canvas.fill(outside, BAR);
        canvas.fill_rounded(Area { left: 10, top: -3, right: 3, bottom: 4 }, 5.0, BAR);
        canvas.hatch(outside, BAR);
        canvas.dot(-20.0, 1e6, 5.0, BAR, 1.0);
        canvas.text(200, 200, "far", Style { size: 20.0, colour: TEXT, align: Align::Left });
        assert_eq!(canvas.pixels, BACKGROUND.0.repeat(100));
    }

    #[test]
    fn fills_exactly_the_area() {
        let mut canvas = Canvas::new(4, 3, BACKGROUND);
        canvas.fill(Area { left: 1, top: 1, right: 3, bottom: 2 }, BAR);
        let is_bar: Vec<bool> = canvas.pixels.chunks(3).map(|pixel| pixel == BAR.0).collect();
        let (x, o) = (true, false);
        assert_eq!(is_bar, [o, o, o, o, o, x, x, o, o, o, o, o]);
    }
}
