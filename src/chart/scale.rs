//! Axes with round ends and steps.

/// An axis of counts from 0 to `end`, divided into one to four steps of 1, 2 or 5 times a power of ten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scale {
    step: u64,
    pub(super) end: u64,
}

impl Scale {
    /// The axis that fits `most`.
    pub(super) fn up_to(most: u64) -> Self {
        let most = most.max(1);
        let mut step = 1_u64;
        let mut factors = [2.0, 2.5, 2.0].into_iter().cycle();
        while most.div_ceil(step) > 4
            && let Some(factor) = factors.next()
        {
            step = (step as f64 * factor) as u64;
        }
        Self { step, end: most.div_ceil(step).saturating_mul(step) }
    }

    /// The labelled values: each step and both ends.
    pub(super) fn marks(self) -> impl Iterator<Item = u64> {
        (0..=self.end / self.step).map(move |place| place * self.step)
    }

    /// The position of `count` on the axis, from 0 to 1.
    pub(super) fn share(self, count: u64) -> f64 {
        count as f64 / self.end as f64
    }
}

/// `count`, abbreviated: `950`, `1.5k`, `20k`, `3M`.
pub(super) fn short(count: u64) -> String {
    let (unit, sign) = match count {
        0..1_000 => return count.to_string(),
        1_000..1_000_000 => (1e3, 'k'),
        1_000_000..1_000_000_000 => (1e6, 'M'),
        _ => (1e9, 'G'),
    };
    let number = (count as f64 / unit * 10.0).floor() / 10.0;
    format!("{number}{sign}")
}

/// The axis of signals from `least` to `most`, in dBm: its ends, which are multiples of ten, and its step.
pub(super) fn signal_axis(least: i32, most: i32) -> (i32, i32, usize) {
    let top = most.div_euclid(10) * 10 + if most.rem_euclid(10) > 0 { 10 } else { 0 };
    let bottom = (least.div_euclid(10) * 10).min(top - 20);
    if top - bottom <= 40 {
        return (bottom, top, 10);
    }
    (bottom.div_euclid(20) * 20, top + top.rem_euclid(20), 20)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn axes_end_at_round_numbers() {
        for (most, marks) in [
            (0, &[0, 1][..]),
            (1, &[0, 1]),
            (3, &[0, 1, 2, 3]),
            (5, &[0, 2, 4, 6]),
            (9, &[0, 5, 10]),
            (17, &[0, 5, 10, 15, 20]),
            (60, &[0, 20, 40, 60]),
            (201, &[0, 100, 200, 300]),
            (1_730, &[0, 500, 1_000, 1_500, 2_000]),
        ] {
            assert_eq!(Scale::up_to(most).marks().collect::<Vec<_>>(), marks, "{most}");
        }
    }

    #[test]
    fn abbreviates_counts() {
        for (count, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1k"),
            (1_500, "1.5k"),
            (20_000, "20k"),
            (999_999, "999.9k"),
            (3_000_000, "3M"),
            (u64::MAX, "18446744073.7G"),
        ] {
            assert_eq!(short(count), text);
        }
    }

    proptest! {
        #[test]
        fn every_count_fits_and_uses_its_axis(most: u64, shift in 0_u32..64) {
            let most = most >> shift;
            let scale = Scale::up_to(most);
            prop_assert!(scale.share(most) <= 1.0 && (most == 0 || scale.share(most) > 0.4));
            prop_assert!((2..=5).contains(&scale.marks().count()));
        }

        #[test]
        fn every_signal_fits_its_axis(one in -100_i32..=0, other in -100_i32..=0) {
            let (bottom, top, step) = signal_axis(one.min(other), one.max(other));
            prop_assert!(bottom <= one.min(other) && one.max(other) <= top && top <= 0);
            prop_assert!((20..=100).contains(&(top - bottom)) && ((top - bottom) as usize).is_multiple_of(step));
        }
    }
}
