//! Pictures of when something was heard, for a phone: PNG, in a light and in a dark chat alike.
//!
//! A [`Series`] counts probes; [`draw`] makes a picture of it. Up to four days are bars, an hour each;
//! longer periods are a heat map, a row for each day and a column for each hour of the wall clock, with the
//! days' sums beside it. Below are the signals as dots, over the same period. Hours and days are those of
//! the series' time zone: a bar is as wide as its hour was long, an hour that the clocks skipped is hatched,
//! and one that came twice is two bars but one cell.
//!
//! It is all computed from what is given: the same series makes the same bytes.
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

use canvas::{Align, Area, Canvas, Style};
use font::Letters;
use palette::{BACKGROUND, LABEL, TEXT};

mod bars;
mod canvas;
mod font;
mod heat_map;
mod palette;
mod scale;
mod series;
mod signal;
mod time_axis;

pub use series::Series;

/// The width of every picture, in pixels. At the width of a phone's chat it is scaled down to a third or
/// so, for which the letters are made.
pub const WIDTH: u16 = 1280;

/// The height of a picture, in pixels; that of many days' heat map is greater.
pub const HEIGHT: u16 = 960;

/// From here on a period is shown as a heat map, in hours.
const HEAT_MAP_FROM: i64 = 100;

/// Left and right of everything.
const MARGIN: i32 = 48;
/// Left end of what has an axis with numbers on its left.
const AXIS: i32 = 148;
const RIGHT: i32 = WIDTH as i32 - MARGIN;

/// From a panel's top up to its heading's baseline, and from a line down to that of the label beside it.
const HEADING: i32 = 30;
const BESIDE: i32 = 12;

const LABEL_STYLE: Style = Style { size: 34.0, colour: LABEL, align: Align::Left };

/// The words in a picture.
#[derive(Debug, Clone, Copy)]
pub struct Words<'a> {
    /// Whose probes they are. This and the next may hold any text: what the font has not is drawn as a box,
    /// and what does not fit is cut.
    pub title: &'a str,
    /// The line below the title.
    pub subtitle: &'a str,
    /// Over the probes by the hour.
    pub per_hour: &'a str,
    /// Over the sums of days.
    pub per_day: &'a str,
    /// Over the signals.
    pub signal: &'a str,
    /// In place of everything where there is no probe.
    pub nothing: &'a str,
}

/// The picture of `series` as a PNG file, of well under a megabyte.
pub fn draw(words: &Words<'_>, series: &Series) -> Vec<u8> {
    let days = if series.length_hours() < HEAT_MAP_FROM { Vec::new() } else { series.days() };
    let height = HEIGHT + heat_map::further_height(days.len());
    let mut canvas = Canvas::new(WIDTH, height, BACKGROUND);
    head(&mut canvas, words, series.zone().name());

    let has_signals = series.signals().next().is_some();
    let bottom = i32::from(height) - 86;
    let upper =
        Area { left: AXIS, top: 234, right: RIGHT, bottom: if has_signals { bottom - 296 } else { bottom } };
    if series.probes() == 0 {
        nothing_heard(&mut canvas, words, series);
    } else if days.is_empty() {
        bars::draw(&mut canvas, upper, words, series);
        if !has_signals {
            signal::time_labels(&mut canvas, upper, series);
        }
    } else {
        heat_map::draw(&mut canvas, Area { bottom: upper.bottom - 40, ..upper }, words, &days);
    }
    if has_signals {
        signal::draw(&mut canvas, Area { top: bottom - 196, bottom, ..upper }, words, series);
    }
    canvas.into_png()
}

fn head(canvas: &mut Canvas, words: &Words<'_>, zone: &str) {
    let Words { title, subtitle, .. } = *words;
    let title_style = Style { size: 50.0, colour: TEXT, align: Align::Left };
    let subtitle_style = Style { size: 36.0, colour: TEXT, align: Align::Left };
    let zone_style = Style { align: Align::Right, ..LABEL_STYLE };
    let room = (RIGHT - MARGIN) as f32;
    let fitted = |text: &str, style: Style, room: f32| {
        Letters::of_size(style.size).map(|letters| letters.fitted(text, room)).unwrap_or_default()
    };
    let zone_width = Letters::of_size(zone_style.size).map_or(0.0, |letters| letters.width(zone));
    canvas.text(MARGIN, 84, &fitted(title, title_style, room), title_style);
    canvas.text(MARGIN, 140, &fitted(subtitle, subtitle_style, room - zone_width - 40.0), subtitle_style);
    canvas.text(RIGHT, 140, zone, zone_style);
}

fn nothing_heard(canvas: &mut Canvas, words: &Words<'_>, series: &Series) {
    let (from, to) = series.bounds();
    let middle = i32::from(WIDTH) / 2;
    let style = Style { size: 60.0, colour: TEXT, align: Align::Middle };
    canvas.text(middle, 530, words.nothing, style);
    let period = format!("{} – {}", from.format("%a %-d %b %H:%M"), to.format("%a %-d %b %H:%M"));
    canvas.text(middle, 594, &period, Style { align: Align::Middle, ..LABEL_STYLE });
}

#[cfg(test)]
mod tests;
