//! Wi-Fi channels and bands: channel numbers, centre frequencies, and the channels that a radio has.

use std::collections::BTreeSet;
use std::fmt;

/// A frequency band that Wi-Fi uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Band {
    /// 2.4 GHz, channels 1 to 14.
    Ghz2,
    /// 5 GHz, channels 32 to 177.
    Ghz5,
    /// 6 GHz, channels 1 to 233 in steps of four, and channel 2.
    Ghz6,
}

impl Band {
    /// All bands, lowest first.
    pub const ALL: [Self; 3] = [Self::Ghz2, Self::Ghz5, Self::Ghz6];
}

impl fmt::Display for Band {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ghz2 => "2.4 GHz",
            Self::Ghz5 => "5 GHz",
            Self::Ghz6 => "6 GHz",
        })
    }
}

/// A 20 MHz channel in one of the [`Band`]s; IEEE Std 802.11-2020, Annex E, and 802.11ax for 6 GHz.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Channel {
    frequency_mhz: u16,
}

/// The number is neither a channel number nor a centre frequency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} is no channel: give a channel number of 2.4 GHz (1 to 14) or 5 GHz (32 to 177), or the centre \
     frequency in MHz, which 6 GHz needs (5955 to 7115)"
)]
pub struct InvalidChannel(pub u16);

impl Channel {
    /// The channel with this centre frequency.
    pub fn from_frequency_mhz(frequency_mhz: u16) -> Option<Self> {
        let is_channel = match frequency_mhz {
            2412..=2472 => (frequency_mhz - 2412).is_multiple_of(5),
            2484 | 5935 => true,
            5160..=5885 => frequency_mhz.is_multiple_of(5),
            5955..=7115 => (frequency_mhz - 5955).is_multiple_of(20),
            _ => false,
        };
        is_channel.then_some(Self { frequency_mhz })
    }

    /// The centre frequency in MHz.
    pub fn frequency_mhz(self) -> u16 {
        self.frequency_mhz
    }

    /// The band that the channel is in.
    pub fn band(self) -> Band {
        match self.frequency_mhz {
            ..=2484 => Band::Ghz2,
            2485..=5885 => Band::Ghz5,
            _ => Band::Ghz6,
        }
    }

    /// The channel number, which is unique only within its band.
    pub fn number(self) -> u16 {
        match self.frequency_mhz {
            2484 => 14,
            5935 => 2,
            frequency_mhz => match self.band() {
                Band::Ghz2 => (frequency_mhz - 2407) / 5,
                Band::Ghz5 => (frequency_mhz - 5000) / 5,
                Band::Ghz6 => (frequency_mhz - 5950) / 5,
            },
        }
    }
}

impl TryFrom<u16> for Channel {
    type Error = InvalidChannel;

    /// Reads what people write: a channel number of 2.4 or 5 GHz, or a centre frequency in MHz.
    fn try_from(number: u16) -> Result<Self, InvalidChannel> {
        let frequency_mhz = match number {
            1..=13 => 2407 + 5 * number,
            14 => 2484,
            32..=177 => 5000 + 5 * number,
            _ => number,
        };
        Self::from_frequency_mhz(frequency_mhz).ok_or(InvalidChannel(number))
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} MHz)", self.number(), self.frequency_mhz)
    }
}

/// A channel that the hardware has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HardwareChannel {
    pub channel: Channel,
    /// The regulatory domain forbids it altogether. A channel on which only sending first is forbidden (no-IR) or
    /// radar must be avoided is not disabled.
    pub is_disabled: bool,
}

/// Why the requested channels cannot be listened to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SelectionError {
    /// The hardware has no such channels.
    Missing(Vec<Channel>),
    /// The regulatory domain forbids them.
    Disabled(Vec<Channel>),
    /// The bands have no channel that may be used.
    NoneLeft,
}

/// The channels to listen to, in order: the `requested` ones, or all that may be used in `bands` if none are.
pub(super) fn select_channels(
    hardware: &[HardwareChannel],
    requested: &[Channel],
    bands: &BTreeSet<Band>,
) -> Result<Vec<Channel>, SelectionError> {
    if requested.is_empty() {
        let usable = |known: &&HardwareChannel| !known.is_disabled && bands.contains(&known.channel.band());
        let channels: BTreeSet<Channel> = hardware.iter().filter(usable).map(|known| known.channel).collect();
        return if channels.is_empty() {
            Err(SelectionError::NoneLeft)
        } else {
            Ok(channels.into_iter().collect())
        };
    }
    let find = |channel: Channel| hardware.iter().find(|known| known.channel == channel);
    let requested_where = |is_wrong: &dyn Fn(Option<&HardwareChannel>) -> bool| -> Vec<Channel> {
        requested.iter().copied().filter(|channel| is_wrong(find(*channel))).collect()
    };
    let missing = requested_where(&|known| known.is_none());
    let disabled = requested_where(&|known| known.is_some_and(|known| known.is_disabled));
    if !missing.is_empty() {
        Err(SelectionError::Missing(missing))
    } else if !disabled.is_empty() {
        Err(SelectionError::Disabled(disabled))
    } else {
        Ok(requested.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(number: u16) -> Channel {
        Channel::try_from(number).unwrap()
    }

    #[test]
    fn parses_channel_numbers_and_frequencies() {
        for (written, number, frequency_mhz, band) in [
            (1, 1, 2412, Band::Ghz2),
            (13, 13, 2472, Band::Ghz2),
            (14, 14, 2484, Band::Ghz2),
            (32, 32, 5160, Band::Ghz5),
            (36, 36, 5180, Band::Ghz5),
            (177, 177, 5885, Band::Ghz5),
            (2437, 6, 2437, Band::Ghz2),
            (5935, 2, 5935, Band::Ghz6),
            (5955, 1, 5955, Band::Ghz6),
            (7115, 233, 7115, Band::Ghz6),
        ] {
            let channel = channel(written);
            assert_eq!((channel.number(), channel.frequency_mhz()), (number, frequency_mhz));
            assert_eq!(channel.band(), band);
        }
        for wrong in [0, 15, 31, 178, 2413, 2477, 5181, 5890, 5950, 5956, 7120, 58320] {
            assert_eq!(Channel::try_from(wrong), Err(InvalidChannel(wrong)));
        }
        assert_eq!(channel(6).to_string(), "6 (2437 MHz)");
    }

    #[test]
    fn selects_the_requested_channels_or_all_usable_ones() {
        let known = |number, is_disabled| HardwareChannel { channel: channel(number), is_disabled };
        let hardware = [known(36, false), known(1, false), known(6, false), known(14, true)];
        let all = BTreeSet::from(Band::ALL);
        let channels = |numbers: &[u16]| numbers.iter().copied().map(channel).collect::<Vec<_>>();

        assert_eq!(select_channels(&hardware, &[], &all), Ok(channels(&[1, 6, 36])));
        assert_eq!(select_channels(&hardware, &[], &BTreeSet::from([Band::Ghz5])), Ok(channels(&[36])));
        assert_eq!(
            select_channels(&hardware, &[], &BTreeSet::from([Band::Ghz6])),
            Err(SelectionError::NoneLeft)
        );
        // In the requested order, whatever the bands.
        let requested = channels(&[6, 36, 1]);
        assert_eq!(select_channels(&hardware, &requested, &BTreeSet::new()), Ok(requested.clone()));
        let requested = channels(&[1, 14, 40]);
        assert_eq!(
            select_channels(&hardware, &requested, &all),
            Err(SelectionError::Missing(channels(&[40])))
        );
        let requested = channels(&[1, 14]);
        assert_eq!(
            select_channels(&hardware, &requested, &all),
            Err(SelectionError::Disabled(channels(&[14])))
        );
    }
}
