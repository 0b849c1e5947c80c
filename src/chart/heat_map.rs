//! Probes by day and hour: a row for each day, a column for each hour of the wall clock, and each day's sum
//! as a bar beside its row.

use chrono::{Datelike, Weekday};

use super::canvas::{Align, Area, Canvas, Style};
use super::palette::{BAR, Colour, EMPTY_CELL, GRID, STRONG_GRID, heat};
use super::scale::{Scale, short};
use super::series::{Cell, Day};
use super::{BESIDE, HEADING, LABEL_STYLE, MARGIN, RIGHT, Words, time_axis};

/// Left end of the cells; the days' names are before it.
const CELLS: i32 = 264;
const CELL_WIDTH: i32 = 33;
/// Left end of the days' bars.
const SUMS: i32 = CELLS + 24 * CELL_WIDTH + 28;

/// The lowest row in which a cell can be told from its neighbours.
const LOWEST_ROW: u16 = 18;
/// The lowest row that has room for its day's name.
const LOWEST_LABEL: i32 = 36;

/// Gap between cells.
const GAP: i32 = 2;

/// The height that there is for rows in a picture of the usual height, above signals.
const USUAL: u16 = 304;

/// How many pixels a picture must be higher than usual to show so many days.
pub(super) fn further_height(days: usize) -> u16 {
    let days = u16::try_from(days).unwrap_or(u16::MAX);
    days.saturating_mul(LOWEST_ROW).saturating_sub(USUAL).min(400)
}

/// Draws `days` into `area` and the hours' labels below it.
pub(super) fn draw(canvas: &mut Canvas, area: Area, words: &Words<'_>, days: &[Day]) {
    let most = days.iter().flat_map(|day| &day.cells).map(|cell| cell.probes()).max().unwrap_or_default();
    // From one to at least two, so that the legend's ends differ.
    let hourly = Scale::up_to(most.max(2));
    let daily = Scale::up_to(days.iter().map(Day::probes).max().unwrap_or_default());
    let row_height = area.height() / (days.len() as i32).max(1);

    legend(canvas, area.top - HEADING, words.per_hour, hourly);
    canvas.text(SUMS, area.top - HEADING, words.per_day, LABEL_STYLE);
    let rows_end = area.top + row_height * days.len() as i32;
    for (place, day) in days.iter().enumerate() {
        let top = area.top + row_height * place as i32;
        let row = Area { left: CELLS, top, right: SUMS, bottom: top + row_height - GAP };
        for (hour, cell) in day.cells.iter().enumerate() {
            let left = CELLS + CELL_WIDTH * hour as i32;
            let area = Area { left, right: left + CELL_WIDTH - GAP, ..row };
            match *cell {
                Cell::Outside => {}
                Cell::Skipped => canvas.hatch(area, STRONG_GRID),
                Cell::Heard(0) => canvas.fill_rounded(area, 3.0, EMPTY_CELL),
                Cell::Heard(probes) => canvas.fill_rounded(area, 3.0, shade(hourly, probes)),
            }
        }
        let sum = Area { left: SUMS, right: RIGHT, ..row };
        let end = sum.x(daily.share(day.probes()));
        canvas.fill(Area { right: SUMS + 2, bottom: top + row_height, ..sum }, STRONG_GRID);
        if day.probes() > 0 {
            canvas.fill_rounded(Area { right: end.max(SUMS + 4), ..sum }, 3.0, BAR);
        }
        if row_height >= LOWEST_LABEL || day.date.weekday() == Weekday::Mon {
            let baseline = top + (row_height - GAP) / 2 + BESIDE;
            canvas.text(MARGIN, baseline, &time_axis::day(day.date), LABEL_STYLE);
        }
    }
    for hour in (0..=24).step_by(3) {
        let x = CELLS + CELL_WIDTH * hour - GAP / 2;
        let label = Style { align: Align::Middle, ..LABEL_STYLE };
        canvas.text(x, rows_end + 38, &format!("{hour:02}"), label);
    }
    canvas.text(RIGHT, rows_end + 38, &short(daily.end), Style { align: Align::Right, ..LABEL_STYLE });
    canvas.fill(Area { left: RIGHT - 2, top: area.top, right: RIGHT, bottom: rows_end }, GRID);
}

/// The colour of a cell in which something was heard, from one probe up to the scale's end. The root lets
/// quiet hours be told apart beside a loud one.
fn shade(scale: Scale, probes: u64) -> Colour {
    let share = probes.saturating_sub(1) as f64 / scale.end.saturating_sub(1).max(1) as f64;
    heat(share.sqrt() as f32)
}

/// What the colours mean.
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
    fn a_cell_has_the_colour_that_the_legend_gives_its_count() {
        for most in [2, 6, 1_730] {
            let scale = Scale::up_to(most);
            assert_eq!(shade(scale, 1), heat(0.0), "the legend begins at 1");
            assert_eq!(shade(scale, scale.end), heat(1.0), "and ends at {}", scale.end);
        }
    }
}
