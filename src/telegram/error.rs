//! Why the bot cannot serve.

use std::io;
use std::net::SocketAddr;

use crate::http::CertificateError;

/// Why the bot cannot serve. Trying again would not help.
#[derive(Debug, thiserror::Error)]
pub enum TelegramError {
    /// Telegram rejects the token.
    #[error("Telegram refused the bot's token")]
    Token,
    /// The webhook's listener cannot bind its address.
    #[error("could not listen on {address} for the webhook (telegram.webhook.listen): {source}")]
    Listen {
        /// The configured address.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// The webhook's port needs a capability that the process does not have.
    #[error(
        "could not listen on {address} for the webhook: ports below 1024 need the capability CAP_NET_BIND_SERVICE"
    )]
    ListenPermission {
        /// The configured address.
        address: SocketAddr,
    },
    /// The webhook's certificate cannot be made.
    #[error("could not make a certificate for the host in telegram.webhook.url: {0}")]
    Certificate(CertificateError),
    /// The system gives no random numbers for the webhook's secret.
    #[error("could not make a secret for the webhook: {0}")]
    Secret(String),
    /// The HTTP client cannot be set up.
    #[error("could not set up HTTPS: {0}")]
    Client(String),
}

impl TelegramError {
    /// What the operator can do about it.
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Token => Some("check telegram.token, or ask @BotFather for a new one"),
            Self::Listen { .. } => Some("set telegram.webhook.listen to a free address of this machine"),
            Self::ListenPermission { .. } => Some(
                "use port 8443 in telegram.webhook.url, or set telegram.webhook.listen to a port above 1023 and have \
                 the router forward to it",
            ),
            Self::Certificate(_) => Some("check the host in telegram.webhook.url"),
            Self::Client(_) => Some("install the system's CA certificates"),
            Self::Secret(_) => None,
        }
    }
}
