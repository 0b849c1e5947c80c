//! Probes by day and hour: a row per day, a column per hour of the wall clock, and each day's total as a bar beside its
//! row.

use chrono::{Datelike, Weekday};

use super::canvas::{Align, Area, Canvas, Style};
use super::palette::{BAR, Colour, EMPTY_CELL, GRID, STRONG_GRID, heat};
use super::scale::{Scale, short};
use super::series::{Cell, Day};
use super::{HEADING, LABEL_OFFSET, LABEL_STYLE, Labels, MARGIN, RIGHT, time_axis};

/// The left end of the cells, right of the days' labels.
const CELLS_LEFT: i32 = 264;
const CELL_WIDTH: i32 = 33;
/// The left end of the days' bars.
const DAY_TOTALS_LEFT: i32 = CELLS_LEFT + 24 * CELL_WIDTH + 28;

/// The row height from which on cells are distinguishable.
const MIN_ROW_HEIGHT: u16 = 18;
/// The row height from which on the day's label fits.
const MIN_LABELLED_HEIGHT: i32 = 36;

/// The gap between cells.
const CELL_GAP: i32 = 2;

/// The height for rows in a picture of the default height.
const DEFAULT_ROWS_HEIGHT: u16 = 304;

/// How many pixels above the default height a picture of `days` days needs.
pub(super) fn extra_height(days: usize) -> u16 {
    let days = u16::try_from(days).unwrap_or(u16::MAX);
    days.saturating_mul(MIN_ROW_HEIGHT).saturating_sub(DEFAULT_ROWS_HEIGHT).min(400)
}

/// Draws `days` into `area` and the hours' labels below it.
pub(super) fn draw(canvas: &mut Canvas, area: Area, labels: &Labels<'_>, days: &[Day]) {
    let most = days.iter().flat_map(|day| &day.cells).map(|cell| cell.probes()).max().unwrap_or_default();
    // The scale ends at two or more, so that the legend's ends differ.
    let hourly = Scale::up_to(most.max(2));
    let daily = Scale::up_to(days.iter().map(Day::probes).max().unwrap_or_default());
    let row_height = area.height() / (days.len() as i32).max(1);

    legend(canvas, area.top - HEADING, labels.per_hour, hourly);
    canvas.text(DAY_TOTALS_LEFT, area.top - HEADING, labels.per_day, LABEL_STYLE);
    let rows_end = area.top + row_height * days.len() as i32;
    for (place, day) in days.iter().enumerate() {
        let top = area.top + row_height * place as i32;
        let row = Area { left: CELLS_LEFT, top, right: DAY_TOTALS_LEFT, bottom: top + row_height - CELL_GAP };
        for (hour, cell) in day.cells.iter().enumerate() {
            let left = CELLS_LEFT + CELL_WIDTH * hour as i32;
            let area = Area { left, right: left + CELL_WIDTH - CELL_GAP, ..row };
            match *cell {
                Cell::Outside => {}
                Cell::Skipped => canvas.hatch(area, STRONG_GRID),
                Cell::Captured(0) => canvas.fill_rounded(area, 3.0, EMPTY_CELL),
                Cell::Captured(probes) => canvas.fill_rounded(area, 3.0, cell_colour(hourly, probes)),
            }
        }
        let sum = Area { left: DAY_TOTALS_LEFT, right: RIGHT, ..row };
        let end = sum.x(daily.share(day.probes()));
        canvas.fill(Area { right: DAY_TOTALS_LEFT + 2, bottom: top + row_height, ..sum }, STRONG_GRID);
        if day.probes() > 0 {
            canvas.fill_rounded(Area { right: end.max(DAY_TOTALS_LEFT + 4), ..sum }, 3.0, BAR);
        }
        if row_height >= MIN_LABELLED_HEIGHT || day.date.weekday() == Weekday::Mon {
            let baseline = top + (row_height - CELL_GAP) / 2 + LABEL_OFFSET;
            canvas.text(MARGIN, baseline, &time_axis::day(day.date), LABEL_STYLE);
        }
    }
    for hour in (0..=24).step_by(3) {
        let x = CELLS_LEFT + CELL_WIDTH * hour - CELL_GAP / 2;
        let label = Style { align: Align::Middle, ..LABEL_STYLE };
        canvas.text(x, rows_end + 38, &format!("{hour:02}"), label);
    }
    canvas.text(RIGHT, rows_end + 38, &short(daily.end), Style { align: Align::Right, ..LABEL_STYLE });
    canvas.fill(Area { left: RIGHT - 2, top: area.top, right: RIGHT, bottom: rows_end }, GRID);
}

/// The colour of a cell with probes, from one up to the scale's end. The square root keeps quiet hours distinguishable
/// next to a busy one.
fn cell_colour(scale: Scale, probes: u64) -> Colour {
    let share = probes.saturating_sub(1) as f64 / scale.end.saturating_sub(1).max(1) as f64;
    heat(share.sqrt() as f32)
}

/// The legend of the colours.
fn legend(canvas: &mut Canvas, baseline: i32, what: &str, scale: Scale) {
    canvas.text(MARGIN, baseline, what, LABEL_STYLE);
    let ramp = Area { left: 450, top: baseline - 22, right: 750, bottom: baseline + 2 };
    for x in ramp.left..ramp.right {
        let share = f64::from(x - ramp.left) / f64::from(ramp.width());
        canvas.fill(Area { left: x, right: x + 1, ..ramp }, heat(share as f32));
    }
    canvas.text(ramp.left - 16, baseline, "1", Style { align: Align::Right, ..LABEL_STYLE });
    canvas.text(ramp.right + 16, baseline, &short(scale.end), LABEL_STYLE);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cell_colours_match_the_legend() {
        for most in [2, 6, 1_730] {
            let scale = Scale::up_to(most);
            assert_eq!(cell_colour(scale, 1), heat(0.0), "the legend begins at 1");
            assert_eq!(cell_colour(scale, scale.end), heat(1.0), "and ends at {}", scale.end);
        }
    }
}
