//! A chat's subscriptions: watching, following, muting, ignoring.

use std::collections::HashSet;
use std::time::Duration;

use dot11::{MacAddr, Ssid};
use store::event::{ChatId, EventKind, Pattern};
use store::state::{Follow, Ignored, MEMBERS_LIMIT, State, Watch, fold_case};

use super::group_rights::others_are_alerted;
use super::subscribed_device::{Meant, PreferenceOwner, evidence, found_subscription, shown_members};
use crate::chat::callbacks::Callback;
use crate::chat::model::alert_preference::AlertPreference;
use crate::chat::model::lookup::{FoundDevice, LookupResult, which_device};
use crate::chat::model::phone::keep_phone;
use crate::chat::model::watch_target::{WatchTarget, watch_hash};
use crate::chat::views::subscriptions as texts;
use crate::chat::{Asker, Button, Chat, Reply, views};
use crate::text::Text;

/// Networks that one chat may watch.
const WATCHES_PER_CHAT: usize = 200;

/// Patterns that one chat may watch: each is matched against every probe.
const PATTERNS_PER_CHAT: usize = 20;

/// Devices that one chat may follow, and may ignore.
const DEVICES_PER_CHAT: usize = 100;

/// The minutes of silence that `/follow` accepts.
const FOLLOW_MINUTES: std::ops::RangeInclusive<u64> = 1..=1440;

/// The networks that alert a chat: by its own watches and by those of the terminal, which alert every chat. It learns
/// nothing about the watches of other chats.
pub(in crate::chat) struct WatchedNetworks<'a> {
    ssids: HashSet<&'a Ssid>,
    patterns: Vec<&'a Pattern>,
}

impl<'a> WatchedNetworks<'a> {
    pub(in crate::chat) fn for_chat(chat: ChatId, state: &'a State) -> Self {
        let is_meant = |by: ChatId| by == chat || by == ChatId::TERMINAL;
        let ssids = state.watches().iter().filter(|(_, by, _)| is_meant(*by)).map(|(ssid, _, _)| ssid);
        let patterns = state.watches().patterns().filter(|(_, by, _)| is_meant(*by));
        Self { ssids: ssids.collect(), patterns: patterns.map(|(pattern, _, _)| pattern).collect() }
    }

    pub(in crate::chat) fn covers(&self, ssid: &Ssid) -> bool {
        self.ssids.contains(ssid) || self.patterns.iter().any(|pattern| pattern.matches(ssid))
    }

    /// The watch with this [`watch_hash`].
    fn watch_by_hash(&self, hash: u64) -> Option<WatchTarget> {
        let networks = self.ssids.iter().map(|ssid| WatchTarget::Network((*ssid).clone()));
        let patterns = self.patterns.iter().map(|pattern| WatchTarget::Pattern((*pattern).clone()));
        networks.chain(patterns).find(|target| watch_hash(target) == hash)
    }
}

impl Chat {
    pub(in crate::chat) async fn watch(
        &self,
        asker: Asker<'_>,
        target: WatchTarget,
        reason: Option<String>,
    ) -> Reply {
        let chat = asker.chat;
        if matches!(&target, WatchTarget::Network(ssid) if ssid.is_hidden()) {
            return texts::hidden_network_not_watched().into();
        }
        let (full, is_of_others) = {
            let state = self.recorder.state();
            let watches = state.watches();
            let full = match &target {
                WatchTarget::Network(_) => {
                    let count = watches.iter().filter(|(_, by, _)| *by == chat).count();
                    (count >= WATCHES_PER_CHAT).then(|| texts::too_many_watches(WATCHES_PER_CHAT))
                }
                WatchTarget::Pattern(_) => {
                    let count = watches.patterns().filter(|(_, by, _)| *by == chat).count();
                    (count >= PATTERNS_PER_CHAT).then(|| texts::too_many_patterns(PATTERNS_PER_CHAT))
                }
            };
            match watch_of(&state, &target, chat) {
                Some(watch) => (None, asker.is_of_others(watch.set_by.as_ref())),
                None => (full, false),
            }
        };
        if let Some(refused) = full.or(self.refuse_if(is_of_others, asker).await) {
            return refused.into();
        }
        let done = texts::watching(&target, reason.as_deref())
            .append_text(self.mute_note(&self.recorder.state(), chat));
        let kind = match target {
            WatchTarget::Network(ssid) => EventKind::Watch { chat, ssid, reason },
            WatchTarget::Pattern(pattern) => EventKind::WatchPattern { chat, pattern, reason },
        };
        self.change(asker, vec![kind], done).await
    }

    /// Stops the chat's own watch. A watch of the terminal, for all chats, can only be stopped there.
    pub(in crate::chat) async fn unwatch(&self, asker: Asker<'_>, target: WatchTarget) -> Reply {
        let chat = asker.chat;
        let (is_of_others, remaining) = {
            let state = self.recorder.state();
            let watch = watch_of(&state, &target, chat);
            let is_of_others = watch.map(|watch| asker.is_of_others(watch.set_by.as_ref()));
            (is_of_others, remaining_watch(&state, &target, chat))
        };
        let Some(is_of_others) = is_of_others else {
            return texts::was_not_watched(&target, remaining.as_ref());
        };
        if let Some(refused) = self.refuse_if(is_of_others, asker).await {
            return refused.into();
        }
        let done = texts::unwatched(&target, remaining.as_ref());
        let kind = match target {
            WatchTarget::Network(ssid) => EventKind::Unwatch { chat, ssid },
            WatchTarget::Pattern(pattern) => EventKind::UnwatchPattern { chat, pattern },
        };
        self.change(asker, vec![kind], done).await
    }

    /// A chat sees its own watches and those of the terminal; the terminal sees all.
    pub(in crate::chat) fn watches(&self, chat: ChatId, page: u32) -> Reply {
        let state = self.recorder.state();
        let is_meant = |by: ChatId| chat == ChatId::TERMINAL || by == chat || by == ChatId::TERMINAL;
        let networks = state.watches().iter().map(|(ssid, by, watch)| (texts::as_argument(ssid), by, watch));
        let patterns =
            state.watches().patterns().map(|(pattern, by, watch)| (pattern.to_string(), by, watch));
        let watches: Vec<_> = networks.chain(patterns).filter(|(_, by, _)| is_meant(*by)).collect();
        let mut follows: Vec<_> = state
            .follows()
            .iter()
            .filter(|(by, _)| is_meant(*by))
            .map(|(by, follow)| texts::Followed {
                device: shown_members(&state, &follow.members),
                by,
                follow: &follow.value,
                last_seen: state.last_seen_of(&follow.members).map(|(_, last)| last),
            })
            .collect();
        let ignored = state.mutes().ignored().iter().filter(|(by, _)| is_meant(*by));
        let mut ignored: Vec<texts::IgnoredDevice> = ignored
            .map(|(by, ignored)| texts::IgnoredDevice {
                device: shown_members(&state, &ignored.members),
                by,
                ignored: &ignored.value,
            })
            .collect();
        // Names before addresses.
        let order = |shown: &str| (shown.parse::<MacAddr>().is_ok(), fold_case(shown));
        follows.sort_by_cached_key(|followed| order(&followed.device));
        ignored.sort_by_cached_key(|ignored| order(&ignored.device));
        let now = self.recorder.now();
        let mute = state.mutes().get(chat).filter(|mute| now < mute.until);
        texts::watches(
            &texts::Subscriptions { watches, follows, ignored, mute },
            page,
            chat,
            (now, self.zone),
        )
    }

    /// Applies a preference.
    pub(in crate::chat) async fn apply(&self, asker: Asker<'_>, preference: AlertPreference) -> Reply {
        match preference {
            AlertPreference::Follow(query) => self.follow(asker, &query).await,
            AlertPreference::Unfollow(query) => self.unfollow(asker, &query).await,
            AlertPreference::Mute(length) => self.mute(asker, length).await,
            AlertPreference::Unmute => self.unmute(asker).await,
            AlertPreference::Ignore(query) => self.ignore(asker, &query).await,
            AlertPreference::Unignore(query) => self.unignore(asker, &query).await,
        }
    }

    /// The reply if a query names no device or several, with a button for each candidate.
    pub(in crate::chat) fn ambiguous_reply(
        &self,
        state: &State,
        found: &LookupResult,
        button: impl Fn(MacAddr, String) -> Option<Button>,
    ) -> Reply {
        Reply {
            buttons: views::ambiguous_matches(found, state, button),
            ..views::device_reply(found, self.recorder.now(), self.zone)
        }
    }

    /// The watch that a button refers to by its [`watch_hash`].
    pub(in crate::chat) fn watch_with_hash(&self, chat: ChatId, hash: u64) -> Option<WatchTarget> {
        WatchedNetworks::for_chat(chat, &self.recorder.state()).watch_by_hash(hash)
    }

    pub(in crate::chat) async fn follow(&self, asker: Asker<'_>, query: &str) -> Reply {
        let chat = asker.chat;
        let (kinds, is_of_others, done) = {
            let state = self.recorder.state();
            let (found, silence) = match self.device_and_silence(&state, query) {
                Ok(meant) => meant,
                Err(refused) => return *refused,
            };
            let Some(device) = found.key() else { return texts::no_such_device(query).into() };
            let meant = Meant::new(&state, device, chat, state.follows());
            if meant.members.len() > MEMBERS_LIMIT {
                return texts::too_many_members(&meant.shown, MEMBERS_LIMIT).into();
            }
            if meant.known.is_empty() && state.follows().count(chat) >= DEVICES_PER_CHAT {
                return texts::too_many_follows(DEVICES_PER_CHAT).into();
            }
            let before = meant.known.first().map(|follow| follow.value.silence());
            let silence = silence.or(before).unwrap_or(self.follow_silence);
            let is_new = before != Some(silence) || !meant.is_covered();
            let last_seen = state.last_seen_of(&meant.members).map(|(_, last)| last);
            let Meant { device, members, shown, known } = meant;
            let times = (self.recorder.now(), self.zone);
            let done = texts::following(&shown, is_new, silence, last_seen, times);
            let done = done.append_text(caveat(&state, &found)).append_text(self.mute_note(&state, chat));
            if !is_new {
                return done.into();
            }
            let silence_seconds = silence.as_secs();
            let members = evidence(&device, members);
            let follow = EventKind::Follow { chat, device, silence_seconds, members };
            let is_of_others = known.iter().any(|follow| asker.is_of_others(follow.value.set_by.as_ref()));
            (with_phones_kept(&state, &found, follow), is_of_others, done)
        };
        match self.refuse_if(is_of_others, asker).await {
            Some(refused) => refused.into(),
            None => self.change(asker, kinds, done).await,
        }
    }

    /// The device to follow, and the silence after which it has left, if the query ends in minutes.
    fn device_and_silence(
        &self,
        state: &State,
        query: &str,
    ) -> Result<(FoundDevice, Option<Duration>), Box<Reply>> {
        let to_follow = |address, label| Callback::Follow(address).button(label);
        let (found, silence) = match which_device(state, query) {
            Ok(found) => (found, None),
            Err(not_found) => {
                let split = query.rsplit_once(char::is_whitespace);
                let split =
                    split.and_then(|(device, minutes)| Some((device.trim(), minutes.parse::<u64>().ok()?)));
                let Some((device, minutes)) = split else {
                    return Err(Box::new(self.ambiguous_reply(state, &not_found, to_follow)));
                };
                if !FOLLOW_MINUTES.contains(&minutes) {
                    return Err(Box::new(texts::bad_follow_minutes(&FOLLOW_MINUTES).into()));
                }
                let found = which_device(state, device)
                    .map_err(|found| Box::new(self.ambiguous_reply(state, &found, to_follow)))?;
                (found, Some(Duration::from_secs(60 * minutes)))
            }
        };
        // Without its group, a random address is of no use: the device soon takes another one.
        let is_random = found.phones.is_empty() && found.addresses.iter().all(|address| address.is_random());
        match found.addresses.first() {
            Some(first) if is_random => {
                Err(Box::new(texts::random_cannot_be_followed(*first, found.addresses.len()).into()))
            }
            _ => Ok((found, silence)),
        }
    }

    pub(in crate::chat) async fn unfollow(&self, asker: Asker<'_>, query: &str) -> Reply {
        let chat = asker.chat;
        let (owner, shown) = {
            let state = self.recorder.state();
            found_subscription(&state, state.follows(), (chat, query), |follow: &Follow| &follow.set_by)
        };
        match owner {
            PreferenceOwner::Nobody => texts::was_not_followed(&self.device_display_name(query)).into(),
            PreferenceOwner::TerminalOnly => texts::followed_at_the_terminal(&shown).into(),
            PreferenceOwner::Chat { subscriptions, set_by, remaining } => {
                let is_of_others = set_by.iter().any(|by| asker.is_of_others(by.as_ref()));
                if let Some(refused) = self.refuse_if(is_of_others, asker).await {
                    return refused.into();
                }
                let unfollow = |device| EventKind::Unfollow { chat, device };
                let kinds = subscriptions.into_iter().map(unfollow).collect();
                self.change(asker, kinds, texts::unfollowed(&shown, remaining)).await
            }
        }
    }

    /// The device's name, or else the query.
    fn device_display_name(&self, query: &str) -> String {
        match which_device(&self.recorder.state(), query) {
            Ok(FoundDevice { name: Some(name), .. }) => name,
            _ => query.to_owned(),
        }
    }

    /// That the chat is muted, for the reply to who sets an alert.
    pub(super) fn mute_note(&self, state: &State, chat: ChatId) -> Text {
        let now = self.recorder.now();
        match state.mutes().get(chat).filter(|mute| now < mute.until) {
            Some(mute) => texts::still_muted(mute.until, self.zone),
            None => Text::default(),
        }
    }

    /// Mutes the chat. In a group that keeps alerts from the others, too.
    pub(in crate::chat) async fn mute(&self, asker: Asker<'_>, length: Duration) -> Reply {
        let chat = asker.chat;
        let is_of_others = others_are_alerted(&self.recorder.state(), asker);
        if let Some(refused) = self.refuse_if(is_of_others, asker).await {
            return refused.into();
        }
        let until = self.recorder.now().saturating_add(length);
        self.change(asker, vec![EventKind::Mute { chat, until }], texts::muted(until, self.zone)).await
    }

    /// Ends a mute.
    async fn unmute(&self, asker: Asker<'_>) -> Reply {
        let mute = self.recorder.state().mutes().get(asker.chat).cloned();
        let Some(mute) = mute else { return texts::was_not_muted().into() };
        match self.refuse_to_end(&[mute.set_by], asker).await {
            Some(refused) => refused.into(),
            None => {
                let unmute = EventKind::Unmute { chat: asker.chat };
                self.change(asker, vec![unmute], texts::unmuted(mute.suppressed)).await
            }
        }
    }

    /// Ignores a device. In a group that keeps alerts about it from the others, too.
    pub(in crate::chat) async fn ignore(&self, asker: Asker<'_>, query: &str) -> Reply {
        let chat = asker.chat;
        let (kinds, is_of_others, done) = {
            let state = self.recorder.state();
            let found = match which_device(&state, query) {
                Ok(found) => found,
                Err(found) => {
                    let to_ignore = |address, label: String| Callback::Ignore(address).button(label);
                    return self.ambiguous_reply(&state, &found, to_ignore);
                }
            };
            let Some(device) = found.key() else { return texts::no_such_device(query).into() };
            let ignored = state.mutes().ignored();
            let meant = Meant::new(&state, device, chat, ignored);
            if meant.is_covered() {
                return texts::was_ignored(&meant.shown);
            }
            if meant.members.len() > MEMBERS_LIMIT {
                return texts::too_many_members(&meant.shown, MEMBERS_LIMIT).into();
            }
            if meant.known.is_empty() && ignored.count(chat) >= DEVICES_PER_CHAT {
                return texts::too_many_ignored(DEVICES_PER_CHAT).into();
            }
            let Meant { device, members, shown, known } = meant;
            let done = texts::ignoring(&shown, caveat(&state, &found));
            let members = evidence(&device, members);
            let ignore = EventKind::Ignore { chat, device, members };
            let extends_others =
                known.iter().any(|ignored| asker.is_of_others(ignored.value.set_by.as_ref()));
            let is_of_others = extends_others || others_are_alerted(&state, asker);
            (with_phones_kept(&state, &found, ignore), is_of_others, done)
        };
        match self.refuse_if(is_of_others, asker).await {
            Some(refused) => refused.into(),
            None => self.change(asker, kinds, done).await,
        }
    }

    pub(in crate::chat) async fn unignore(&self, asker: Asker<'_>, query: &str) -> Reply {
        let chat = asker.chat;
        let (owner, shown) = {
            let state = self.recorder.state();
            let ignored = state.mutes().ignored();
            found_subscription(&state, ignored, (chat, query), |ignored: &Ignored| &ignored.set_by)
        };
        match owner {
            PreferenceOwner::Nobody => texts::was_not_ignored(&self.device_display_name(query)).into(),
            PreferenceOwner::TerminalOnly => texts::ignored_at_the_terminal(&shown).into(),
            PreferenceOwner::Chat { subscriptions, set_by, remaining } => {
                if let Some(refused) = self.refuse_to_end(&set_by, asker).await {
                    return refused.into();
                }
                let unignore = |device| EventKind::Unignore { chat, device };
                let kinds = subscriptions.into_iter().map(unignore).collect();
                self.change(asker, kinds, texts::unignored(&shown, remaining)).await
            }
        }
    }
}

fn watch_of<'a>(state: &'a State, target: &WatchTarget, by: ChatId) -> Option<&'a Watch> {
    match target {
        WatchTarget::Network(ssid) => state.watches().get(ssid, by),
        WatchTarget::Pattern(pattern) => state.watches().pattern(pattern, by),
    }
}

/// Another watch that still covers `target`, besides the chat's own watch on exactly that.
fn remaining_watch(state: &State, target: &WatchTarget, chat: ChatId) -> Option<texts::RemainingWatch> {
    if chat != ChatId::TERMINAL && watch_of(state, target, ChatId::TERMINAL).is_some() {
        return Some(texts::RemainingWatch { by: target.clone(), from_terminal: true });
    }
    let WatchTarget::Network(ssid) = target else { return None };
    [chat, ChatId::TERMINAL].into_iter().find_map(|by| {
        let (_, pattern, _) = state.watches().patterns_of(ssid).find(|(watching, _, _)| *watching == by)?;
        Some(texts::RemainingWatch { by: WatchTarget::Pattern(pattern.clone()), from_terminal: by != chat })
    })
}

/// The change, and before it the events that keep the phones that it is about, with their names.
fn with_phones_kept(state: &State, found: &FoundDevice, change: EventKind) -> Vec<EventKind> {
    let kept = found.phones.iter().filter_map(|phone| {
        let group = state.grouping().group(*phone)?;
        keep_phone(state, *phone, group.name.clone(), group.is_named_by_member)
    });
    kept.chain([change]).collect()
}

/// How well the phones among the device's addresses are recognised.
fn caveat(state: &State, found: &FoundDevice) -> Text {
    let grouping = state.grouping();
    let models = found.phones.iter().filter_map(|phone| Some(grouping.group(*phone)?.model));
    let is_distinguishable = models.into_iter().all(|model| grouping.continues_counters(model));
    match found.phones.is_empty() {
        true => Text::default(),
        false => views::phones::caveat(grouping.mode(), is_distinguishable),
    }
}
