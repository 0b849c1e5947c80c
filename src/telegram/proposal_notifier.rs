//! Asks the owners about what chats proposed, again after a failure or a restart, until Telegram took the question for
//! at least one of them.
//!
//! That a question was sent is recorded after it. If the service is killed in between, the owners are asked twice.

use std::collections::BTreeSet;
use std::time::Duration;

use store::event::{Event, EventKind, Offset};
use store::recorder::RecorderHandle;
use tracing::{debug, warn};

use super::access::Access;
use super::sender::Sender;
use crate::chat::views::proposals;

/// The first wait after a failure; it doubles up to [`LONGEST_WAIT`].
const SHORTEST_WAIT: Duration = Duration::from_secs(10);

const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// Asks for ever.
pub(super) async fn run(access: &Access, sender: &Sender, recorder: &RecorderHandle) {
    let mut asked = BTreeSet::new();
    let mut wait = SHORTEST_WAIT;
    loop {
        let is_done = ask_all(access, sender, recorder, &mut asked).await;
        let retry = async {
            match is_done {
                true => std::future::pending().await,
                false => tokio::time::sleep(wait).await,
            }
        };
        tokio::select! {
            () = retry => wait = (2 * wait).min(LONGEST_WAIT),
            () = access.proposed.notified() => wait = SHORTEST_WAIT,
        }
    }
}

/// Asks once about each proposal that no owner was asked about. Returns false if something failed.
///
/// `asked` has the proposals whose question was sent while that could not be recorded.
async fn ask_all(
    access: &Access,
    sender: &Sender,
    recorder: &RecorderHandle,
    asked: &mut BTreeSet<Offset>,
) -> bool {
    let now = recorder.now();
    let unasked: Vec<Offset> = {
        let state = recorder.state();
        let unasked = state.proposals().open(now).filter(|(_, proposal)| !proposal.asked);
        unasked.filter(|(_, proposal)| sender.has_access(proposal.chat)).map(|(offset, _)| offset).collect()
    };
    asked.retain(|offset| unasked.contains(offset));
    let mut is_done = true;
    for proposal in unasked {
        if !asked.contains(&proposal) && !ask(access, sender, recorder, proposal).await {
            is_done = false;
            continue;
        }
        asked.insert(proposal);
        let recorded = recorder.change(Event::new(now, EventKind::OwnersAsked { proposal })).await;
        if let Err(error) = recorded {
            debug!(%proposal, %error, "could not record that the owners were asked about a proposal");
            is_done = false;
        }
    }
    is_done
}

/// Asks every owner about a proposal. Returns whether Telegram took the question for one of them, or nobody has to be
/// asked.
async fn ask(access: &Access, sender: &Sender, recorder: &RecorderHandle, proposal: Offset) -> bool {
    let question = {
        let state = recorder.state();
        let open = state.proposals().get(proposal, recorder.now());
        open.map(|open| proposals::question(proposal, open, &state))
    };
    let Some(question) = question else { return true };
    let mut is_asked = false;
    for owner in access.all_owners() {
        match sender.send_notice(owner, &question, false).await {
            Ok(()) => is_asked = true,
            Err(error) => warn!(
                event = "question_failed",
                chat = %owner,
                %error,
                remedy = error.remedy(),
                "could not ask an owner about a proposed name; /proposals lists it"
            ),
        }
    }
    is_asked
}
