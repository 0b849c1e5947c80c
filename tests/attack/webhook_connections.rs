//! Strangers open connections to the webhook's port, to keep Telegram out of it.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use socket2::{Domain, Socket, Type};

use crate::support::bot_api::{BotApi, Incoming, post_over, tls};
use crate::support::service::{Config, Service, toml_string};

/// The part of the loopback network that stands in for Telegram's, and an address in it.
const TELEGRAM: &str = "127.9.0.0/16";
const TELEGRAM_ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 9, 0, 1);

/// A chat without access: it gets no reply, so no limit on replies makes its posts wait.
const STRANGER: i64 = 9009;

/// Posts that Telegram sends at once, each over a connection of its own.
const BURST: usize = 8;

/// How long connecting, reading or writing may take.
const LIMIT: Duration = Duration::from_secs(20);

/// How strangers connect.
#[derive(Debug, Clone, Copy)]
struct Attack {
    /// Connections that they hold open at a time.
    held: usize,
    /// From how many addresses they connect, by turns.
    addresses: u32,
    /// The pause between two new connections, once they hold all.
    pause: Duration,
    /// What each sends.
    beginning: &'static [u8],
}

const CLIENT_HELLO: &[u8] = b"\x16\x03\x01";

#[test]
fn telegrams_posts_arrive_while_strangers_open_connections_without_pause() {
    for beginning in [CLIENT_HELLO, b""] {
        let attack = Attack { held: 130, addresses: 130, pause: Duration::ZERO, beginning };
        let Outcome { refused, posts, .. } = attack.run(10);
        assert_eq!(refused, 0, "{attack:?}: of {posts} posts");
    }
}

#[test]
#[ignore = "long: tests/attack/run"]
fn telegrams_posts_arrive_while_130_addresses_hold_connections_and_open_70_a_second() {
    assert_few_refused(130, Duration::from_millis(14));
}

#[test]
#[ignore = "long: tests/attack/run"]
fn telegrams_posts_arrive_while_random_addresses_open_15_connections_a_second() {
    assert_few_refused(1 << 20, Duration::from_millis(66));
}

#[test]
#[ignore = "long: tests/attack/run"]
fn telegrams_posts_arrive_while_random_addresses_open_1000_connections_a_second() {
    assert_few_refused(1 << 20, Duration::from_millis(1));
}

/// Asserts that less than one post in a hundred is refused, and prints how long posts take.
fn assert_few_refused(addresses: u32, pause: Duration) {
    let attack = Attack { held: 130, addresses, pause, beginning: CLIENT_HELLO };
    let Outcome { refused, posts, mut took } = attack.run(60);
    took.sort_unstable();
    let p99 = took[took.len() * 99 / 100].as_millis();
    println!("{attack:?}: {refused} of {posts} posts refused, {p99} ms for the 99th percentile");
    assert!(refused * 100 < posts, "{refused} of {posts} posts were refused");
}

struct Outcome {
    refused: usize,
    posts: usize,
    /// How long each post that was answered took, from connecting to the response.
    took: Vec<Duration>,
}

impl Attack {
    /// Telegram posts this many bursts while strangers attack.
    fn run(self, bursts: usize) -> Outcome {
        let api = BotApi::start();
        let config = Config::new(&api)
            .sources(&["-"])
            .set("telegram.webhook", "tls", &toml_string("self-signed"))
            .set("telegram.webhook", "url", &toml_string("https://bot.example.org:8443"))
            .set("telegram.webhook", "reserved_networks", &format!("[{}]", toml_string(TELEGRAM)));
        let service = Service::start_with(&api, config);
        let listen = service.listen_address();
        api.webhook();
        let (is_over, is_under_attack) = (AtomicBool::new(false), Barrier::new(2));
        thread::scope(|scope| {
            scope.spawn(|| self.attack(listen, &is_under_attack, &is_over));
            is_under_attack.wait();
            let results: Vec<io::Result<Duration>> =
                (0..bursts).flat_map(|_| post_burst(&api, listen)).collect();
            is_over.store(true, Ordering::Relaxed);
            let posts = results.len();
            let took: Vec<Duration> = results.into_iter().flatten().collect();
            Outcome { refused: posts - took.len(), posts, took }
        })
    }

    /// Keeps opening connections until the attack is over.
    fn attack(self, listen: SocketAddr, is_under_attack: &Barrier, is_over: &AtomicBool) {
        let open = |number: u32| {
            // Neighbours in time are not neighbours in the network.
            let [_, b, c, d] = (number % self.addresses * 7919 % (1 << 22)).to_be_bytes();
            let mut stream = connect(Ipv4Addr::new(127, 64 + b, c, d), listen)?;
            stream.write_all(self.beginning)?;
            Ok::<_, io::Error>(stream)
        };
        let mut held = VecDeque::new();
        for number in 0.. {
            if is_over.load(Ordering::Relaxed) {
                break;
            }
            // The service closes a stranger's connection at any time, also while it begins.
            held.push_back(open(number));
            if number as usize + 1 == self.held {
                is_under_attack.wait();
            }
            if held.len() > self.held {
                held.pop_front();
                thread::park_timeout(self.pause);
            }
        }
    }
}

/// Posts updates at once, as Telegram does. Returns how long each took, from connecting to the response, unless it was
/// refused.
fn post_burst(api: &BotApi, listen: SocketAddr) -> Vec<io::Result<Duration>> {
    let webhook = api.webhook();
    let certificate = webhook.certificate.as_deref().expect("a certificate");
    let post = |update: Value| {
        let start = Instant::now();
        let stream = tls(connect(TELEGRAM_ADDRESS, listen)?, certificate, webhook.host());
        match post_over(stream, &update, &webhook, webhook.secret_token.as_deref())? {
            200 => Ok(start.elapsed()),
            status => Err(io::Error::other(format!("status {status}"))),
        }
    };
    thread::scope(|scope| {
        let posts: Vec<_> = (0..BURST)
            .map(|_| {
                let update = api.update(Incoming::text(STRANGER, "nothing"));
                scope.spawn(|| post(update))
            })
            .collect();
        posts.into_iter().map(|post| post.join().unwrap()).collect()
    })
}

/// A connection from this address of the loopback network.
fn connect(from: Ipv4Addr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((from, 0)).into())?;
    socket.connect_timeout(&to.into(), LIMIT)?;
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
