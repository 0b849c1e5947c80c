//! Devices in each hour, as stacked bars: those that stayed, and on top of them those that passed by.

use chrono_tz::Tz;
use store::event::Timestamp;

use super::canvas::{Align, Area, Canvas, Style};
use super::palette::{BACKGROUND, BAR, DOT, GRID, STRONG_GRID};
use super::scale::{Scale, short};
use super::series::Series;
use super::{
    AXIS_LEFT, HEIGHT, LABEL_OFFSET, LABEL_STYLE, MARGIN, RIGHT, WIDTH, bars, draw_empty, head, legend,
    signal,
};

/// The distance from the plot's top up to the baseline of the legend.
const LEGEND: i32 = 48;

/// The width of an hour, in pixels, from which on there is a gap between bars.
const WIDTH_WITH_GAP: i32 = 5;

/// The devices of an hour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DevicesInHour {
    /// Those that stayed.
    pub stayed: u64,
    /// Those that passed by.
    pub passed: u64,
}

/// The labels of a picture.
#[derive(Debug, Clone, Copy)]
pub struct DeviceLabels<'a> {
    /// The title.
    pub title: &'a str,
    /// The line below it.
    pub subtitle: &'a str,
    /// The legend of those that stayed.
    pub stayed: &'a str,
    /// The legend of those that passed by.
    pub passed: &'a str,
    /// Shown if there are no devices.
    pub nothing: &'a str,
}

/// The hours of the wall clock from `from` to `to`, as their starts and ends; the first and the last may be partial. The
/// start is moved so that the period is at least an hour and at most 31 days long.
pub fn hours(from: Timestamp, to: Timestamp, zone: Tz) -> Vec<(Timestamp, Timestamp)> {
    let series = Series::new(from, to, zone);
    let bounds = |start, end| (Timestamp::from_micros(start), Timestamp::from_micros(end));
    series.hours().iter().map(|hour| bounds(hour.start, hour.end)).collect()
}

/// Renders the devices of each of the [`hours`] as a PNG file.
pub fn draw_devices(
    labels: &DeviceLabels<'_>,
    (from, to, zone): (Timestamp, Timestamp, Tz),
    devices: &[DevicesInHour],
) -> Vec<u8> {
    let axis = Series::new(from, to, zone);
    let mut canvas = Canvas::new(WIDTH, HEIGHT, BACKGROUND);
    head(&mut canvas, labels.title, labels.subtitle, zone.name());
    let most = devices.iter().map(|hour| hour.stayed.saturating_add(hour.passed)).max().unwrap_or_default();
    if most == 0 {
        draw_empty(&mut canvas, labels.nothing, &axis);
        return canvas.into_png();
    }
    let area = Area { left: AXIS_LEFT, top: 262, right: RIGHT, bottom: i32::from(HEIGHT) - 86 };
    let next = legend(&mut canvas, MARGIN, area.top - LEGEND, BAR, labels.stayed);
    legend(&mut canvas, next, area.top - LEGEND, DOT, labels.passed);

    let scale = Scale::up_to(most);
    for mark in scale.marks() {
        let y = area.y(scale.share(mark));
        canvas.fill(Area { top: y, bottom: y + 2, ..area }, if mark == 0 { STRONG_GRID } else { GRID });
        let label = Style { align: Align::Right, ..LABEL_STYLE };
        canvas.text(area.left - 16, y + LABEL_OFFSET, &short(mark), label);
    }
    bars::time_lines(&mut canvas, area, &axis);
    signal::time_labels(&mut canvas, area, &axis);
    for (hour, devices) in axis.hours().iter().zip(devices) {
        let (left, right) = (area.x(axis.share(hour.start)), area.x(axis.share(hour.end)));
        let gap = if right - left < WIDTH_WITH_GAP { 0 } else { (right - left) / 12 + 1 };
        let (left, right) = (left + gap, (right - gap).max(left + gap + 1));
        let stayed = area.y(scale.share(devices.stayed));
        let all = area.y(scale.share(devices.stayed.saturating_add(devices.passed)));
        canvas.fill(Area { left, top: stayed, right, bottom: area.bottom }, BAR);
        canvas.fill(Area { left, top: all, right, bottom: stayed }, DOT);
    }
    canvas.into_png()
}
