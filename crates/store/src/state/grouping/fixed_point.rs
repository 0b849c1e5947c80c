//! Arithmetic in fixed point, so that every machine groups alike.

/// One, in the fixed point of this module: 16 bits of fraction.
pub(super) const ONE: i64 = 1 << 16;

/// ln 2.
const LN_2: i64 = 45_426;

/// `numerator / denominator`; 0 if the denominator is 0.
pub(super) fn ratio(numerator: i64, denominator: i64) -> i64 {
    (numerator * ONE).checked_div(denominator).unwrap_or(0)
}

pub(super) fn product(one: i64, other: i64) -> i64 {
    (one * other) >> 16
}

/// The natural logarithm of a positive number; that of the smallest positive one for others.
pub(super) fn ln(number: i64) -> i64 {
    let number = number.max(1) as u64;
    let exponent = i64::from(number.ilog2()) - 16;
    // In 1..2, with 31 bits of fraction.
    let mut mantissa = if exponent >= 15 { number >> (exponent - 15) } else { number << (15 - exponent) };
    let mut log2 = exponent * ONE;
    // Squaring doubles the logarithm: its next bit is whether the square exceeds 2.
    for bit in (0..16).rev() {
        mantissa = (mantissa * mantissa) >> 31;
        if mantissa >= 1 << 32 {
            mantissa >>= 1;
            log2 += 1 << bit;
        }
    }
    product(log2, LN_2)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_logarithm_is_exact_to_four_digits(number in 1..i64::MAX / 4) {
            let exact = (number as f64 / ONE as f64).ln();
            prop_assert!((ln(number) as f64 / ONE as f64 - exact).abs() < 1e-3, "ln {number}");
        }
    }

    #[test]
    fn numbers_that_have_no_logarithm_count_as_the_smallest() {
        assert_eq!((ln(0), ln(-5)), (ln(1), ln(1)));
        assert_eq!(ln(ONE), 0);
    }
}
