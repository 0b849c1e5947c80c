//! Signals as dots over time, and the labels of the time axis below. A dot is drawn for all probes of its cell in the
//! series' raster; more probes make it more opaque.

use super::bars::time_lines;
use super::canvas::{Align, Area, Canvas, Style};
use super::font::ScaledFont;
use super::palette::{DOT, GRID, LABEL, TEXT};
use super::scale::signal_axis;
use super::series::{SIGNAL_COLUMNS, Series};
use super::{HEADING, LABEL_OFFSET, LABEL_STYLE, Labels, MARGIN, time_axis};

pub(super) fn draw(canvas: &mut Canvas, area: Area, labels: &Labels<'_>, series: &Series) {
    let (mut least, mut most, mut dots, mut densest) = (0, -100, 0, 1);
    for signal in series.signals() {
        (least, most) = (least.min(signal.dbm), most.max(signal.dbm));
        (dots, densest) = (dots + 1, densest.max(signal.probes));
    }
    let (bottom, top, step) = signal_axis(least, most);
    let share = |dbm: i32| f64::from(dbm - bottom) / f64::from(top - bottom);

    canvas.text(MARGIN, area.top - HEADING, labels.signal, LABEL_STYLE);
    for dbm in (bottom..=top).step_by(step) {
        let y = area.y(share(dbm));
        canvas.fill(Area { top: y, bottom: y + 2, ..area }, GRID);
        let text = dbm.to_string().replace('-', "−");
        canvas.text(area.left - 16, y + LABEL_OFFSET, &text, Style { align: Align::Right, ..LABEL_STYLE });
    }
    time_lines(canvas, area, series);
    time_labels(canvas, area, series);

    // Few dots are large, so that each is visible; many are small, so that they do not overlap.
    let (radius, faintest) = match dots {
        0..400 => (6.0, 0.5),
        400..2_000 => (4.0, 0.35),
        2_000..8_000 => (2.5, 0.3),
        _ => (1.8, 0.2),
    };
    for signal in series.signals() {
        let x = area.x((signal.column as f64 + 0.5) / SIGNAL_COLUMNS as f64);
        let density = (signal.probes as f32).ln_1p() / (densest as f32).ln_1p();
        let cover = faintest + (1.0 - faintest) * density;
        canvas.dot(x as f32, area.y(share(signal.dbm)) as f32, radius, DOT, cover);
    }
}

/// The labels of the time axis under `area`. Labels that would touch a neighbour or the edge are skipped.
pub(super) fn time_labels(canvas: &mut Canvas, area: Area, series: &Series) {
    let Some(letters) = ScaledFont::of_size(LABEL_STYLE.size) else { return };
    let mut free_from = 0;
    for mark in time_axis::marks(series) {
        let x = area.x(series.share(mark.time));
        let half = (letters.width(&mark.text) / 2.0) as i32 + 8;
        if x - half < free_from || x + half > area.right + MARGIN {
            continue;
        }
        free_from = x + half;
        let colour = if mark.is_day { TEXT } else { LABEL };
        canvas.text(x, area.bottom + 50, &mark.text, Style { colour, align: Align::Middle, ..LABEL_STYLE });
    }
}
