//! Floods of invented addresses: a transmitter that takes a new address for nearly every frame.
//!
//! What is measured is the number of addresses in a minute of capture time that were not known before. A minute is one of a
//! flood if it has
//! - [`OF_ONE_PLACE`] of one model, of which four fifths have signals within [`PLACE_WIDTH_DB`] of each other: of people with
//!   phones that change their addresses, not so many are in one place; or
//! - [`ANYWHERE`] in all, whatever their models and signals.
//!
//! Slower floods are not seen, and a crowd with [`ANYWHERE`] new phones a minute is taken for one. A flood goes on until
//! [`Flood::ENDS_AFTER`] without such a minute. Of each minute at most [`MODELS`] models are told apart.
//!
//! Grouping takes the random addresses of one transmitter for one phone. Its first alert starts a cool-down, and no further
//! one is counted as too many. A flood therefore concerns a chat as soon as it has [`CONCERNING`] addresses whose alerts a
//! cool-down suppressed.

use std::collections::BTreeMap;
use std::num::ParseIntError;
use std::time::Duration;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use super::clock_step::ClockStep;
use super::dirty_map::DirtyMap;
use super::overflow::Overflow;
use crate::event::{ChatId, MessageId, Timestamp};
use dot11::ModelKey;

/// New addresses a minute of one model that are a flood if they are in one place.
const OF_ONE_PLACE: u64 = 60;

/// New addresses a minute that are a flood.
const ANYWHERE: u64 = 1200;

/// How far apart the signals of one transmitter are.
const PLACE_WIDTH_DB: i8 = 10;

/// Models that are told apart in a minute.
const MODELS: usize = 16;

/// Addresses of a flood whose alerts a chat's cool-downs suppressed, before the chat is told of the flood. Phones that come
/// during a flood which asks for something else are fewer.
const CONCERNING: u64 = 20;

/// The latest flood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flood {
    /// When its first address was seen.
    pub since: Timestamp,
    /// When its latest address was seen.
    pub last: Timestamp,
    /// Its addresses. All that were new in its minutes count.
    pub addresses: u64,
}

impl Flood {
    /// A flood is over once it was silent for this long.
    pub const ENDS_AFTER: Duration = Duration::from_secs(120);

    /// Whether it is over at `now`.
    pub fn is_over(&self, now: Timestamp) -> bool {
        now > self.last && now.abs_diff(self.last) > Self::ENDS_AFTER
    }

    /// Addresses a minute, on average.
    pub fn per_minute(&self) -> u64 {
        let seconds = self.last.abs_diff(self.since).as_secs().max(1);
        self.addresses.saturating_mul(60) / seconds
    }
}

/// A minute of capture time, counted from 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Minute {
    number: i64,
    /// When its first new address was seen.
    first: Timestamp,
    /// Its new addresses.
    new: u64,
    /// Of each of the first [`MODELS`] the numbers of addresses by signal in dBm; those without one are at 0.
    models: Vec<(ModelKey, Vec<(i8, u64)>)>,
    /// Whether it is one of the flood.
    is_of_flood: bool,
}

impl Minute {
    /// Adds a new address. Returns whether the minute is one of a flood, as far as this address shows.
    fn add(&mut self, model: ModelKey, signal_dbm: Option<i8>) -> bool {
        self.new += 1;
        if self.models.len() < MODELS && self.models.iter().all(|(known, _)| *known != model) {
            self.models.push((model, Vec::new()));
        }
        let of_model = self.models.iter_mut().find(|(known, _)| *known == model);
        let is_one_place = of_model.is_some_and(|(_, signals)| {
            let dbm = signal_dbm.unwrap_or(0);
            match signals.iter_mut().find(|(known, _)| *known == dbm) {
                Some((_, count)) => *count += 1,
                None => signals.push((dbm, 1)),
            }
            is_one_place(signals)
        });
        is_one_place || self.new >= ANYWHERE
    }
}

/// What a flood is to a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Concern {
    /// Since when the flood lasts.
    since: Timestamp,
    /// How many of its addresses raised no alert because of a cool-down.
    suppressed: u64,
    /// Whether a message told the chat of the flood, or could not.
    is_told: bool,
}

/// Reads what is kept by chat: in JSON a key is a text, which the row of a snapshot does not turn into a number.
fn by_chat<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<ChatId, Concern>, D::Error> {
    if !deserializer.is_human_readable() {
        return BTreeMap::deserialize(deserializer);
    }
    let by_text = BTreeMap::<String, Concern>::deserialize(deserializer)?;
    let by_chat = by_text.into_iter().map(|(chat, concern)| Ok((ChatId(chat.parse()?), concern)));
    by_chat.collect::<Result<_, ParseIntError>>().map_err(D::Error::custom)
}

/// The current minute, and the latest flood.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FloodWatch {
    minute: Option<Minute>,
    flood: Option<Flood>,
    /// The chats that the latest flood concerns, or an earlier one did.
    #[serde(default, deserialize_with = "by_chat")]
    concerns: BTreeMap<ChatId, Concern>,
}

impl FloodWatch {
    /// Notes an address that was not known before.
    fn see(&mut self, time: Timestamp, model: ModelKey, signal_dbm: Option<i8>) {
        let number = time.minute();
        // The clocks of radios may differ a little. One that was far ahead does not end the watch.
        let same = self.minute.take().filter(|minute| (minute.number - 1..=minute.number).contains(&number));
        let mut minute = same.unwrap_or_else(|| Minute {
            number,
            first: time,
            new: 0,
            models: Vec::new(),
            is_of_flood: false,
        });
        if minute.is_of_flood {
            if let Some(flood) = &mut self.flood {
                flood.addresses += 1;
                flood.last = flood.last.max(time);
            }
        } else if minute.add(model, signal_dbm) {
            minute.is_of_flood = true;
            let known = self.flood.filter(|flood| !flood.is_over(minute.first) && flood.since <= time);
            self.flood = Some(match known {
                Some(flood) => {
                    Flood { addresses: flood.addresses + minute.new, last: flood.last.max(time), ..flood }
                }
                None => Flood { since: minute.first.min(time), last: time, addresses: minute.new },
            });
        }
        self.minute = Some(minute);
    }

    /// What the latest flood is to the chat, which is noted if it is new.
    fn concern(&mut self, chat: ChatId) -> Option<&mut Concern> {
        let since = self.flood?.since;
        let new = Concern { since, suppressed: 0, is_told: false };
        let concern = self.concerns.entry(chat).or_insert(new);
        if concern.since != since {
            *concern = new;
        }
        Some(concern)
    }

    /// Notes that cool-downs of these chats suppressed alerts about the address that was just seen.
    fn suppressed(&mut self, chats: impl Iterator<Item = ChatId>) {
        if self.minute.as_ref().is_some_and(|minute| minute.is_of_flood) {
            for chat in chats {
                if let Some(concern) = self.concern(chat) {
                    concern.suppressed += 1;
                }
            }
        }
    }

    /// The chats that the latest flood concerns and that were not told of it, and the flood.
    fn untold(&self) -> impl Iterator<Item = (ChatId, Flood)> {
        let is_due = |flood: &Flood, concern: &Concern| {
            concern.since == flood.since && concern.suppressed >= CONCERNING && !concern.is_told
        };
        self.flood.into_iter().flat_map(move |flood| {
            let due = self.concerns.iter().filter(move |(_, concern)| is_due(&flood, concern));
            due.map(move |(chat, _)| (*chat, flood))
        })
    }
}

/// Whether so many signals are so close to each other that they are of one transmitter.
fn is_one_place(signals: &[(i8, u64)]) -> bool {
    let all: u64 = signals.iter().map(|(_, count)| count).sum();
    let near = |from: i8| -> u64 {
        let near = from..=from.saturating_add(PLACE_WIDTH_DB);
        signals.iter().filter(|(dbm, _)| near.contains(dbm)).map(|(_, count)| count).sum()
    };
    all >= OF_ONE_PLACE && signals.iter().any(|(dbm, _)| near(*dbm) * 5 >= all * 4)
}

/// The message that told a chat of a flood. It is edited while the flood lasts, and once it is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FloodMessage {
    /// Since when the flood lasts.
    pub since: Timestamp,
    /// The message.
    pub message: MessageId,
    /// The alerts that it counts.
    pub reported: Overflow,
}

/// What is known of floods.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Floods {
    /// The only row.
    pub(super) watch: DirtyMap<(), FloodWatch>,
    pub(super) messages: DirtyMap<ChatId, FloodMessage>,
}

impl Floods {
    /// Notes an address that was not known before. Cool-downs of the chats `suppressed` kept back an alert about it.
    pub(super) fn see(
        &mut self,
        time: Timestamp,
        model: ModelKey,
        signal_dbm: Option<i8>,
        suppressed: impl Iterator<Item = ChatId>,
    ) {
        let watch = self.watch.entry(());
        watch.see(time, model, signal_dbm);
        watch.suppressed(suppressed);
    }

    /// The latest flood, which may be over.
    pub fn latest(&self) -> Option<Flood> {
        self.watch.get(&())?.flood
    }

    /// The message that told the chat of a flood, unless it says already that the flood is over.
    pub fn message(&self, chat: ChatId) -> Option<&FloodMessage> {
        self.messages.get(&chat)
    }

    /// The latest flood, if it concerns the chat and no message told the chat of it.
    pub fn untold(&self, chat: ChatId) -> Option<Flood> {
        self.untold_chats().find_map(|(untold, flood)| (untold == chat).then_some(flood))
    }

    fn untold_chats(&self) -> impl Iterator<Item = (ChatId, Flood)> {
        self.watch.get(&()).into_iter().flat_map(FloodWatch::untold)
    }

    /// The chats with a message about a flood, or for which one is due.
    pub fn chats(&self) -> impl Iterator<Item = ChatId> {
        self.messages.iter().map(|(chat, _)| *chat).chain(self.untold_chats().map(|(chat, _)| chat))
    }

    /// A message reported these alerts, and the flood since then. Without a message, there is none to be edited any more.
    pub(super) fn reported(
        &mut self,
        chat: ChatId,
        since: Timestamp,
        message: Option<MessageId>,
        alerts: Overflow,
    ) {
        if self.latest().is_some_and(|flood| flood.since == since)
            && let Some(concern) = self.watch.entry(()).concern(chat)
        {
            concern.is_told = true;
        }
        let earlier = self.messages.remove(&chat).filter(|earlier| earlier.since == since);
        if let Some(message) = message {
            let mut reported = earlier.map(|earlier| earlier.reported).unwrap_or_default();
            reported.merge(alerts);
            self.messages.insert(chat, FloodMessage { since, message, reported });
        }
    }

    /// The time became another one. The minute begins anew.
    pub(super) fn move_times(&mut self, step: ClockStep) {
        if let Some(watch) = self.watch.get_mut(&()) {
            watch.minute = None;
            if let Some(flood) = &mut watch.flood {
                (flood.since, flood.last) = (step.moved(flood.since), step.moved(flood.last));
            }
        }
        for chat in self.chats().collect::<Vec<_>>() {
            if let Some(message) = self.messages.get_mut(&chat) {
                message.since = step.moved(message.since);
            }
        }
    }

    pub(super) fn remove_chat(&mut self, chat: ChatId) {
        self.messages.remove(&chat);
        self.watch.entry(()).concerns.remove(&chat);
    }

    /// Gives everything of the chat `from` to `to`, except its message: the other chat numbers its messages anew.
    pub(super) fn migrate(&mut self, from: ChatId, to: ChatId) {
        self.messages.remove(&from);
        let concerns = &mut self.watch.entry(()).concerns;
        if let Some(concern) = concerns.remove(&from) {
            concerns.insert(to, concern);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_micros(millis * 1000)
    }

    fn model(number: u8) -> ModelKey {
        ModelKey::of(&[number])
    }

    /// A watch after this many new addresses, so many milliseconds apart.
    fn after(count: i64, apart: i64, frame: impl Fn(i64) -> (ModelKey, i8)) -> FloodWatch {
        let mut watch = FloodWatch::default();
        for number in 0..count {
            let (model, dbm) = frame(number);
            watch.see(at(600_000 + number * apart), model, Some(dbm));
        }
        watch
    }

    #[test]
    fn one_transmitter_is_a_flood() {
        // Fifty a second for twelve minutes.
        let flood = after(36_000, 20, |number| (model(1), -60 - (number % 7) as i8)).flood.unwrap();
        assert_eq!((flood.since, flood.addresses), (at(600_000), 36_000));
        assert_eq!(flood.per_minute() / 60, 50);
        assert!(!flood.is_over(flood.last) && flood.is_over(at(600_000 + 20 * 36_000 + 121_000)));
        // One a second is just enough, one in two seconds is not.
        assert_eq!(after(300, 1000, |_| (model(1), -60)).flood.unwrap().per_minute() / 60, 1);
        assert_eq!(after(300, 2000, |_| (model(1), -60)).flood, None);
    }

    #[test]
    fn a_crowd_is_no_flood() {
        // Ten a second of five models, from near and far.
        let crowd = |number: i64| (model((number % 5) as u8), -90 + (number * 7 % 50) as i8);
        assert_eq!(after(6000, 100, crowd).flood, None);
        // With so many, the models and signals do not matter.
        let many = |number: i64| (model((number % 250) as u8), -90 + (number * 7 % 50) as i8);
        let flood = after(6000, 20, many).flood.unwrap();
        assert_eq!((flood.addresses, flood.per_minute() / 60), (6000, 50));
    }

    #[test]
    fn a_chat_is_told_once_of_a_flood_whose_alerts_are_suppressed() {
        let (chat, other) = (ChatId(1), ChatId(2));
        let mut floods = Floods::default();
        let see = |floods: &mut Floods, number: i64, suppressed: &[ChatId]| {
            floods.see(at(600_000 + number * 100), model(1), Some(-60), suppressed.iter().copied());
        };
        (0..59).for_each(|number| see(&mut floods, number, &[chat]));
        assert_eq!(floods.untold(chat), None, "it is no flood yet");
        (59..78).for_each(|number| see(&mut floods, number, &[chat]));
        assert_eq!(floods.untold(chat), None);
        see(&mut floods, 78, &[chat, other]);
        let flood = floods.untold(chat).unwrap();
        assert_eq!((flood.since, flood.addresses), (at(600_000), 79));
        assert_eq!(floods.chats().collect::<Vec<_>>(), [chat]);
        floods.migrate(chat, ChatId(3));
        assert_eq!((floods.untold(chat), floods.untold(ChatId(3))), (None, Some(flood)));
        // A message told of it, which Telegram has removed since.
        floods.reported(ChatId(3), flood.since, None, Overflow::default());
        (79..200).for_each(|number| see(&mut floods, number, &[ChatId(3)]));
        assert_eq!(floods.chats().count(), 0);
        // The next one is another.
        (4000..4080).for_each(|number| see(&mut floods, number, &[ChatId(3)]));
        assert_eq!(floods.untold(ChatId(3)).unwrap().since, at(1_000_000));
        floods.remove_chat(ChatId(3));
        assert_eq!(floods.chats().count(), 0);
    }

    #[test]
    fn a_flood_goes_on_after_a_pause_and_another_begins_after_a_longer_one() {
        let mut watch = after(100, 100, |_| (model(1), -60));
        for second in [100, 400] {
            (0..60).for_each(|number| watch.see(at(600_000 + second * 1000 + number), model(1), Some(-60)));
            let since = if second == 100 { 600_000 } else { 1_000_000 };
            assert_eq!(watch.flood.unwrap().since, at(since), "{second}");
        }
        // A clock that was ahead.
        watch.see(at(86_400_000), model(1), Some(-60));
        (0..60).for_each(|number| watch.see(at(1_060_000 + number), model(1), Some(-60)));
        assert_eq!(watch.flood.unwrap().addresses, 120);
    }
}
