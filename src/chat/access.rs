//! Who has access to the bot: what the dispatcher asks of the adapter that knows.

use std::pin::Pin;

use store::event::{ChatId, Role};

use super::message::{PressReply, Reply};
use crate::text::Text;

/// A future of a trait object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Who has access, and the commands that change it. Telegram has this; a terminal has no owners.
///
/// The dispatcher checks the role that a command or a button requires before it calls [`AccessControl::invite`] and
/// those below.
pub trait AccessControl: Send + Sync {
    /// Whether anybody owns the bot.
    fn has_owner(&self) -> bool;

    /// Whether this is the private chat of an owner.
    fn is_owner(&self, chat: ChatId) -> bool;

    /// Whether members may name devices without asking an owner.
    fn members_may_name(&self) -> bool;

    /// Whether the person is an admin of the group; `None` if Telegram does not say.
    fn is_group_admin(&self, group: ChatId, person: ChatId) -> BoxFuture<'_, Option<bool>>;

    /// Asks the owners about proposals that they were not asked about yet, in the background.
    fn ask_about_proposals(&self);

    /// Sends a text to a chat that has access, in the background.
    fn tell(&self, chat: ChatId, text: Text);

    /// Uses an invitation code in a chat that has access already, and returns its role; `None` if the code is not valid.
    fn pair<'a>(&'a self, chat: ChatId, code: &'a str) -> BoxFuture<'a, Option<Result<Role, Text>>>;

    /// Creates an invitation for `role`.
    fn invite(&self, owner: ChatId, role: Role) -> BoxFuture<'_, Reply>;

    /// The chats that have access, with buttons to remove them, for this owner.
    fn chats(&self, owner: ChatId) -> Reply;

    /// Asks whether to remove a chat.
    fn confirm_removal(&self, owner: ChatId, chat: ChatId) -> PressReply;

    /// Removes a chat.
    fn remove(&self, owner: ChatId, chat: ChatId) -> BoxFuture<'_, PressReply>;
}
