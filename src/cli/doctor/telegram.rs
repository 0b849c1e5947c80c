//! Telegram: the token, and the webhook with what Telegram says of it.

use super::finding::Finding;
use crate::config::{ConfigError, Tls};
use crate::event::Timestamp;
use crate::telegram::{BotStatus, ConfiguredWebhook, QueryError, WebhookStatus};

const TOKEN: &str = "Telegram token";
const WEBHOOK: &str = "Webhook";

/// How long ago an error may be to count, in seconds, where nothing waits.
const RECENT_SECONDS: i64 = 3600;

/// The file from which the systemd unit gives the service its token (systemd/probewatch.service).
pub(super) const UNIT_FOLDER: &str = "/etc/probewatch";
pub(super) const UNIT_FILE: &str = "/etc/probewatch/telegram-token";

/// Whose token it is that was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// The service asked with its own.
    Service,
    /// The configuration has it.
    Configured,
    /// It is in the file that systemd gives the service.
    OfUnit,
}

/// Without a token there is nothing to ask.
pub(super) fn no_token(asked: Asked) -> Finding {
    let says = match asked {
        Asked::Service => "the service has none: probes are recorded, and nobody is answered",
        Asked::Configured | Asked::OfUnit => {
            "none is configured: probes are recorded, and nobody is answered"
        }
    };
    let of_unit = format!("under systemd, put the token into {UNIT_FILE}");
    Finding::unknown(TOKEN, says)
        .with_remedy(format!("set telegram.token_file; or, {of_unit}, and start the service anew"))
}

/// The file of the unit is there, and this user may not read it, or it holds no token.
pub(super) fn unread_token(error: &ConfigError, is_permitted: bool) -> Finding {
    if is_permitted {
        let remedy = format!("put the token that @BotFather gave into {UNIT_FILE}, and nothing else");
        return Finding::broken(TOKEN, error.to_string(), remedy);
    }
    Finding::unknown(TOKEN, format!("the service takes it from {UNIT_FILE}, which this user may not read"))
        .with_remedy("run this command with sudo")
}

/// The service that runs could not be asked.
pub(super) fn unasked(why: &str) -> Finding {
    Finding::unknown(TOKEN, format!("the service could not be asked: {why}"))
}

/// What the server said, as findings.
pub(super) fn findings(look: &BotStatus, now: Timestamp, asked: Asked) -> Vec<Finding> {
    let mut findings = vec![token(&look.server, look.bot.as_ref(), asked)];
    let service_runs = asked == Asked::Service;
    findings.extend(match (&look.bot, &look.webhook) {
        // Of a server that does not know the bot, or does not answer, there is nothing more to say.
        (Err(_), _) => None,
        (Ok(_), Err(unsaid)) => Some(unknown_webhook(&look.server, unsaid)),
        (Ok(_), Ok(found)) => Some(match &look.configured {
            Some(wanted) => webhook(wanted, found, now, service_runs),
            None => no_webhook(found, service_runs),
        }),
    });
    findings
}

fn token(server: &str, bot: Result<&String, &QueryError>, asked: Asked) -> Finding {
    let whose = match asked {
        Asked::Service | Asked::Configured => "",
        Asked::OfUnit => {
            " by the token in /etc/probewatch/telegram-token, which systemd gives to the service"
        }
    };
    match bot {
        Ok(name) => Finding::fine(TOKEN, format!("Telegram knows the bot as @{name}{whose}")),
        Err(QueryError::Token) => Finding::broken(
            TOKEN,
            "Telegram does not know it",
            "it was mistyped or revoked: @BotFather gives a new one with /token",
        ),
        Err(unsaid) => Finding::broken(TOKEN, what_failed(server, unsaid), check_the_way(server)),
    }
}

fn unknown_webhook(server: &str, unsaid: &QueryError) -> Finding {
    let says = format!("what Telegram knows of it is not known: {}", what_failed(server, unsaid));
    Finding::broken(WEBHOOK, says, check_the_way(server))
}

fn what_failed(server: &str, unsaid: &QueryError) -> String {
    match unsaid {
        QueryError::Token => format!("{server} does not know the token"),
        QueryError::TimedOut => format!("{server} did not answer in time"),
        QueryError::Failed(why) => format!("{server} could not be asked: {why}"),
    }
}

fn check_the_way(server: &str) -> String {
    format!(
        "see whether this machine reaches {server}, and whether telegram.api_url, a firewall or its clock is wrong"
    )
}

fn webhook(wanted: &ConfiguredWebhook, found: &WebhookStatus, now: Timestamp, service_runs: bool) -> Finding {
    let restart = "restart the service, which tells Telegram the address";
    let Some(host) = &found.host else {
        return if service_runs {
            Finding::broken(WEBHOOK, "Telegram knows of none", restart)
        } else {
            Finding::unknown(WEBHOOK, "none is set yet: the service does that at its start")
        };
    };
    let waiting = match found.pending {
        0 => String::new(),
        1 => "; 1 update waits".to_owned(),
        count => format!("; {count} updates wait"),
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
            format!("another program uses the same token, or the configuration was changed: {restart}"),
        );
    }
    if let Some(finding) = certificate(wanted, found, service_runs) {
        return finding;
    }
    match failed {
        Some((failed, why)) => Finding::broken(WEBHOOK, failed, explain(why, wanted)),
        None => Finding::fine(WEBHOOK, format!("Telegram posts to {host}{waiting}")),
    }
}

fn is_recent(time: Timestamp, now: Timestamp) -> bool {
    now.as_micros() - time.as_micros() < RECENT_SECONDS * 1_000_000
}

fn no_webhook(found: &WebhookStatus, service_runs: bool) -> Finding {
    match &found.host {
        None => Finding::fine(WEBHOOK, "none is set, and the bot polls"),
        Some(host) if service_runs => Finding::broken(
            WEBHOOK,
            format!("one is set on {host}, so that polling gets nothing"),
            "another program uses the same token: stop it, then restart the service, which removes the webhook",
        ),
        Some(host) => {
            Finding::unknown(WEBHOOK, format!("one is set on {host}; the service removes it at its start"))
        }
    }
}

/// What is wrong where Telegram trusts a certificate of its own that it should not, or does not where it should.
fn certificate(wanted: &ConfiguredWebhook, found: &WebhookStatus, service_runs: bool) -> Option<Finding> {
    let says = match (wanted.tls, found.has_certificate) {
        (Tls::SelfSigned, false) => "Telegram was not given the service's certificate",
        (Tls::Off, true) => "Telegram takes only a certificate that it was once given, not the proxy's",
        _ => return None,
    };
    Some(if service_runs {
        Finding::broken(WEBHOOK, says, "restart the service, which tells Telegram what to trust")
    } else {
        Finding::unknown(WEBHOOK, format!("{says}; the service mends that at its start"))
    })
}

/// What helps against what Telegram says of posts that failed.
fn explain(message: &str, wanted: &ConfiguredWebhook) -> String {
    let status = message.rsplit_once("response from the webhook: ").and_then(|(_, rest)| rest.get(..3));
    let status = status.and_then(|status| status.parse().ok());
    let failure = message.to_ascii_lowercase();
    match (wanted.tls, status) {
        (Tls::Off, Some(status)) => explain_status(status, wanted),
        (Tls::Off, None) => explain_failure(&failure).to_owned(),
        (Tls::SelfSigned, Some(status)) => explain_own_status(status, wanted),
        (Tls::SelfSigned, None) => explain_own_failure(&failure, wanted),
    }
}

/// What helps where something answered with this HTTP status behind a proxy.
fn explain_status(status: u16, wanted: &ConfiguredWebhook) -> String {
    let listen = wanted.listen;
    match status {
        300..=399 => {
            "Telegram follows no redirection: set telegram.webhook.url to the final address".to_owned()
        }
        401 | 403 => {
            "the secret or a password was refused: let nobody but probewatch answer under /telegram/, \
                      and restart the service"
                .to_owned()
        }
        404 | 405 => {
            format!("something else answered: have the proxy pass /telegram/ on to {listen} as it is")
        }
        502..=504 => format!(
            "the proxy does not reach probewatch: see that the service runs and listens on {listen}, and \
             that the proxy passes on to that address"
        ),
        520..=530 => format!("the tunnel is not connected: start cloudflared, with {listen} as its service"),
        _ => "look into the log of the service and of the proxy for why".to_owned(),
    }
}

/// What helps where nothing answered behind a proxy, by what is said of it in small letters.
fn explain_failure(message: &str) -> &'static str {
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if says(&["ssl", "certificate", "tls"]) {
        "renew the certificate of the proxy, and have it send the whole chain: Telegram takes none that is \
         expired, for another name, or self-signed"
    } else if says(&["timed out", "timeout"]) {
        "the address is not reached from the internet: forward the port to the proxy and open the firewall; \
         Telegram posts only to ports 443, 80, 88 and 8443"
    } else if says(&["refused"]) {
        "nothing listens there: start the proxy, and see that the port is forwarded to it"
    } else if says(&["resolve", "not known", "dns"]) {
        "the host has no address: mend its DNS entry, or telegram.webhook.url"
    } else if says(&["mismatch"]) {
        "the host has another address than when the webhook was set: restart the service"
    } else {
        "look into the log of the proxy for what it did"
    }
}

/// What helps where something answered with this HTTP status and no proxy is between.
fn explain_own_status(status: u16, wanted: &ConfiguredWebhook) -> String {
    match status {
        401 => "the secret was refused: restart the service, which tells Telegram a new one".to_owned(),
        300..=399 | 403..=405 => format!("something else answered: {}", forward(wanted)),
        _ => "look into the log of the service for why".to_owned(),
    }
}

/// What helps where nothing answered and no proxy is between, by what is said of it in small letters.
fn explain_own_failure(message: &str, wanted: &ConfiguredWebhook) -> String {
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    let forward = forward(wanted);
    if says(&["ssl", "certificate", "tls"]) {
        format!(
            "restart the service, which gives Telegram its certificate again; where that does not help, something \
             else answers: {forward}"
        )
    } else if says(&["timed out", "timeout"]) {
        format!("the address is not reached from the internet: {forward}, and open the firewall")
    } else if says(&["refused"]) {
        format!("nothing listens there: start the service, and {forward}")
    } else if says(&["resolve", "not known", "dns", "mismatch"]) {
        explain_failure(message).to_owned()
    } else {
        format!("look into the log of the service, and {forward}")
    }
}

fn forward(wanted: &ConfiguredWebhook) -> String {
    format!(
        "have the router forward port {} to port {} of this machine",
        wanted.public_port,
        wanted.listen.port()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> ConfiguredWebhook {
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
    fn what_telegram_says_of_a_webhook_is_explained() {
        let now = Timestamp::from_micros(1_000_000_000_000);
        let ours = Some("bot.example.org");
        let mut told = vec![
            webhook(&wanted(), &found(ours, 0, None), now, true),
            webhook(&wanted(), &found(ours, 1, None), now, true),
            webhook(&wanted(), &found(ours, 0, Some((900_000, "Connection refused"))), now, true),
            webhook(&wanted(), &found(None, 0, None), now, true),
            webhook(&wanted(), &found(None, 0, None), now, false),
            webhook(&wanted(), &found(Some("other.example"), 0, None), now, true),
            webhook(
                &wanted(),
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
            told.push(webhook(&wanted(), &found(ours, 2, Some((999_990, why))), now, true));
        }
        let told: Vec<String> = told.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(told.join("\n"), @r"
        ✓ Webhook: Telegram posts to bot.example.org
        ✓ Webhook: Telegram posts to bot.example.org; 1 update waits
        ✓ Webhook: Telegram posts to bot.example.org
        ✗ Webhook: Telegram knows of none
            → restart the service, which tells Telegram the address
        ! Webhook: none is set yet: the service does that at its start
        ✗ Webhook: Telegram posts to another address, on other.example
            → another program uses the same token, or the configuration was changed: restart the service, which tells Telegram the address
        ✗ Webhook: Telegram posts to another address, on other.example; posting to other.example failed at 1970-01-12T13:46:30.000000Z: Wrong response from the webhook: 502; 7 updates wait
            → another program uses the same token, or the configuration was changed: restart the service, which tells Telegram the address
        ✓ Webhook: none is set, and the bot polls
        ✗ Webhook: one is set on other.example, so that polling gets nothing
            → another program uses the same token: stop it, then restart the service, which removes the webhook
        ! Webhook: one is set on other.example; the service removes it at its start
        ✗ Webhook: posting to bot.example.org failed at 1970-01-12T13:46:30.000000Z: Wrong response from the webhook: 404 Not Found; 2 updates wait
            → something else answered: have the proxy pass /telegram/ on to 127.0.0.1:8080 as it is
        ✗ Webhook: posting to bot.example.org failed at 1970-01-12T13:46:30.000000Z: Wrong response from the webhook: 401 Unauthorized; 2 updates wait
            → the secret or a password was refused: let nobody but probewatch answer under /telegram/, and restart the service
        ✗ Webhook: posting to bot.example.org failed at 1970-01-12T13:46:30.000000Z: Wrong response from the webhook: 302 Found; 2 updates wait
            → Telegram follows no redirection: set telegram.webhook.url to the final address
        ✗ Webhook: posting to bot.example.org failed at 1970-01-12T13:46:30.000000Z: Wrong response from the webhook: 502 Bad Gateway; 2 updates wait
            → the proxy does not reach probewatch: see that the service runs and listens on 127.0.0.1:8080, and that the proxy passes on to that address
        ✗ Webhook: posting to bot.example.org failed at 1970-01-12T13:46:30.000000Z: Wrong response from the webhook: 530 <none>; 2 updates wait
            → the tunnel is not connected: start cloudflared, with 127.0.0.1:8080 as its service
        ✗ Webhook: posting to bot.example.org failed at 1970-01-12T13:46:30.000000Z: Wrong response from the webhook: 500 Internal Server Error; 2 updates wait
            → look into the log of the service and of the proxy for why
        ✗ Webhook: posting to bot.example.org failed at 1970-01-12T13:46:30.000000Z: SSL error {error:0A000086:SSL routines::certificate verify failed}; 2 updates wait
            → renew the certificate of the proxy, and have it send the whole chain: Telegram takes none that is expired, for another name, or self-signed
        ✗ Webhook: posting to bot.example.org failed at 1970-01-12T13:46:30.000000Z: Connection timed out; 2 updates wait
            → the address is not reached from the internet: forward the port to the proxy and open the firewall; Telegram posts only to ports 443, 80, 88 and 8443
        ✗ Webhook: posting to bot.example.org failed at 1970-01-12T13:46:30.000000Z: Read timeout expired; 2 updates wait
            → the address is not reached from the internet: forward the port to the proxy and open the firewall; Telegram posts only to ports 443, 80, 88 and 8443
        ✗ Webhook: posting to bot.example.org failed at 1970-01-12T13:46:30.000000Z: Connection refused; 2 updates wait
            → nothing listens there: start the proxy, and see that the port is forwarded to it
        ✗ Webhook: posting to bot.example.org failed at 1970-01-12T13:46:30.000000Z: Failed to resolve host: Name or service not known; 2 updates wait
            → the host has no address: mend its DNS entry, or telegram.webhook.url
        ✗ Webhook: posting to bot.example.org failed at 1970-01-12T13:46:30.000000Z: IP address mismatch; 2 updates wait
            → the host has another address than when the webhook was set: restart the service
        ✗ Webhook: posting to bot.example.org failed at 1970-01-12T13:46:30.000000Z: Connection reset by peer; 2 updates wait
            → look into the log of the proxy for what it did
        ");
    }

    #[test]
    fn whose_token_it_is_and_what_is_not_known_is_told() {
        let now = Timestamp::from_micros(1_000_000_000_000);
        let look = |bot, webhook| BotStatus {
            server: "api.telegram.org".to_owned(),
            configured: Some(wanted()),
            bot,
            webhook,
        };
        let bot = || Ok("some_bot".to_owned());
        let set = || Ok(found(Some("bot.example.org"), 0, None));
        let unsaid = Err(QueryError::Failed("Internal Server Error".to_owned()));
        let unread = ConfigError::File { file: "x".to_owned(), problem: "Permission denied".to_owned() };
        let told: Vec<String> = findings(&look(bot(), set()), now, Asked::Configured)
            .iter()
            .chain(&findings(&look(bot(), set()), now, Asked::OfUnit))
            .chain(&findings(&look(bot(), unsaid), now, Asked::Service))
            .chain(&findings(&look(Err(QueryError::Token), Err(QueryError::Token)), now, Asked::Service))
            .chain(&findings(
                &look(Err(QueryError::TimedOut), Err(QueryError::TimedOut)),
                now,
                Asked::Service,
            ))
            .chain(&[no_token(Asked::Service), no_token(Asked::Configured), unread_token(&unread, false)])
            .map(ToString::to_string)
            .collect();
        insta::assert_snapshot!(told.join("\n"), @r"
        ✓ Telegram token: Telegram knows the bot as @some_bot
        ✓ Webhook: Telegram posts to bot.example.org
        ✓ Telegram token: Telegram knows the bot as @some_bot by the token in /etc/probewatch/telegram-token, which systemd gives to the service
        ✓ Webhook: Telegram posts to bot.example.org
        ✓ Telegram token: Telegram knows the bot as @some_bot
        ✗ Webhook: what Telegram knows of it is not known: api.telegram.org could not be asked: Internal Server Error
            → see whether this machine reaches api.telegram.org, and whether telegram.api_url, a firewall or its clock is wrong
        ✗ Telegram token: Telegram does not know it
            → it was mistyped or revoked: @BotFather gives a new one with /token
        ✗ Telegram token: api.telegram.org did not answer in time
            → see whether this machine reaches api.telegram.org, and whether telegram.api_url, a firewall or its clock is wrong
        ! Telegram token: the service has none: probes are recorded, and nobody is answered
            → set telegram.token_file; or, under systemd, put the token into /etc/probewatch/telegram-token, and start the service anew
        ! Telegram token: none is configured: probes are recorded, and nobody is answered
            → set telegram.token_file; or, under systemd, put the token into /etc/probewatch/telegram-token, and start the service anew
        ! Telegram token: the service takes it from /etc/probewatch/telegram-token, which this user may not read
            → run this command with sudo
        ");
    }

    #[test]
    fn what_telegram_says_of_the_services_own_certificate_is_explained() {
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
        let mut told = vec![
            webhook(&own, &found(true, None), now, true),
            webhook(&own, &found(false, None), now, true),
            webhook(&own, &found(false, None), now, false),
            webhook(&wanted(), &found(true, None), now, true),
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
            told.push(webhook(&own, &found(true, Some((999_990, why))), now, true));
        }
        let told: Vec<String> = told.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(told.join("\n"), @r"
        ✓ Webhook: Telegram posts to bot.example.org; 2 updates wait
        ✗ Webhook: Telegram was not given the service's certificate
            → restart the service, which tells Telegram what to trust
        ! Webhook: Telegram was not given the service's certificate; the service mends that at its start
        ✗ Webhook: Telegram takes only a certificate that it was once given, not the proxy's
            → restart the service, which tells Telegram what to trust
        ✗ Webhook: posting to bot.example.org failed at 1970-01-12T13:46:30.000000Z: Wrong response from the webhook: 404 Not Found; 2 updates wait
            → something else answered: have the router forward port 8443 to port 9443 of this machine
        ✗ Webhook: posting to bot.example.org failed at 1970-01-12T13:46:30.000000Z: Wrong response from the webhook: 401 Unauthorized; 2 updates wait
            → the secret was refused: restart the service, which tells Telegram a new one
        ✗ Webhook: posting to bot.example.org failed at 1970-01-12T13:46:30.000000Z: Wrong response from the webhook: 500 Internal Server Error; 2 updates wait
            → look into the log of the service for why
        ✗ Webhook: posting to bot.example.org failed at 1970-01-12T13:46:30.000000Z: SSL error {error:0A000086:SSL routines::certificate verify failed}; 2 updates wait
            → restart the service, which gives Telegram its certificate again; where that does not help, something else answers: have the router forward port 8443 to port 9443 of this machine
        ✗ Webhook: posting to bot.example.org failed at 1970-01-12T13:46:30.000000Z: Connection timed out; 2 updates wait
            → the address is not reached from the internet: have the router forward port 8443 to port 9443 of this machine, and open the firewall
        ✗ Webhook: posting to bot.example.org failed at 1970-01-12T13:46:30.000000Z: Connection refused; 2 updates wait
            → nothing listens there: start the service, and have the router forward port 8443 to port 9443 of this machine
        ✗ Webhook: posting to bot.example.org failed at 1970-01-12T13:46:30.000000Z: Failed to resolve host: Name or service not known; 2 updates wait
            → the host has no address: mend its DNS entry, or telegram.webhook.url
        ✗ Webhook: posting to bot.example.org failed at 1970-01-12T13:46:30.000000Z: Connection reset by peer; 2 updates wait
            → look into the log of the service, and have the router forward port 8443 to port 9443 of this machine
        ");
    }
}
