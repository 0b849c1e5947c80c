//! Whether a series of measurements grows.

/// The increase from one value to the next, by least squares.
pub fn slope(values: &[f64]) -> f64 {
    let middle = (values.len() as f64 - 1.0) / 2.0;
    let mean = mean(values);
    let (mut over, mut under) = (0.0, 0.0);
    for (at, value) in values.iter().enumerate() {
        over += (at as f64 - middle) * (value - mean);
        under += (at as f64 - middle).powi(2);
    }
    over / under
}

/// The means of the first and the last quarter.
pub fn quarters(values: &[f64]) -> (f64, f64) {
    let quarter = (values.len() / 4).max(1);
    (mean(&values[..quarter]), mean(&values[values.len() - quarter..]))
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[test]
fn a_line_has_the_expected_slope_and_quarters() {
    let line: Vec<f64> = (0..40).map(|at| 100.0 + 3.0 * f64::from(at)).collect();
    assert!((slope(&line) - 3.0).abs() < 1e-9);
    assert_eq!(quarters(&line), (113.5, 203.5));
}
