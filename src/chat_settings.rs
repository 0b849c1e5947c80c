//! What holds for a chat: what the configuration sets, what the chat chose, or a default, in this order.

mod quiet_hours;

use std::time::Duration;

use chrono_tz::Tz;
use store::event::{DailyHours, Timestamp};
use store::state::{ChatSettings, Choice, QuietHoursRule};

use quiet_hours::covers;

/// How long alerts are gathered where nobody says so.
const GATHER: Duration = Duration::from_secs(60);

/// A value that the configuration sets, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configured<T> {
    /// The value.
    pub value: T,
    /// The line of the file or the variable, as a phrase.
    pub origin: String,
}

/// What the configuration says about the settings that chats may choose.
#[derive(Debug, Clone)]
pub struct ConfiguredSettings {
    /// `alerts.quiet`
    pub quiet_hours: Option<Configured<DailyHours>>,
    /// `alerts.gather_seconds`
    pub gather: Option<Configured<Duration>>,
    /// `time_zone`
    pub time_zone: Option<Configured<Tz>>,
    /// The zone where neither the configuration nor the chat names one.
    pub machine_zone: Tz,
}

/// What a setting's value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingOrigin {
    /// The configuration sets it, so chats cannot choose.
    Configuration(String),
    /// Somebody chose it in the chat, or at the terminal for all chats.
    Chosen,
    /// Nobody set it.
    Default,
}

/// A setting of a chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectiveSetting<T> {
    /// The value that holds.
    pub value: T,
    /// What it comes from.
    pub origin: SettingOrigin,
}

/// What holds for a chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectiveSettings {
    /// The hours in which it gets no alerts, if there are any.
    pub quiet_hours: EffectiveSetting<Option<DailyHours>>,
    /// How long alerts are gathered after the first few; zero never gathers.
    pub gather: EffectiveSetting<Duration>,
    /// The zone of its texts and of its quiet hours.
    pub time_zone: EffectiveSetting<Tz>,
}

impl ConfiguredSettings {
    /// A configuration that sets nothing, on a machine with this zone.
    pub fn unset(machine_zone: Tz) -> Self {
        Self { quiet_hours: None, gather: None, time_zone: None, machine_zone }
    }

    /// What holds for a chat that chose this.
    pub fn of(&self, chosen: &ChatSettings) -> EffectiveSettings {
        let quiet_hours =
            self.quiet_hours.clone().map(|set| Configured { value: Some(set.value), origin: set.origin });
        let gather = |choice: &Choice<u32>| Some(Duration::from_secs(choice.value.into()));
        // A zone of another version's data may be unknown to this one.
        let zone = |choice: &Choice<String>| choice.value.parse().ok();
        EffectiveSettings {
            quiet_hours: effective(
                quiet_hours.as_ref(),
                chosen.quiet_hours.as_ref().map(|choice| choice.value),
                None,
            ),
            gather: effective(self.gather.as_ref(), chosen.gather_seconds.as_ref().and_then(gather), GATHER),
            time_zone: effective(
                self.time_zone.as_ref(),
                chosen.time_zone.as_ref().and_then(zone),
                self.machine_zone,
            ),
        }
    }
}

impl EffectiveSettings {
    /// Whether this time is within the quiet hours.
    pub fn is_quiet(&self, time: Timestamp) -> bool {
        self.quiet_hours.value.is_some_and(|hours| covers(hours, time, self.time_zone.value))
    }
}

impl QuietHoursRule for ConfiguredSettings {
    fn contains(&self, settings: &ChatSettings, time: Timestamp) -> Option<bool> {
        let settings = self.of(settings);
        settings.quiet_hours.value?;
        Some(settings.is_quiet(time))
    }

    fn length(&self, settings: &ChatSettings) -> Duration {
        self.of(settings).quiet_hours.value.map_or(Duration::ZERO, |hours| hours.length())
    }
}

fn effective<T: Clone>(
    configured: Option<&Configured<T>>,
    chosen: Option<T>,
    default: T,
) -> EffectiveSetting<T> {
    match (configured, chosen) {
        (Some(Configured { value, origin }), _) => {
            EffectiveSetting { value: value.clone(), origin: SettingOrigin::Configuration(origin.clone()) }
        }
        (None, Some(value)) => EffectiveSetting { value, origin: SettingOrigin::Chosen },
        (None, None) => EffectiveSetting { value: default, origin: SettingOrigin::Default },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice<T>(value: T) -> Option<Choice<T>> {
        Some(Choice { value, set_by: None })
    }

    fn chosen() -> ChatSettings {
        ChatSettings {
            quiet_hours: choice("22:00-06:00".parse().ok()),
            gather_seconds: choice(0),
            time_zone: choice("Asia/Tokyo".to_owned()),
        }
    }

    /// 21:30 UTC, 22:30 in Berlin, 06:30 in Tokyo.
    fn evening() -> Timestamp {
        Timestamp::from_micros(1_768_080_600_000_000)
    }

    #[test]
    fn a_choice_holds_unless_the_configuration_sets_the_key() {
        let mut configured = ConfiguredSettings::unset(Tz::Europe__Berlin);
        let nothing = configured.of(&ChatSettings::default());
        assert_eq!((nothing.gather.value, nothing.time_zone.value), (GATHER, Tz::Europe__Berlin));
        assert_eq!(nothing.quiet_hours, EffectiveSetting { value: None, origin: SettingOrigin::Default });
        let own = configured.of(&chosen());
        assert_eq!((own.gather.value, own.time_zone.value), (Duration::ZERO, Tz::Asia__Tokyo));
        assert_eq!(own.quiet_hours.value.map(|hours| hours.to_string()).as_deref(), Some("22:00-06:00"));
        assert_eq!(own.gather.origin, SettingOrigin::Chosen);
        assert_eq!(configured.contains(&chosen(), evening()), Some(false));
        assert_eq!(configured.contains(&ChatSettings::default(), evening()), None);
        assert_eq!(configured.length(&chosen()), Duration::from_secs(8 * 3600));

        let origin = "the environment variable PROBEWATCH__TIME_ZONE".to_owned();
        configured.time_zone = Some(Configured { value: Tz::Europe__Berlin, origin: origin.clone() });
        let own = configured.of(&chosen());
        assert_eq!(own.time_zone.value, Tz::Europe__Berlin);
        assert_eq!(own.time_zone.origin, SettingOrigin::Configuration(origin.clone()));
        assert_eq!(configured.contains(&chosen(), evening()), Some(true), "the chat's hours in that zone");
        configured.quiet_hours = Some(Configured { value: "01:00-02:00".parse().unwrap(), origin });
        assert_eq!(configured.contains(&chosen(), evening()), Some(false));
        assert_eq!(configured.length(&chosen()), Duration::from_secs(3600));
    }

    #[test]
    fn an_unknown_zone_counts_for_nothing() {
        let settings = ChatSettings { time_zone: choice("Mars/Olympus".to_owned()), ..chosen() };
        let own = ConfiguredSettings::unset(Tz::UTC).of(&settings);
        assert_eq!(own.time_zone, EffectiveSetting { value: Tz::UTC, origin: SettingOrigin::Default });
    }
}
