//! What a person wishes of alerts, besides which networks to watch: as a command, and as a button under an
//! alert.
//!
//! # Buttons
//! A word, and what it needs behind a colon: minutes, an address as 12 hex digits, or the hash of a watch,
//! since the watch itself may not fit. What cannot be read is an old button.

use std::time::Duration;

use super::watch_target::{WatchTarget, watch_hash};
use crate::chat::Button;
use crate::dot11::{MacAddr, hex};

/// A wish, as a command says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlertPreference {
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
    pub fn unwatch(wanted: &WatchTarget) -> Self {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dot11::Ssid;
    use crate::event::Pattern;

    #[test]
    fn a_button_does_what_is_on_it() {
        let address = MacAddr::new([0xa4, 0x83, 0xe7, 0x4e, 0x39, 0x15]);
        let watch = WatchTarget::Network(Ssid::new(&[0xff; 255]));
        for action in [
            AlertButton::Mute(60),
            AlertButton::Name(address),
            AlertButton::Ignore(address),
            AlertButton::Follow(address),
            AlertButton::Unfollow(address),
            AlertButton::unwatch(&watch),
            AlertButton::unwatch(&WatchTarget::Pattern(Pattern::new("*x"))),
        ] {
            let button = action.button("label");
            assert!((1..=64).contains(&button.data.len()));
            assert_eq!(AlertButton::decode(&button.data), Some(action));
        }
        assert_ne!(
            watch_hash(&WatchTarget::Network(Ssid::from("x*"))),
            watch_hash(&WatchTarget::Pattern(Pattern::new("x*")))
        );
    }

    proptest! {
        #[test]
        fn anything_can_be_pressed(data in "((mute|ignore|unwatch|unfollow):)?.{0,20}") {
            let _ = AlertButton::decode(&data);
        }
    }
}
