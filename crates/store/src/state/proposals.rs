//! Changes of names that chats asked the owners for.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::dirty_map::DirtyMap;
use crate::event::{ChatId, GroupId, Offset, Person, ProposedChange, Timestamp};

/// Proposals that may be open at a time.
pub const PROPOSAL_LIMIT: usize = 32;

/// Proposals of one chat that may be open at a time.
pub const PROPOSALS_PER_CHAT: usize = 8;

/// How long a proposal can be answered.
pub const PROPOSAL_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);

/// A change that a chat asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// When.
    pub time: Timestamp,
    /// The chat.
    pub chat: ChatId,
    /// The person who asked, if that is known.
    pub person: Option<Person>,
    /// What they want.
    pub change: ProposedChange,
    /// Whether an owner was asked.
    #[serde(default)]
    pub asked: bool,
}

/// The proposals, by the offset of their events.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Proposals {
    pub(super) rows: DirtyMap<Offset, Proposal>,
}

impl Proposals {
    /// Adds a proposal, unless there are too many or the chat asked for the same before. Those that are over leave.
    pub(super) fn add(&mut self, offset: Offset, proposal: Proposal) {
        self.retain(|old| old.is_open(proposal.time));
        let is_known = self.find(proposal.chat, &proposal.change, proposal.time).is_some();
        if !is_known && self.room(proposal.chat, proposal.time) {
            self.rows.insert(offset, proposal);
        }
    }

    /// An owner was asked.
    pub(super) fn asked(&mut self, offset: Offset) {
        if let Some(proposal) = self.rows.get_mut(&offset) {
            proposal.asked = true;
        }
    }

    pub(super) fn answer(&mut self, offset: Offset) {
        self.rows.remove(&offset);
    }

    pub(super) fn migrate(&mut self, from: ChatId, to: ChatId) {
        self.update(|proposal| proposal.chat == from, |proposal| proposal.chat = to);
    }

    /// The phone `from` is the phone `to` from now on.
    pub(super) fn rename_phone(&mut self, from: GroupId, to: GroupId) {
        let is_of = |proposal: &Proposal| proposal.change.phone() == Some(from);
        self.update(is_of, |proposal| proposal.change.set_phone(to));
    }

    fn update(&mut self, is_meant: impl Fn(&Proposal) -> bool, change: impl Fn(&mut Proposal)) {
        let meant = self.rows.iter().filter(|(_, proposal)| is_meant(proposal));
        for offset in meant.map(|(offset, _)| *offset).collect::<Vec<_>>() {
            if let Some(proposal) = self.rows.get_mut(&offset) {
                change(proposal);
            }
        }
    }

    pub(super) fn remove_chat(&mut self, chat: ChatId) {
        self.retain(|proposal| proposal.chat != chat);
    }

    fn retain(&mut self, is_kept: impl Fn(&Proposal) -> bool) {
        let gone = self.rows.iter().filter(|(_, proposal)| !is_kept(proposal));
        for offset in gone.map(|(offset, _)| *offset).collect::<Vec<_>>() {
            self.rows.remove(&offset);
        }
    }

    /// Whether the chat may ask for one more change.
    pub fn room(&self, chat: ChatId, time: Timestamp) -> bool {
        let (mut all, mut of_chat) = (0, 0);
        for (_, proposal) in self.open(time) {
            all += 1;
            of_chat += usize::from(proposal.chat == chat);
        }
        all < PROPOSAL_LIMIT && of_chat < PROPOSALS_PER_CHAT
    }

    /// The open proposal of this chat for this change.
    pub fn find(&self, chat: ChatId, change: &ProposedChange, time: Timestamp) -> Option<Offset> {
        let mut open = self.open(time);
        open.find(|(_, proposal)| proposal.chat == chat && proposal.change == *change)
            .map(|(offset, _)| offset)
    }

    /// This proposal, if it can still be answered.
    pub fn get(&self, offset: Offset, time: Timestamp) -> Option<&Proposal> {
        self.rows.get(&offset).filter(|proposal| proposal.is_open(time))
    }

    /// The proposals that can still be answered, in the order in which they were made.
    pub fn open(&self, time: Timestamp) -> impl Iterator<Item = (Offset, &Proposal)> {
        let open = self.rows.iter().filter(move |(_, proposal)| proposal.is_open(time));
        open.map(|(offset, proposal)| (*offset, proposal))
    }
}

impl Proposal {
    fn is_open(&self, time: Timestamp) -> bool {
        time.abs_diff(self.time) <= PROPOSAL_LIFETIME
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::DeviceKey;
    use dot11::MacAddr;

    fn proposal(chat: i64, number: u8, days: i64) -> Proposal {
        let device = DeviceKey::Address(MacAddr::new([0xa4, 0x83, 0xe7, 0, 0, number]));
        Proposal {
            time: at(days),
            chat: ChatId(chat),
            person: None,
            change: ProposedChange::Name { device, name: "Lamp".to_owned() },
            asked: false,
        }
    }

    fn at(days: i64) -> Timestamp {
        Timestamp::from_micros(days * 24 * 3600 * 1_000_000)
    }

    #[test]
    fn proposals_are_few_and_end() {
        let mut proposals = Proposals::default();
        let mut next = 0;
        let mut add = |proposals: &mut Proposals, proposal: Proposal| {
            proposals.add(Offset(next), proposal);
            next += 1;
        };
        for number in 0..20 {
            add(&mut proposals, proposal(1, number, 0));
        }
        assert_eq!(proposals.open(at(0)).count(), PROPOSALS_PER_CHAT);
        for chat in 2..20 {
            for number in 0..3 {
                add(&mut proposals, proposal(chat, number, 1));
                add(&mut proposals, proposal(chat, number, 1));
            }
        }
        assert_eq!(proposals.open(at(1)).count(), PROPOSAL_LIMIT);
        let of_two = proposals.open(at(1)).filter(|(_, proposal)| proposal.chat == ChatId(2));
        assert_eq!(of_two.count(), 3, "the same twice is one");
        // An answered one makes room.
        assert!(!proposals.room(ChatId(19), at(1)));
        proposals.answer(Offset(0));
        assert!(proposals.get(Offset(0), at(1)).is_none());
        assert!(proposals.room(ChatId(19), at(1)) && proposals.room(ChatId(1), at(1)));
        // After a week the first ones are over, and leave with the next one.
        assert!(proposals.get(Offset(1), at(7)).is_some() && proposals.get(Offset(1), at(8)).is_none());
        add(&mut proposals, proposal(1, 9, 8));
        assert_eq!(proposals.rows.len(), PROPOSAL_LIMIT - PROPOSALS_PER_CHAT + 1);
        proposals.migrate(ChatId(1), ChatId(100));
        assert!(proposals.find(ChatId(100), &proposal(1, 9, 8).change, at(8)).is_some());
        proposals.remove_chat(ChatId(100));
        assert!(proposals.find(ChatId(100), &proposal(1, 9, 8).change, at(8)).is_none());
    }

    #[test]
    fn a_proposal_is_asked_once_and_follows_its_phone() {
        let mut proposals = Proposals::default();
        let [phone, other] = ["3f2a", "3f2b"].map(|id| id.parse::<GroupId>().unwrap());
        let address = MacAddr::new([0xda, 0xa1, 0x19, 0, 0, 1]);
        let changes = [
            ProposedChange::Name { device: DeviceKey::Phone(phone), name: "Ann".to_owned() },
            ProposedChange::Unname { device: DeviceKey::Phone(phone) },
            ProposedChange::Split { phone, address },
            ProposedChange::Unname { device: DeviceKey::Address(address) },
        ];
        for (offset, change) in (0..).zip(changes) {
            proposals.add(Offset(offset), Proposal { change, ..proposal(1, 0, 0) });
        }
        proposals.asked(Offset(2));
        proposals.asked(Offset(9));
        let asked: Vec<bool> = proposals.open(at(0)).map(|(_, proposal)| proposal.asked).collect();
        assert_eq!(asked, [false, false, true, false]);
        proposals.rename_phone(phone, other);
        let phones: Vec<_> = proposals.open(at(0)).map(|(_, proposal)| proposal.change.phone()).collect();
        assert_eq!(phones, [Some(other), Some(other), Some(other), None]);
        proposals.rename_phone(phone, other);
        assert!(proposals.get(Offset(2), at(0)).is_some_and(|proposal| proposal.asked));
    }
}
