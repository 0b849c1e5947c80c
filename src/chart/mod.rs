//! Charts of probes over time, as PNG pictures for a phone, readable in light and dark chats.
//!
//! A [`Series`] counts probes; [`draw`] renders it. Up to four days are bars, one per hour. Longer periods are a heat map
//! with a row per day and a column per hour of the wall clock, and each day's total beside it. Below are the signals as dots
//! over the same period. Hours and days follow the series' time zone: a bar is as wide as its hour was long, an hour that
//! the clocks skipped is hatched, and one that came twice is two bars but one cell.
//!
//! [`draw_devices`] renders the devices of each hour as stacked bars, and [`draw_lanes`] a row for each device with the times
//! at which it was in range.
//!
//! Rendering is pure: the same series gives the same bytes.
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

use canvas::{Align, Area, Canvas, Style};
use font::ScaledFont;
use palette::{BACKGROUND, Colour, LABEL, TEXT};

mod bars;
mod canvas;
mod device_bars;
mod font;
mod heat_map;
mod lanes;
mod palette;
mod scale;
mod series;
mod signal;
mod time_axis;

pub use device_bars::{DeviceLabels, DevicesInHour, draw_devices, hours};
pub use lanes::{LANE_LIMIT, Lane, LaneLabels, draw_lanes};
pub use series::Series;

/// The width of every picture, in pixels. A phone scales it down to about a third; the font sizes allow for that.
pub const WIDTH: u16 = 1280;

/// The height of a picture, in pixels; a heat map of many days is higher.
pub const HEIGHT: u16 = 960;

/// The period from which on a chart is a heat map, in hours.
const HEAT_MAP_FROM_HOURS: i64 = 100;

/// The left and right margin.
const MARGIN: i32 = 48;
/// The left end of a plot with a labelled axis.
const AXIS_LEFT: i32 = 148;
const RIGHT: i32 = WIDTH as i32 - MARGIN;

/// The distance from a panel's top up to its heading's baseline, and from a grid line down to its label's baseline.
const HEADING: i32 = 30;
const LABEL_OFFSET: i32 = 12;

const LABEL_STYLE: Style = Style { size: 34.0, colour: LABEL, align: Align::Left };

/// The labels in a picture.
#[derive(Debug, Clone, Copy)]
pub struct Labels<'a> {
    /// The subject of the chart. This and the next may be any text: characters missing from the font become boxes, and
    /// text that does not fit is cut.
    pub title: &'a str,
    /// The line below the title.
    pub subtitle: &'a str,
    /// The heading of the probes per hour.
    pub per_hour: &'a str,
    /// The heading of the days' totals.
    pub per_day: &'a str,
    /// The heading of the signals.
    pub signal: &'a str,
    /// Shown if there are no probes.
    pub nothing: &'a str,
}

/// Renders `series` as a PNG file of well under a megabyte.
pub fn draw(labels: &Labels<'_>, series: &Series) -> Vec<u8> {
    let days = if series.length_hours() < HEAT_MAP_FROM_HOURS { Vec::new() } else { series.days() };
    let height = HEIGHT + heat_map::extra_height(days.len());
    let mut canvas = Canvas::new(WIDTH, height, BACKGROUND);
    head(&mut canvas, labels.title, labels.subtitle, series.zone().name());

    let has_signals = series.signals().next().is_some();
    let bottom = i32::from(height) - 86;
    let upper = Area {
        left: AXIS_LEFT,
        top: 234,
        right: RIGHT,
        bottom: if has_signals { bottom - 296 } else { bottom },
    };
    if series.probes() == 0 {
        draw_empty(&mut canvas, labels.nothing, series);
    } else if days.is_empty() {
        bars::draw(&mut canvas, upper, labels, series);
        if !has_signals {
            signal::time_labels(&mut canvas, upper, series);
        }
    } else {
        heat_map::draw(&mut canvas, Area { bottom: upper.bottom - 40, ..upper }, labels, &days);
    }
    if has_signals {
        signal::draw(&mut canvas, Area { top: bottom - 196, bottom, ..upper }, labels, series);
    }
    canvas.into_png()
}

fn head(canvas: &mut Canvas, title: &str, subtitle: &str, zone: &str) {
    let title_style = Style { size: 50.0, colour: TEXT, align: Align::Left };
    let subtitle_style = Style { size: 36.0, colour: TEXT, align: Align::Left };
    let zone_style = Style { align: Align::Right, ..LABEL_STYLE };
    let max_width = (RIGHT - MARGIN) as f32;
    let fitted = |text: &str, style: Style, max_width: f32| {
        ScaledFont::of_size(style.size).map(|letters| letters.fitted(text, max_width)).unwrap_or_default()
    };
    let zone_width = ScaledFont::of_size(zone_style.size).map_or(0.0, |letters| letters.width(zone));
    canvas.text(MARGIN, 84, &fitted(title, title_style, max_width), title_style);
    canvas.text(
        MARGIN,
        140,
        &fitted(subtitle, subtitle_style, max_width - zone_width - 40.0),
        subtitle_style,
    );
    canvas.text(RIGHT, 140, zone, zone_style);
}

/// A box with its label, which starts at `left`; returns where the next may start.
fn legend(canvas: &mut Canvas, left: i32, baseline: i32, colour: Colour, label: &str) -> i32 {
    canvas.fill_rounded(
        Area { left, top: baseline - 24, right: left + 26, bottom: baseline + 2 },
        5.0,
        colour,
    );
    canvas.text(left + 40, baseline, label, LABEL_STYLE);
    let width = ScaledFont::of_size(LABEL_STYLE.size).map_or(0.0, |letters| letters.width(label));
    left + 40 + width as i32 + 48
}

fn draw_empty(canvas: &mut Canvas, nothing: &str, series: &Series) {
    let (from, to) = series.bounds();
    let middle = i32::from(WIDTH) / 2;
    let style = Style { size: 60.0, colour: TEXT, align: Align::Middle };
    canvas.text(middle, 530, nothing, style);
    let period = format!("{} – {}", from.format("%a %-d %b %H:%M"), to.format("%a %-d %b %H:%M"));
    canvas.text(middle, 594, &period, Style { align: Align::Middle, ..LABEL_STYLE });
}

#[cfg(test)]
mod tests;
