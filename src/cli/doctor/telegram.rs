//! Telegram: the token, and what Telegram knows about the webhook.

use chrono_tz::Tz;
use store::event::Timestamp;

use super::finding::Finding;
use crate::config::{ConfigError, Tls};
use crate::status::{self, RequestedWait, TelegramProblem, WaitsWith};
use crate::telegram::{BotStatus, ConfiguredWebhook, QueryError, WebhookStatus};
use crate::text::format::pluralize;

const TOKEN: &str = "Telegram token";
const WEBHOOK: &str = "Webhook";

/// How old an error may be to count, in seconds, if no update is waiting.
const RECENT_SECONDS: i64 = 3600;

/// The folder and file from which the systemd unit gives the service its token (systemd/probewatch.service).
pub(super) const UNIT_FOLDER: &str = "/etc/probewatch";
pub(super) const UNIT_FILE: &str = "/etc/probewatch/telegram-token";

/// Where the token comes from that was used to ask Telegram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenOrigin {
    /// The service asked with its own.
    Service,
    /// The configuration.
    Configured,
    /// The file that systemd gives to the service.
    SystemdCredential,
}

/// There is no token to ask with.
pub(super) fn no_token(origin: TokenOrigin) -> Finding {
    let summary = match origin {
        TokenOrigin::Service => "the service has none: it records probes, but answers nobody",
        TokenOrigin::Configured | TokenOrigin::SystemdCredential => {
            "none is configured: the service records probes, but answers nobody"
        }
    };
    Finding::unknown(TOKEN, summary).with_remedy(format!(
        "under systemd run sudo probewatch setup, which writes {UNIT_FILE}; otherwise set telegram.token_file and restart the service"
    ))
}

/// The file of the unit exists, but this user may not read it, or it holds no token.
pub(super) fn unreadable_token(error: &ConfigError, is_permitted: bool) -> Finding {
    if is_permitted {
        let remedy = format!("put the token from @BotFather into {UNIT_FILE}, and nothing else");
        return Finding::broken(TOKEN, error.to_string(), remedy);
    }
    Finding::unknown(TOKEN, format!("the service reads it from {UNIT_FILE}, which this user may not read"))
        .with_remedy("run this command with sudo")
}

/// The running service could not be asked.
pub(super) fn not_asked(why: &str) -> Finding {
    Finding::unknown(TOKEN, format!("the service could not be asked: {why}"))
}

/// Telegram asked the bot to wait.
pub(super) fn requested_wait(wait: &RequestedWait, zone: Tz) -> Finding {
    let remedy = match wait.with {
        WaitsWith::Alerts(_) | WaitsWith::Replies(_) => {
            "wait until then; if it happens often, raise alerts.gather_seconds, so that the bot sends fewer messages"
        }
        WaitsWith::Updates => {
            "wait until then; if it happens often, check that no other program uses the bot's token"
        }
    };
    Finding::unknown("Telegram's limits", status::requested_wait(wait, zone).to_string()).with_remedy(remedy)
}

/// What keeps the bot from its work.
pub(super) fn problem(problem: &TelegramProblem, zone: Tz) -> Finding {
    let check = match problem {
        TelegramProblem::ChatRefuses { .. } | TelegramProblem::ChatBlocks { .. } => "Alerts",
        TelegramProblem::UpdateConflict { .. } => "Telegram updates",
    };
    Finding::broken(check, problem.summary(zone).to_string(), problem.remedy())
}

/// What the status means.
pub(super) fn findings(status: &BotStatus, now: Timestamp, origin: TokenOrigin) -> Vec<Finding> {
    let mut findings = vec![token(&status.server, status.bot.as_ref(), origin)];
    let service_runs = origin == TokenOrigin::Service;
    findings.extend(match (&status.bot, &status.webhook) {
        // A server that does not know the bot, or does not answer, says nothing about the webhook.
        (Err(_), _) => None,
        (Ok(_), Err(error)) => Some(unknown_webhook(&status.server, error)),
        (Ok(_), Ok(found)) => Some(match &status.configured {
            Some(configured) => webhook(configured, found, now, service_runs),
            None => no_webhook(found, service_runs),
        }),
    });
    findings
}

fn token(server: &str, bot: Result<&String, &QueryError>, origin: TokenOrigin) -> Finding {
    let whose = match origin {
        TokenOrigin::Service | TokenOrigin::Configured => "",
        TokenOrigin::SystemdCredential => {
            " by the token in /etc/probewatch/telegram-token, which systemd gives to the service"
        }
    };
    match bot {
        Ok(name) => Finding::ok(TOKEN, format!("Telegram knows the bot as @{name}{whose}")),
        Err(QueryError::Token) => Finding::broken(
            TOKEN,
            "Telegram does not know it",
            "it was mistyped or revoked: get a new one from @BotFather with /token",
        ),
        Err(error) => Finding::broken(TOKEN, describe_failure(server, error), reachability_remedy(server)),
    }
}

fn unknown_webhook(server: &str, error: &QueryError) -> Finding {
    let summary = format!("could not be checked: {}", describe_failure(server, error));
    Finding::broken(WEBHOOK, summary, reachability_remedy(server))
}

/// Why the server gave no answer, as a sentence.
pub(in crate::cli) fn describe_failure(server: &str, error: &QueryError) -> String {
    match error {
        QueryError::Token => format!("{server} does not know the token"),
        QueryError::TimedOut => format!("{server} did not answer in time"),
        QueryError::Failed(why) => format!("{server} could not be asked: {why}"),
    }
}

/// What helps if the server cannot be reached.
pub(in crate::cli) fn reachability_remedy(server: &str) -> String {
    format!(
        "check that this machine reaches {server}, and that telegram.api_url, the firewall and the clock are right"
    )
}

fn webhook(
    configured: &ConfiguredWebhook,
    found: &WebhookStatus,
    now: Timestamp,
    service_runs: bool,
) -> Finding {
    let restart = "restart the service, which tells Telegram the address";
    let Some(host) = &found.host else {
        return if service_runs {
            Finding::broken(WEBHOOK, "Telegram has none", restart)
        } else {
            Finding::unknown(WEBHOOK, "none is set yet; the service sets it when it starts")
        };
    };
    let waiting = match found.pending {
        0 => String::new(),
        count => format!("; {} waiting", pluralize(count, "update is", "updates are")),
    };
    let counts = |time| is_recent(time, now) || found.pending > 0;
    let failed = found.last_error.as_ref().filter(|(time, _)| counts(*time));
    let failed =
        failed.map(|(time, why)| (format!("posting to {host} failed at {time}: {why}{waiting}"), why));
    if !found.matches_configuration {
        let failed = failed.map_or(waiting, |(failed, _)| format!("; {failed}"));
        return Finding::broken(
            WEBHOOK,
            format!("Telegram posts to another address, on {host}{failed}"),
            format!("another program uses the same token, or the configuration has changed: {restart}"),
        );
    }
    if let Some(finding) = certificate(configured, found, service_runs) {
        return finding;
    }
    match failed {
        Some((failed, why)) => Finding::broken(WEBHOOK, failed, explain(why, configured)),
        None => Finding::ok(WEBHOOK, format!("Telegram posts to {host}{waiting}")),
    }
}

fn is_recent(time: Timestamp, now: Timestamp) -> bool {
    now.as_micros() - time.as_micros() < RECENT_SECONDS * 1_000_000
}

fn no_webhook(found: &WebhookStatus, service_runs: bool) -> Finding {
    match &found.host {
        None => Finding::ok(WEBHOOK, "none is set; the bot polls"),
        Some(host) if service_runs => Finding::broken(
            WEBHOOK,
            format!("one is set on {host}, which prevents polling"),
            "another program uses the same token: stop it, then restart the service, which removes the webhook",
        ),
        Some(host) => {
            Finding::unknown(WEBHOOK, format!("one is set on {host}; the service removes it when it starts"))
        }
    }
}

/// What is wrong if Telegram trusts an uploaded certificate and should not, or does not and should.
fn certificate(configured: &ConfiguredWebhook, found: &WebhookStatus, service_runs: bool) -> Option<Finding> {
    let summary = match (configured.tls, found.has_certificate) {
        (Tls::SelfSigned, false) => "Telegram does not have the service's certificate",
        (Tls::Off, true) => "Telegram trusts only a certificate that was uploaded earlier, not the proxy's",
        _ => return None,
    };
    Some(if service_runs {
        Finding::broken(
            WEBHOOK,
            summary,
            "restart the service, which tells Telegram which certificate to trust",
        )
    } else {
        Finding::unknown(WEBHOOK, format!("{summary}; the service fixes that when it starts"))
    })
}

/// What helps if posting failed with this message of Telegram.
fn explain(message: &str, configured: &ConfiguredWebhook) -> String {
    let status = message.rsplit_once("response from the webhook: ").and_then(|(_, rest)| rest.get(..3));
    let status = status.and_then(|status| status.parse().ok());
    let failure = message.to_ascii_lowercase();
    match (configured.tls, status) {
        (Tls::Off, Some(status)) => explain_status(status, configured),
        (Tls::Off, None) => explain_failure(&failure).to_owned(),
        (Tls::SelfSigned, Some(status)) => explain_own_status(status, configured),
        (Tls::SelfSigned, None) => explain_own_failure(&failure, configured),
    }
}

/// What helps if something behind a proxy answered with this HTTP status.
fn explain_status(status: u16, configured: &ConfiguredWebhook) -> String {
    let listen = configured.listen;
    match status {
        300..=399 => {
            "Telegram does not follow redirects: set telegram.webhook.url to the final address".to_owned()
        }
        401 | 403 => {
            "the secret or a password was rejected: let only probewatch answer under /telegram/, and \
             restart the service"
                .to_owned()
        }
        404 | 405 => {
            format!("something else answered: make the proxy pass /telegram/ to {listen} unchanged")
        }
        502..=504 => format!(
            "the proxy does not reach probewatch: check that the service runs and listens on {listen}, \
             and that the proxy passes requests to that address"
        ),
        520..=530 => format!("the tunnel is not connected: start cloudflared with {listen} as its service"),
        _ => "check the logs of the service and of the proxy".to_owned(),
    }
}

/// What helps if nothing behind a proxy answered, by the message in lower case.
fn explain_failure(message: &str) -> &'static str {
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if says(&["ssl", "certificate", "tls"]) {
        "renew the proxy's certificate and make it send the whole chain: Telegram rejects certificates that are \
         expired, self-signed or for another name"
    } else if says(&["timed out", "timeout"]) {
        "the address is not reachable from the internet: forward the port to the proxy and open the firewall; \
         Telegram posts only to ports 443, 80, 88 and 8443"
    } else if says(&["refused"]) {
        "nothing listens there: start the proxy, and check that the port is forwarded to it"
    } else if says(&["resolve", "not known", "dns"]) {
        "the host has no address: fix its DNS entry or telegram.webhook.url"
    } else if says(&["mismatch"]) {
        "the host's address has changed since the webhook was set: restart the service"
    } else {
        "check the log of the proxy"
    }
}

/// What helps if something answered with this HTTP status and there is no proxy.
fn explain_own_status(status: u16, configured: &ConfiguredWebhook) -> String {
    match status {
        401 => "the secret was rejected: restart the service, which gives Telegram a new one".to_owned(),
        300..=399 | 403..=405 => format!("something else answered: {}", forward(configured)),
        _ => "check the log of the service".to_owned(),
    }
}

/// What helps if nothing answered and there is no proxy, by the message in lower case.
fn explain_own_failure(message: &str, configured: &ConfiguredWebhook) -> String {
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    let forward = forward(configured);
    if says(&["ssl", "certificate", "tls"]) {
        format!(
            "restart the service, which gives Telegram its certificate again; if that does not help, something \
             else answers: {forward}"
        )
    } else if says(&["timed out", "timeout"]) {
        format!("the address is not reachable from the internet: {forward}, and open the firewall")
    } else if says(&["refused"]) {
        format!("nothing listens there: start the service, and {forward}")
    } else if says(&["resolve", "not known", "dns", "mismatch"]) {
        explain_failure(message).to_owned()
    } else {
        format!("check the log of the service, and {forward}")
    }
}

fn forward(configured: &ConfiguredWebhook) -> String {
    format!(
        "make the router forward port {} to port {} of this machine",
        configured.public_port,
        configured.listen.port()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configured() -> ConfiguredWebhook {
        ConfiguredWebhook { tls: Tls::Off, listen: "127.0.0.1:8080".parse().unwrap(), public_port: 443 }
    }

    fn found(host: Option<&str>, pending: u64, error: Option<(i64, &str)>) -> WebhookStatus {
        let last_error =
            error.map(|(seconds, why)| (Timestamp::from_micros(seconds * 1_000_000), why.to_owned()));
        WebhookStatus {
            host: host.map(str::to_owned),
            matches_configuration: host == Some("bot.example.org"),
            has_certificate: false,
            pending,
            last_error,
        }
    }

    #[test]
    fn explains_what_telegram_says_about_a_webhook() {
        let now = Timestamp::from_micros(1_000_000_000_000);
        let ours = Some("bot.example.org");
        let mut findings = vec![
            webhook(&configured(), &found(ours, 0, None), now, true),
            webhook(&configured(), &found(ours, 1, None), now, true),
            webhook(&configured(), &found(ours, 0, Some((900_000, "Connection refused"))), now, true),
            webhook(&configured(), &found(None, 0, None), now, true),
            webhook(&configured(), &found(None, 0, None), now, false),
            webhook(&configured(), &found(Some("other.example"), 0, None), now, true),
            webhook(
                &configured(),
                &found(Some("other.example"), 7, Some((999_990, "Wrong response from the webhook: 502"))),
                now,
                true,
            ),
            no_webhook(&found(None, 0, None), true),
            no_webhook(&found(Some("other.example"), 3, None), true),
            no_webhook(&found(Some("other.example"), 3, None), false),
        ];
        for why in [
            "Wrong response from the webhook: 404 Not Found",
            "Wrong response from the webhook: 401 Unauthorized",
            "Wrong response from the webhook: 302 Found",
            "Wrong response from the webhook: 502 Bad Gateway",
            "Wrong response from the webhook: 530 <none>",
            "Wrong response from the webhook: 500 Internal Server Error",
            "SSL error {error:0A000086:SSL routines::certificate verify failed}",
            "Connection timed out",
            "Read timeout expired",
            "Connection refused",
            "Failed to resolve host: Name or service not known",
            "IP address mismatch",
            "Connection reset by peer",
        ] {
            findings.push(webhook(&configured(), &found(ours, 2, Some((999_990, why))), now, true));
        }
        let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        ✓ Webhook: Telegram posts to bot.example.org
        ✓ Webhook: Telegram posts to bot.example.org; 1 update is waiting
        ✓ Webhook: Telegram posts to bot.example.org
        ✗ Webhook: Telegram has none
            → restart the service, which tells Telegram the address
        ! Webhook: none is set yet; the service sets it when it starts
        ✗ Webhook: Telegram posts to another address, on other.example
            → another program uses the same token, or the configuration has changed: restart the service, which tells Telegram the address
        ✗ Webhook: Telegram posts to another address, on other.example; posting to other.example failed at 1970-01-12T13:46:30.000000Z: Wrong response from the webhook: 502; 7 updates are waiting
            → another program uses the same token, or the configuration has changed: restart the service, which tells Telegram the address
        ✓ Webhook: none is set; the bot polls
        ✗ Webhook: one is set on other.example, which prevents polling
            → another program uses the same token: stop it, then restart the service, which removes the webhook
        ! Webhook: one is set on other.example; the service removes it when it starts
        ✗ Webhook: posting to bot.example.org failed at 1970-01-12T13:46:30.000000Z: Wrong response from the webhook: 404 Not Found; 2 updates are waiting
            → something else answered: make the proxy pass /telegram/ to 127.0.0.1:8080 unchanged
        ✗ Webhook: posting to bot.example.org failed at 1970-01-12T13:46:30.000000Z: Wrong response from the webhook: 401 Unauthorized; 2 updates are waiting
            → the secret or a password was rejected: let only probewatch answer under /telegram/, and restart the service
        ✗ Webhook: posting to bot.example.org failed at 1970-01-12T13:46:30.000000Z: Wrong response from the webhook: 302 Found; 2 updates are waiting
            → Telegram does not follow redirects: set telegram.webhook.url to the final address
        ✗ Webhook: posting to bot.example.org failed at 1970-01-12T13:46:30.000000Z: Wrong response from the webhook: 502 Bad Gateway; 2 updates are waiting
            → the proxy does not reach probewatch: check that the service runs and listens on 127.0.0.1:8080, and that the proxy passes requests to that address
        ✗ Webhook: posting to bot.example.org failed at 1970-01-12T13:46:30.000000Z: Wrong response from the webhook: 530 <none>; 2 updates are waiting
            → the tunnel is not connected: start cloudflared with 127.0.0.1:8080 as its service
        ✗ Webhook: posting to bot.example.org failed at 1970-01-12T13:46:30.000000Z: Wrong response from the webhook: 500 Internal Server Error; 2 updates are waiting
            → check the logs of the service and of the proxy
        ✗ Webhook: posting to bot.example.org failed at 1970-01-12T13:46:30.000000Z: SSL error {error:0A000086:SSL routines::certificate verify failed}; 2 updates are waiting
            → renew the proxy's certificate and make it send the whole chain: Telegram rejects certificates that are expired, self-signed or for another name
        ✗ Webhook: posting to bot.example.org failed at 1970-01-12T13:46:30.000000Z: Connection timed out; 2 updates are waiting
            → the address is not reachable from the internet: forward the port to the proxy and open the firewall; Telegram posts only to ports 443, 80, 88 and 8443
        ✗ Webhook: posting to bot.example.org failed at 1970-01-12T13:46:30.000000Z: Read timeout expired; 2 updates are waiting
            → the address is not reachable from the internet: forward the port to the proxy and open the firewall; Telegram posts only to ports 443, 80, 88 and 8443
        ✗ Webhook: posting to bot.example.org failed at 1970-01-12T13:46:30.000000Z: Connection refused; 2 updates are waiting
            → nothing listens there: start the proxy, and check that the port is forwarded to it
        ✗ Webhook: posting to bot.example.org failed at 1970-01-12T13:46:30.000000Z: Failed to resolve host: Name or service not known; 2 updates are waiting
            → the host has no address: fix its DNS entry or telegram.webhook.url
        ✗ Webhook: posting to bot.example.org failed at 1970-01-12T13:46:30.000000Z: IP address mismatch; 2 updates are waiting
            → the host's address has changed since the webhook was set: restart the service
        ✗ Webhook: posting to bot.example.org failed at 1970-01-12T13:46:30.000000Z: Connection reset by peer; 2 updates are waiting
            → check the log of the proxy
        ");
    }

    #[test]
    fn names_the_bot_of_the_token_and_what_is_unknown() {
        let now = Timestamp::from_micros(1_000_000_000_000);
        let status = |bot, webhook| BotStatus {
            server: "api.telegram.org".to_owned(),
            configured: Some(configured()),
            bot,
            webhook,
        };
        let bot = || Ok("some_bot".to_owned());
        let set = || Ok(found(Some("bot.example.org"), 0, None));
        let failed = Err(QueryError::Failed("Internal Server Error".to_owned()));
        let unread = ConfigError::File { file: "x".to_owned(), problem: "Permission denied".to_owned() };
        let lines: Vec<String> = findings(&status(bot(), set()), now, TokenOrigin::Configured)
            .iter()
            .chain(&findings(&status(bot(), set()), now, TokenOrigin::SystemdCredential))
            .chain(&findings(&status(bot(), failed), now, TokenOrigin::Service))
            .chain(&findings(
                &status(Err(QueryError::Token), Err(QueryError::Token)),
                now,
                TokenOrigin::Service,
            ))
            .chain(&findings(
                &status(Err(QueryError::TimedOut), Err(QueryError::TimedOut)),
                now,
                TokenOrigin::Service,
            ))
            .chain(&[
                no_token(TokenOrigin::Service),
                no_token(TokenOrigin::Configured),
                unreadable_token(&unread, false),
            ])
            .map(ToString::to_string)
            .collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        ✓ Telegram token: Telegram knows the bot as @some_bot
        ✓ Webhook: Telegram posts to bot.example.org
        ✓ Telegram token: Telegram knows the bot as @some_bot by the token in /etc/probewatch/telegram-token, which systemd gives to the service
        ✓ Webhook: Telegram posts to bot.example.org
        ✓ Telegram token: Telegram knows the bot as @some_bot
        ✗ Webhook: could not be checked: api.telegram.org could not be asked: Internal Server Error
            → check that this machine reaches api.telegram.org, and that telegram.api_url, the firewall and the clock are right
        ✗ Telegram token: Telegram does not know it
            → it was mistyped or revoked: get a new one from @BotFather with /token
        ✗ Telegram token: api.telegram.org did not answer in time
            → check that this machine reaches api.telegram.org, and that telegram.api_url, the firewall and the clock are right
        ! Telegram token: the service has none: it records probes, but answers nobody
            → under systemd run sudo probewatch setup, which writes /etc/probewatch/telegram-token; otherwise set telegram.token_file and restart the service
        ! Telegram token: none is configured: the service records probes, but answers nobody
            → under systemd run sudo probewatch setup, which writes /etc/probewatch/telegram-token; otherwise set telegram.token_file and restart the service
        ! Telegram token: the service reads it from /etc/probewatch/telegram-token, which this user may not read
            → run this command with sudo
        ");
    }

    #[test]
    fn gathering_is_advised_only_for_waits_of_messages() {
        let advice = |with| {
            let until = Timestamp::from_micros(0);
            let wait = RequestedWait { with, until, wait_seconds: 60, asked_seconds: 90 };
            requested_wait(&wait, Tz::UTC).to_string().contains("gather_seconds")
        };
        assert!(advice(WaitsWith::Alerts(store::event::ChatId(7))));
        assert!(!advice(WaitsWith::Updates));
    }

    #[test]
    fn explains_what_telegram_says_about_the_services_own_certificate() {
        let now = Timestamp::from_micros(1_000_000_000_000);
        let own = ConfiguredWebhook {
            tls: Tls::SelfSigned,
            listen: "0.0.0.0:9443".parse().unwrap(),
            public_port: 8443,
        };
        let found = |has_certificate, error| WebhookStatus {
            has_certificate,
            ..found(Some("bot.example.org"), 2, error)
        };
        let mut findings = vec![
            webhook(&own, &found(true, None), now, true),
            webhook(&own, &found(false, None), now, true),
            webhook(&own, &found(false, None), now, false),
            webhook(&configured(), &found(true, None), now, true),
        ];
        for why in [
            "Wrong response from the webhook: 404 Not Found",
            "Wrong response from the webhook: 401 Unauthorized",
            "Wrong response from the webhook: 500 Internal Server Error",
            "SSL error {error:0A000086:SSL routines::certificate verify failed}",
            "Connection timed out",
            "Connection refused",
            "Failed to resolve host: Name or service not known",
            "Connection reset by peer",
        ] {
            findings.push(webhook(&own, &found(true, Some((999_990, why))), now, true));
        }
        let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        ✓ Webhook: Telegram posts to bot.example.org; 2 updates are waiting
        ✗ Webhook: Telegram does not have the service's certificate
            → restart the service, which tells Telegram which certificate to trust
        ! Webhook: Telegram does not have the service's certificate; the service fixes that when it starts
        ✗ Webhook: Telegram trusts only a certificate that was uploaded earlier, not the proxy's
            → restart the service, which tells Telegram which certificate to trust
        ✗ Webhook: posting to bot.example.org failed at 1970-01-12T13:46:30.000000Z: Wrong response from the webhook: 404 Not Found; 2 updates are waiting
            → something else answered: make the router forward port 8443 to port 9443 of this machine
        ✗ Webhook: posting to bot.example.org failed at 1970-01-12T13:46:30.000000Z: Wrong response from the webhook: 401 Unauthorized; 2 updates are waiting
            → the secret was rejected: restart the service, which gives Telegram a new one
        ✗ Webhook: posting to bot.example.org failed at 1970-01-12T13:46:30.000000Z: Wrong response from the webhook: 500 Internal Server Error; 2 updates are waiting
            → check the log of the service
        ✗ Webhook: posting to bot.example.org failed at 1970-01-12T13:46:30.000000Z: SSL error {error:0A000086:SSL routines::certificate verify failed}; 2 updates are waiting
            → restart the service, which gives Telegram its certificate again; if that does not help, something else answers: make the router forward port 8443 to port 9443 of this machine
        ✗ Webhook: posting to bot.example.org failed at 1970-01-12T13:46:30.000000Z: Connection timed out; 2 updates are waiting
            → the address is not reachable from the internet: make the router forward port 8443 to port 9443 of this machine, and open the firewall
        ✗ Webhook: posting to bot.example.org failed at 1970-01-12T13:46:30.000000Z: Connection refused; 2 updates are waiting
            → nothing listens there: start the service, and make the router forward port 8443 to port 9443 of this machine
        ✗ Webhook: posting to bot.example.org failed at 1970-01-12T13:46:30.000000Z: Failed to resolve host: Name or service not known; 2 updates are waiting
            → the host has no address: fix its DNS entry or telegram.webhook.url
        ✗ Webhook: posting to bot.example.org failed at 1970-01-12T13:46:30.000000Z: Connection reset by peer; 2 updates are waiting
            → check the log of the service, and make the router forward port 8443 to port 9443 of this machine
        ");
    }
}
