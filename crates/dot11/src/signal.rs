//! Which signal levels a receiver can have measured.
//!
//! Drivers write a number where they know none: 0, 127 and -128 dBm are usual. Whatever the header, a level outside
//! [`MEASURABLE_DBM`] means that the signal is unknown:
//!
//! - The strongest level that any receiver of IEEE 802.11-2020 has to receive is -4 dBm (§15, DSSS; -10 dBm in §16, -20
//!   and -30 dBm in §17 to §19). 0 dBm is the power of a small transmitter at its own antenna.
//! - The thermal noise at 290 K is -174 dBm in 1 Hz: -101 dBm in a channel of 20 MHz, and -107 dBm in one of 5 MHz, the
//!   narrowest of §17. No receiver decodes a frame some dB below that.

use std::ops::RangeInclusive;

/// The levels that a receiver can have measured, in dBm.
const MEASURABLE_DBM: RangeInclusive<i8> = -110..=-1;

/// The level in dBm, if a receiver can have measured it; `None` for one that stands for an unknown signal.
#[inline]
pub fn measured_dbm(dbm: i8) -> Option<i8> {
    MEASURABLE_DBM.contains(&dbm).then_some(dbm)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_receiver_measures_is_unknown() {
        for invented in [i8::MIN, -127, -111, 0, 1, 5, 20, 126, 127] {
            assert_eq!(measured_dbm(invented), None, "{invented}");
        }
        for measured in [-110, -101, -98, -42, -10, -1] {
            assert_eq!(measured_dbm(measured), Some(measured));
        }
    }
}
