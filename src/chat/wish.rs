//! What a person wishes of alerts, besides which networks to watch: as a command, and as a button under an
//! alert.
//!
//! # Buttons
//! A word, and what it needs behind a colon: minutes, an address as 12 hex digits, or the hash of a watch,
//! since the watch itself may not fit. What cannot be read is an old button.

use std::time::Duration;

use twox_hash::XxHash3_64;

use super::answer::Button;
use super::request::Wanted;
use super::text::printable;
use crate::dot11::{MacAddr, hex};

/// The longest mute.
const LONGEST_MUTE: Duration = Duration::from_secs(30 * 86_400);

const HOUR: Duration = Duration::from_secs(3600);

/// A wish, as a command says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// `/follow`: a device, and maybe behind it the minutes of silence.
    Follow(String),
    /// `/unfollow`
    Unfollow(String),
    /// `/mute`
    Mute(Duration),
    /// `/unmute`
    Unmute,
    /// `/ignore`
    Ignore(String),
    /// `/unignore`
    Unignore(String),
}

impl Wish {
    /// Reads a command of this name; `None` where the name is none of these.
    ///
    /// # Errors
    /// What is wrong with its arguments, for a person.
    pub(super) fn parse(command: &str, arguments: &str) -> Option<Result<Self, String>> {
        let device = |wish: fn(String) -> Self| match arguments {
            "" => Err("The device is missing.".to_owned()),
            device => Ok(wish(device.to_owned())),
        };
        Some(match command {
            "follow" => device(Self::Follow),
            "unfollow" => device(Self::Unfollow),
            "mute" => mute(arguments).map(Self::Mute),
            "unmute" => Ok(Self::Unmute),
            "ignore" => device(Self::Ignore),
            "unignore" => device(Self::Unignore),
            _ => return None,
        })
    }
}

/// How long, an hour where that is not said.
fn mute(arguments: &str) -> Result<Duration, String> {
    if arguments.is_empty() {
        return Ok(HOUR);
    }
    let number_ends = arguments.find(|c: char| !c.is_ascii_digit()).unwrap_or(arguments.len());
    let (number, unit) = arguments.split_at_checked(number_ends).unwrap_or((arguments, ""));
    let seconds = match unit.trim() {
        "m" | "min" | "minutes" => 60,
        "h" | "hour" | "hours" => 3_600,
        "d" | "day" | "days" => 86_400,
        _ => 0,
    };
    let length = number.parse::<u32>().ok().map(|number| Duration::from_secs(u64::from(number) * seconds));
    length.filter(|length| !length.is_zero() && *length <= LONGEST_MUTE).ok_or_else(|| {
        format!(
            "“{}” is no time from a minute to 30 days; one looks like 30m, 2h or 1d.",
            printable(arguments)
        )
    })
}

/// What a button under an alert does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertButton {
    /// Mutes the chat for so many minutes.
    Mute(u32),
    /// Asks for the name of the device with this address.
    Name(MacAddr),
    /// Ignores the device with this address.
    Ignore(MacAddr),
    /// Follows it.
    Follow(MacAddr),
    /// Follows it no longer.
    Unfollow(MacAddr),
    /// Stops the watch with this hash.
    Unwatch(u64),
}

impl AlertButton {
    /// The button that stops this watch.
    pub fn unwatch(wanted: &Wanted) -> Self {
        Self::Unwatch(watch_hash(wanted))
    }

    /// The button with this label.
    pub fn button(self, label: &str) -> Button {
        let digits = |address: MacAddr| hex(&address.octets());
        let data = match self {
            Self::Mute(minutes) => format!("mute:{minutes}"),
            Self::Name(address) => format!("name:{}", digits(address)),
            Self::Ignore(address) => format!("ignore:{}", digits(address)),
            Self::Follow(address) => format!("follow:{}", digits(address)),
            Self::Unfollow(address) => format!("unfollow:{}", digits(address)),
            Self::Unwatch(hash) => format!("unwatch:{hash:016x}"),
        };
        Button { label: label.to_owned(), data }
    }

    /// What a button with this data does; `None` where it is none of these.
    pub fn decode(data: &str) -> Option<Self> {
        let (word, field) = data.split_once(':')?;
        let address = || field.parse::<MacAddr>().ok().filter(|_| field.len() == 12);
        Some(match word {
            "mute" => Self::Mute(field.parse().ok().filter(|minutes| (1..=43_200).contains(minutes))?),
            "name" => Self::Name(address()?),
            "ignore" => Self::Ignore(address()?),
            "follow" => Self::Follow(address()?),
            "unfollow" => Self::Unfollow(address()?),
            "unwatch" => Self::Unwatch(u64::from_str_radix(field, 16).ok()?),
            _ => return None,
        })
    }
}

/// What tells a chat's watches apart on a button.
pub(super) fn watch_hash(wanted: &Wanted) -> u64 {
    match wanted {
        Wanted::Network(ssid) => XxHash3_64::oneshot_with_seed(0, ssid.as_bytes()),
        Wanted::Pattern(pattern) => XxHash3_64::oneshot_with_seed(1, pattern.as_str().as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dot11::Ssid;
    use crate::event::Pattern;

    #[track_caller]
    fn check(arguments: &str, minutes: Option<u64>) {
        let length = mute(arguments).ok().map(|length| length.as_secs() / 60);
        assert_eq!(length, minutes, "{arguments}");
    }

    #[test]
    fn a_mute_has_a_length() {
        for (arguments, minutes) in [
            ("", Some(60)),
            ("2h", Some(120)),
            ("30m", Some(30)),
            ("30 min", Some(30)),
            ("1d", Some(1440)),
            ("30d", Some(43_200)),
            ("31d", None),
            ("0m", None),
            ("2", None),
            ("h", None),
            ("-1h", None),
            ("2h 30m", None),
            ("99999999999h", None),
            ("4294967295d", None),
            ("for ever", None),
        ] {
            check(arguments, minutes);
        }
    }

    #[test]
    fn a_button_does_what_is_on_it() {
        let address = MacAddr::new([0xa4, 0x83, 0xe7, 0x4e, 0x39, 0x15]);
        let watch = Wanted::Network(Ssid::new(&[0xff; 255]));
        for action in [
            AlertButton::Mute(60),
            AlertButton::Name(address),
            AlertButton::Ignore(address),
            AlertButton::Follow(address),
            AlertButton::Unfollow(address),
            AlertButton::unwatch(&watch),
            AlertButton::unwatch(&Wanted::Pattern(Pattern::new("*x"))),
        ] {
            let button = action.button("label");
            assert!((1..=64).contains(&button.data.len()));
            assert_eq!(AlertButton::decode(&button.data), Some(action));
        }
        assert_ne!(
            watch_hash(&Wanted::Network(Ssid::from("x*"))),
            watch_hash(&Wanted::Pattern(Pattern::new("x*")))
        );
    }

    proptest! {
        #[test]
        fn anything_can_be_pressed(data in "((mute|ignore|unwatch|unfollow):)?.{0,20}") {
            let _ = AlertButton::decode(&data);
        }
    }
}
