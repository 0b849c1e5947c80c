//! Probes as bars, one per hour, as wide as the hour was long.

use super::canvas::{Align, Area, Canvas, Style};
use super::palette::{BAR, GRID, STRONG_GRID};
use super::scale::{Scale, short};
use super::series::{Hour, Series};
use super::{HEADING, LABEL_OFFSET, LABEL_STYLE, Labels, MARGIN, time_axis};

pub(super) fn draw(canvas: &mut Canvas, area: Area, labels: &Labels<'_>, series: &Series) {
    let most = series.hours().iter().map(|hour| hour.probes).max().unwrap_or_default();
    let scale = Scale::up_to(most);
    canvas.text(MARGIN, area.top - HEADING, labels.per_hour, LABEL_STYLE);
    for mark in scale.marks() {
        let y = area.y(scale.share(mark));
        canvas.fill(Area { top: y, bottom: y + 2, ..area }, if mark == 0 { STRONG_GRID } else { GRID });
        canvas.text(
            area.left - 16,
            y + LABEL_OFFSET,
            &short(mark),
            Style { align: Align::Right, ..LABEL_STYLE },
        );
    }
    time_lines(canvas, area, series);
    for hour in series.hours().iter().filter(|hour| hour.probes > 0) {
        let bar = bar(area, scale, series, hour);
        canvas.fill_rounded(bar, 5.0, BAR);
        // Sharp corners at the base line.
        canvas.fill(Area { top: bar.top + bar.height() / 2, ..bar }, BAR);
    }
}

/// The bar of an hour, at least large enough to be visible.
fn bar(area: Area, scale: Scale, series: &Series, hour: &Hour) -> Area {
    let (left, right) = (area.x(series.share(hour.start)), area.x(series.share(hour.end)));
    let gap = (right - left) / 12 + 1;
    let top = area.y(scale.share(hour.probes)).min(area.bottom - 4);
    Area { left: left + gap, top, right: (right - gap).max(left + gap + 2), bottom: area.bottom }
}

/// Vertical grid lines at the labels of the time axis.
pub(super) fn time_lines(canvas: &mut Canvas, area: Area, series: &Series) {
    for mark in time_axis::marks(series) {
        let x = area.x(series.share(mark.time));
        canvas.fill(Area { left: x - 1, right: x + 1, ..area }, if mark.is_day { STRONG_GRID } else { GRID });
    }
}
