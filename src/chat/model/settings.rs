//! The settings that a chat may choose, and the first steps after pairing.

use store::event::{ChatSetting, DailyHours};

use super::doorbell::DoorbellRequest;

/// The longest that alerts can be gathered, in seconds.
pub const LONGEST_GATHER: u32 = 3600;

/// By how much a button moves the begin or the end of quiet hours, in minutes.
pub(in crate::chat) const QUIET_STEP: u32 = 30;

/// The times of gathering that have a button, in seconds.
pub(in crate::chat) const GATHER_CHOICES: [u32; 5] = [0, 30, 60, 300, 900];

/// The quiet hours that have a button.
pub(in crate::chat) fn quiet_choices() -> impl Iterator<Item = DailyHours> {
    [22, 23].into_iter().filter_map(|hour| DailyHours::from_minutes(hour * 60, 7 * 60))
}

/// What `/settings` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingsRequest {
    /// A page of the settings.
    Show(SettingsPage),
    /// A value of a setting.
    Choose(ChatSetting),
    /// A time zone, as somebody wrote it.
    FindZone(String),
    /// Another setting of the doorbell.
    Doorbell(DoorbellRequest),
}

/// A page of the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingsPage {
    /// All settings.
    All,
    /// The quiet hours.
    QuietHours,
    /// Gathering.
    Gather,
    /// The doorbell.
    Doorbell,
    /// The time zone.
    TimeZone,
}

impl SettingsPage {
    /// All pages.
    pub const ALL: [Self; 5] = [Self::All, Self::QuietHours, Self::Gather, Self::Doorbell, Self::TimeZone];

    /// Its name in callback data.
    pub(in crate::chat) const fn code(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::QuietHours => "quiet",
            Self::Gather => "gather",
            Self::Doorbell => "doorbell",
            Self::TimeZone => "zone",
        }
    }

    /// The page of a setting.
    pub(in crate::chat) const fn of(setting: &ChatSetting) -> Self {
        match setting {
            ChatSetting::QuietHours(_) => Self::QuietHours,
            ChatSetting::GatherSeconds(_) => Self::Gather,
            ChatSetting::TimeZone(_) => Self::TimeZone,
        }
    }
}

/// Where a value is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the settings.
    Settings,
    /// In the first steps.
    FirstSteps,
}

impl Place {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Settings, Self::FirstSteps];

    /// Its name in callback data.
    pub(in crate::chat) const fn code(self) -> &'static str {
        match self {
            Self::Settings => "set",
            Self::FirstSteps => "first",
        }
    }
}

/// A value for which the bot asks in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskedSetting {
    /// The time zone.
    TimeZone,
    /// The quiet hours.
    QuietHours,
    /// A network to watch.
    Watch,
}

impl AskedSetting {
    /// All.
    pub const ALL: [Self; 3] = [Self::TimeZone, Self::QuietHours, Self::Watch];

    /// Its name in callback data.
    pub(in crate::chat) const fn code(self) -> &'static str {
        match self {
            Self::TimeZone => "zone",
            Self::QuietHours => "quiet",
            Self::Watch => "watch",
        }
    }
}

/// When the doorbell rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DoorbellMode {
    /// At any hour.
    On,
    /// During quiet hours only.
    QuietHours,
    /// Never.
    Off,
}

impl DoorbellMode {
    /// All.
    pub const ALL: [Self; 3] = [Self::On, Self::QuietHours, Self::Off];

    /// Its name in callback data.
    pub(in crate::chat) const fn code(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::QuietHours => "quiet",
            Self::Off => "off",
        }
    }
}

/// The first steps after pairing, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FirstStep {
    /// Which time zone.
    TimeZone,
    /// Which quiet hours.
    QuietHours,
    /// What to watch.
    Watch,
    /// The chat is ready.
    Ready,
}

impl FirstStep {
    /// All, in order.
    pub const ALL: [Self; 4] = [Self::TimeZone, Self::QuietHours, Self::Watch, Self::Ready];

    /// Its name in callback data.
    pub(in crate::chat) const fn code(self) -> &'static str {
        match self {
            Self::TimeZone => "zone",
            Self::QuietHours => "quiet",
            Self::Watch => "watch",
            Self::Ready => "ready",
        }
    }

    /// The step after this one.
    pub(in crate::chat) const fn next(self) -> Self {
        match self {
            Self::TimeZone => Self::QuietHours,
            Self::QuietHours => Self::Watch,
            Self::Watch | Self::Ready => Self::Ready,
        }
    }

    /// The step that chooses this setting.
    pub(in crate::chat) const fn of(setting: &ChatSetting) -> Self {
        match setting {
            ChatSetting::TimeZone(_) => Self::TimeZone,
            ChatSetting::QuietHours(_) | ChatSetting::GatherSeconds(_) => Self::QuietHours,
        }
    }
}

/// Quiet hours whose begin or end is moved by some steps of [`QUIET_STEP`]; `None` if they would be empty.
pub(in crate::chat) fn moved_hours(hours: DailyHours, begin: i32, end: i32) -> Option<DailyHours> {
    const DAY: i32 = 1440;
    let (from, to) = hours.minutes();
    let moved = |minutes: u32, steps: i32| {
        let minutes = i32::try_from(minutes).ok()? + steps * i32::try_from(QUIET_STEP).ok()?;
        u32::try_from(minutes.rem_euclid(DAY)).ok()
    };
    DailyHours::from_minutes(moved(from, begin)?, moved(to, end)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_hours_move_around_the_clock_and_are_never_empty() {
        let moved = |hours: &str, begin, end| {
            moved_hours(hours.parse().unwrap(), begin, end).map(|hours| hours.to_string())
        };
        assert_eq!(moved("00:00-07:00", -1, 0).as_deref(), Some("23:30-07:00"));
        assert_eq!(moved("22:15-23:45", 0, 1).as_deref(), Some("22:15-00:15"));
        assert_eq!(moved("22:00-22:30", 1, 0), None);
        assert_eq!(moved("22:00-22:30", 0, -1), None);
    }
}
