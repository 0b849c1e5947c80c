//! Who was in range, as a lane for each device: the times at which it was there are bars.

use std::time::Duration;

use chrono_tz::Tz;
use store::event::Timestamp;

use super::canvas::{Align, Area, Canvas, Style};
use super::font::ScaledFont;
use super::palette::{BACKGROUND, BAR, DOT, EMPTY_CELL, LABEL, STRONG_GRID, TEXT};
use super::series::Series;
use super::time_axis::Mark;
use super::{
    HEADING, HEIGHT, LABEL_OFFSET, LABEL_STYLE, MARGIN, RIGHT, WIDTH, draw_empty, head, legend, time_axis,
};

/// The most lanes of a picture.
pub const LANE_LIMIT: usize = 20;

/// The left end of the bars, right of the devices' labels.
const LANES_LEFT: i32 = 392;
const LANES_TOP: i32 = 244;
const LANE_HEIGHT: i32 = 52;
const LANE_GAP: i32 = 8;

/// The space for a label of the time axis, in pixels.
const LABEL_SPACE: i32 = 130;

/// The shortest bar, in pixels: a device that was seen once is visible.
const SHORTEST_BAR: i32 = 8;

/// A device and the times at which it was in range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    /// Its label: any text, which is cut if it does not fit.
    pub label: String,
    /// Whether it is a stranger.
    pub is_stranger: bool,
    /// The times of its first and last frame, of each time that it was there.
    pub intervals: Vec<(Timestamp, Timestamp)>,
}

/// The labels of a picture.
#[derive(Debug, Clone, Copy)]
pub struct LaneLabels<'a> {
    /// The title.
    pub title: &'a str,
    /// The line below it.
    pub subtitle: &'a str,
    /// The legend of strangers.
    pub strangers: &'a str,
    /// The legend of the others.
    pub others: &'a str,
    /// The line below the lanes, if some devices have none.
    pub more: Option<&'a str>,
    /// Shown if there are no devices.
    pub nothing: &'a str,
}

/// Renders the lanes as a PNG file; those beyond [`LANE_LIMIT`] are left out.
pub fn draw_lanes(
    labels: &LaneLabels<'_>,
    (from, to, zone): (Timestamp, Timestamp, Tz),
    lanes: &[Lane],
) -> Vec<u8> {
    let lanes: Vec<&Lane> = lanes.iter().take(LANE_LIMIT).collect();
    let axis = Axis { from, to, zone };
    let rows = LANE_HEIGHT * lanes.len() as i32;
    let bottom = LANES_TOP + rows;
    let height = match (lanes.is_empty(), labels.more) {
        (true, _) => i32::from(HEIGHT),
        (false, Some(_)) => bottom + 150,
        (false, None) => bottom + 90,
    };
    let mut canvas = Canvas::new(WIDTH, height as u16, BACKGROUND);
    head(&mut canvas, labels.title, labels.subtitle, zone.name());
    if lanes.is_empty() {
        draw_empty(&mut canvas, labels.nothing, &axis.series());
        return canvas.into_png();
    }
    let next = legend(&mut canvas, MARGIN, LANES_TOP - HEADING, DOT, labels.strangers);
    legend(&mut canvas, next, LANES_TOP - HEADING, BAR, labels.others);

    let area = Area { left: LANES_LEFT, top: LANES_TOP, right: RIGHT, bottom };
    let x = |time: Timestamp| area.x(axis.share(time.as_micros()));
    let marks = axis.marks(area);
    for (row, lane) in (0..).zip(&lanes) {
        let top = area.top + LANE_HEIGHT * row;
        let lane_area = Area { top, bottom: top + LANE_HEIGHT - LANE_GAP, ..area };
        canvas.fill_rounded(lane_area, 5.0, EMPTY_CELL);
        lane_label(&mut canvas, lane_area, lane);
    }
    for mark in &marks {
        let x = area.x(axis.share(mark.time));
        canvas.fill(Area { left: x - 1, right: x + 1, ..area }, STRONG_GRID);
    }
    for (row, lane) in (0..).zip(&lanes) {
        let top = area.top + LANE_HEIGHT * row;
        for (start, end) in &lane.intervals {
            let (left, right) = (x(*start), x(*end));
            // Around its middle, but not beyond the lane.
            let left = left.min((left + right - SHORTEST_BAR) / 2).max(area.left);
            let right = right.max(left + SHORTEST_BAR).min(area.right);
            let left = left.min(right - SHORTEST_BAR);
            let bar = Area { left, top: top + 4, right, bottom: top + LANE_HEIGHT - LANE_GAP - 4 };
            canvas.fill_rounded(bar, 4.0, if lane.is_stranger { DOT } else { BAR });
        }
    }
    time_labels(&mut canvas, area, &axis, &marks);
    if let Some(more) = labels.more {
        canvas.text(MARGIN, bottom + 110, more, LABEL_STYLE);
    }
    canvas.into_png()
}

fn lane_label(canvas: &mut Canvas, lane_area: Area, lane: &Lane) {
    let Some(letters) = ScaledFont::of_size(LABEL_STYLE.size) else { return };
    let label = letters.fitted(&lane.label, (LANES_LEFT - MARGIN - 20) as f32);
    let baseline = (lane_area.top + lane_area.bottom) / 2 + LABEL_OFFSET;
    canvas.text(MARGIN, baseline, &label, Style { colour: TEXT, ..LABEL_STYLE });
}

/// The period of the lanes.
struct Axis {
    from: Timestamp,
    to: Timestamp,
    zone: Tz,
}

impl Axis {
    /// The hours and days of the period, which is at least an hour long there.
    fn series(&self) -> Series {
        let shortest = self.from.saturating_add(Duration::from_secs(3600));
        Series::new(self.from, self.to.max(shortest), self.zone)
    }

    /// The position of a time in the period, from 0 to 1.
    fn share(&self, time: i64) -> f64 {
        let (from, to) = (self.from.as_micros() as f64, self.to.as_micros() as f64);
        ((time as f64 - from) / (to - from).max(1.0)).clamp(0.0, 1.0)
    }

    /// The marks within the period, as many as have space for their labels.
    fn marks(&self, area: Area) -> Vec<Mark> {
        let mut marks = time_axis::marks(&self.series());
        marks.retain(|mark| mark.time < self.to.as_micros());
        let labels_that_fit = (area.width() / LABEL_SPACE).max(1) as usize;
        let step = marks.len().div_ceil(labels_that_fit).max(1);
        marks.into_iter().step_by(step).collect()
    }
}

/// The labels of the time axis: its start, its end, and the marks between them that do not touch another label.
fn time_labels(canvas: &mut Canvas, area: Area, axis: &Axis, marks: &[Mark]) {
    let Some(letters) = ScaledFont::of_size(LABEL_STYLE.size) else { return };
    let baseline = area.bottom + 46;
    let [from, to] =
        [axis.from, axis.to].map(|time| time.to_utc().with_timezone(&axis.zone).format("%H:%M").to_string());
    let ends = Style { colour: LABEL, ..LABEL_STYLE };
    canvas.text(area.left, baseline, &from, ends);
    canvas.text(area.right, baseline, &to, Style { align: Align::Right, ..ends });
    let mut free_from = area.left + letters.width(&from) as i32 + 8;
    let free_to = area.right - letters.width(&to) as i32 - 8;
    for mark in marks {
        let x = area.x(axis.share(mark.time));
        let half = (letters.width(&mark.text) / 2.0) as i32 + 8;
        if x - half < free_from || x + half > free_to {
            continue;
        }
        free_from = x + half;
        let colour = if mark.is_day { TEXT } else { LABEL };
        canvas.text(x, baseline, &mark.text, Style { colour, align: Align::Middle, ..LABEL_STYLE });
    }
}
