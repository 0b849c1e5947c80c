//! Names that members propose and owners accept.

use store::event::{DeviceKey, Offset, ProposedChange};
use store::state::{Proposal, State};

use crate::chat::button::Button;
use crate::chat::callbacks::Callback;
use crate::chat::message::Reply;
use crate::chat::model::phone::{phone_label, phone_name};
use crate::text::format::pluralize;
use crate::text::{Text, foreign};

/// The notification if a proposal is answered a second time, or too late.
pub(in crate::chat) const IS_OVER: &str = "That was answered already, or nobody answered it for a week.";

/// What came of a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::chat) enum Answer {
    /// An owner accepted it.
    Accepted,
    /// An owner refused it.
    Refused,
    /// An owner accepted it too late.
    Impossible,
}

fn device(text: Text, device: &DeviceKey) -> Text {
    match device {
        DeviceKey::Address(address) => text.code(address),
        DeviceKey::Phone(phone) => text.append(phone_label(*phone)),
        DeviceKey::Name(name) => text.append(foreign(name)),
    }
}

/// The change, as what is to be done.
fn wish(text: Text, change: &ProposedChange) -> Text {
    match change {
        ProposedChange::Name { device: named, name } => {
            device(text.append("to call "), named).append(format_args!(" {}", foreign(name)))
        }
        ProposedChange::Unname { device: named } => device(text.append("to remove the name of "), named),
        ProposedChange::Split { phone, address } => {
            text.append("to take ").code(address).append(format_args!(" out of {}", phone_label(*phone)))
        }
    }
}

/// Who asks for what. Anybody can call themselves anything in Telegram, so the text has the chat's ID, too.
fn asked(text: Text, proposal: &Proposal, state: &State) -> Text {
    let text = match &proposal.person {
        None => text.append("Chat ").code(proposal.chat),
        Some(person) => {
            text.append(format_args!("{} (chat ", foreign(&person.name))).code(proposal.chat).append(")")
        }
    };
    let text = wish(text.append(" asks you "), &proposal.change).append(".");
    let (ProposedChange::Name { device: named, .. } | ProposedChange::Unname { device: named }) =
        &proposal.change
    else {
        return text;
    };
    let now = match named {
        DeviceKey::Address(address) => state.name_of(*address),
        DeviceKey::Phone(phone) => phone_name(state, *phone),
        DeviceKey::Name(_) => None,
    };
    let text = match now {
        Some(now) => text.append(format_args!(" It is called {} now.", foreign(now))),
        None => text,
    };
    let ProposedChange::Name { name, .. } = &proposal.change else { return text };
    match state.addresses_of(name).len() {
        0 => text,
        count => text.append(format_args!(
            " It would count as one device with {} of that name.",
            pluralize(count as u64, "address", "addresses")
        )),
    }
}

fn buttons(offset: Offset, [accept, refuse]: [&str; 2]) -> Vec<Button> {
    let buttons = [(accept, true), (refuse, false)];
    buttons
        .into_iter()
        .filter_map(|(label, accepts)| {
            let button = Callback::Answer(offset, accepts).button(label)?;
            Some(if accepts { button.success() } else { button })
        })
        .collect()
}

/// Asks an owner.
pub(crate) fn question(offset: Offset, proposal: &Proposal, state: &State) -> Reply {
    let text = asked(Text::plain("✏️ "), proposal, state);
    Reply { text, buttons: vec![buttons(offset, ["✅ Accept", "❌ Refuse"])], ..Reply::default() }
}

/// How many proposals a list has: their texts fit into a message.
const LISTED: usize = 10;

/// The oldest open proposals, with buttons for each.
pub(in crate::chat) fn list(open: &[(Offset, &Proposal)], state: &State) -> Reply {
    if open.is_empty() {
        return Text::plain("✏️ No name waits for an owner.").into();
    }
    let (open, others) = open.split_at(open.len().min(LISTED));
    let entries = (1..)
        .zip(open)
        .map(|(number, (_, proposal))| asked(Text::plain(format_args!("\n{number}. ")), proposal, state));
    let text = entries.fold(Text::default().bold("✏️ Names that wait for an owner"), Text::append_text);
    let text = match others.len() {
        0 => text,
        count => {
            text.append(format_args!("\n{count} more wait. Answer these first, and send /proposals again."))
        }
    };
    let rows = (1..).zip(open).map(|(number, (offset, _))| {
        let [accept, refuse] = [format!("✅ Accept {number}"), format!("❌ Refuse {number}")];
        buttons(*offset, [&accept, &refuse])
    });
    Reply { buttons: rows.collect(), text, ..Reply::default() }
}

/// The reply to a member: an owner has to accept it.
pub(in crate::chat) fn proposed(change: &ProposedChange) -> Text {
    wish(Text::plain("✏️ Only an owner can do that. I asked them "), change)
        .append(", and I will tell you what they answer.")
}

pub(in crate::chat) fn already_proposed() -> Text {
    Text::plain("✏️ The owners were asked for that already, and have not answered yet.")
}

pub(in crate::chat) fn too_many() -> Text {
    Text::plain("❌ Too many names wait for an owner already. Try again when they have answered some.")
}

/// What the owner sees in place of the question.
pub(in crate::chat) fn refused(proposal: &Proposal) -> Text {
    wish(Text::plain("❌ Refused "), &proposal.change).append(".")
}

/// What the chat that asked is told.
pub(in crate::chat) fn answered(change: &ProposedChange, answer: Answer) -> Text {
    let text = match answer {
        Answer::Accepted => Text::plain("✅ An owner accepted "),
        Answer::Refused => Text::plain("❌ An owner refused "),
        Answer::Impossible => Text::plain("❌ It is no longer possible "),
    };
    wish(text, change).append(".")
}
