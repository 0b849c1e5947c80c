//! Waits with deadlines. Each has a description, with which it fails at its deadline.
//!
//! - A wait ends after [`DEADLINE`] or its own limit, and at the latest when its test has run for [`TEST_LIMIT`].
//! - A watchdog bounds waits outside this module, such as the end of a [`std::thread::scope`]. If a test runs longer
//!   than [`TEST_LIMIT`] and a grace period, the watchdog prints the test's name, the wait of every thread and the
//!   child processes, and ends the process.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::io::Write;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

/// The limit of a wait for something that takes no time on an idle machine.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// The time limit of a test.
pub const TEST_LIMIT: Duration = Duration::from_secs(120);

/// The watchdog's limit in seconds instead of [`TEST_LIMIT`], for its own test.
pub const WATCHDOG_VARIABLE: &str = "TEST_WATCHDOG_SECONDS";

/// The watchdog's grace period after [`TEST_LIMIT`], so that waits of this module fail first.
const GRACE: Duration = Duration::from_secs(10);

/// The time between two checks of a condition.
const POLL_INTERVAL: Duration = Duration::from_millis(3);

/// The running tests and waits.
#[derive(Default)]
struct Registry {
    /// The start of each test, by name.
    tests: BTreeMap<String, Instant>,
    waits: BTreeMap<u64, (String, Instant)>,
    last_wait: u64,
}

impl Registry {
    /// A line for each wait but this one.
    fn report(&self, except: Option<u64>) -> String {
        let waits = self.waits.iter().filter(|(number, _)| Some(**number) != except);
        let line = |(what, since): &(String, Instant)| {
            format!("  for {} s another thread has waited for {what}\n", since.elapsed().as_secs())
        };
        waits.map(|(_, wait)| line(wait)).collect()
    }
}

static REGISTRY: Mutex<Registry> =
    Mutex::new(Registry { tests: BTreeMap::new(), waits: BTreeMap::new(), last_wait: 0 });
static WATCHDOG: Once = Once::new();

thread_local! {
    static TEST: RefCell<Option<RunningTest>> = const { RefCell::new(None) };
}

fn registry() -> MutexGuard<'static, Registry> {
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A thread-local value that unregisters the test when its thread ends.
struct RunningTest {
    name: String,
    start: Instant,
}

impl Drop for RunningTest {
    fn drop(&mut self) {
        registry().tests.remove(&self.name);
    }
}

/// Registers the test that runs on this thread with the watchdog. Returns its start, or `None` on threads that a test
/// started.
pub fn watch_test() -> Option<Instant> {
    // The test runner names a test's thread `module::test`.
    let name = thread::current().name().filter(|name| name.contains("::"))?.to_owned();
    WATCHDOG.call_once(|| drop(thread::spawn(watch)));
    TEST.with_borrow_mut(|test| {
        let test = test.get_or_insert_with(|| {
            let start = Instant::now();
            registry().tests.insert(name.clone(), start);
            RunningTest { name, start }
        });
        Some(test.start)
    })
}

/// Ends the process if a test takes too long.
fn watch() {
    let limit = std::env::var(WATCHDOG_VARIABLE).ok().and_then(|seconds| seconds.parse().ok());
    let limit = limit.map_or(TEST_LIMIT + GRACE, Duration::from_secs);
    loop {
        thread::sleep(Duration::from_secs(1));
        let registry = registry();
        let Some((name, start)) = registry.tests.iter().find(|(_, start)| start.elapsed() > limit) else {
            continue;
        };
        let mut report = format!(
            "\n{name} has run for {} s, and {} s are allowed\n",
            start.elapsed().as_secs(),
            TEST_LIMIT.as_secs()
        );
        report += &registry.report(None);
        let children = super::process::children();
        for (id, command) in &children {
            report += &format!("  child process {id}: {command}\n");
        }
        // Not `eprintln!`: the test runner would capture it.
        let _ = std::io::stderr().write_all(report.as_bytes());
        // SAFETY: plain system calls. The process ends at once, without destructors that might wait.
        unsafe {
            for (id, _) in children {
                libc::kill(id, libc::SIGKILL);
            }
            libc::_exit(101);
        }
    }
}

/// A running wait.
pub struct Wait {
    number: u64,
    what: String,
    end: Instant,
}

impl Wait {
    /// Begins a wait for `what` with this limit.
    pub fn start(limit: Duration, what: &str) -> Self {
        let now = Instant::now();
        let end = watch_test().map_or(now + limit, |start| (start + TEST_LIMIT).min(now + limit));
        let thread = thread::current().name().unwrap_or("a thread").to_owned();
        let mut registry = registry();
        registry.last_wait += 1;
        let number = registry.last_wait;
        registry.waits.insert(number, (format!("{what} ({thread})"), now));
        Self { number, what: what.to_owned(), end }
    }

    /// The remaining time; `None` after the deadline.
    pub fn left(&self) -> Option<Duration> {
        self.end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }

    /// Fails the test at the deadline. `seen` describes what was there instead.
    #[track_caller]
    pub fn fail(self, seen: &str) -> ! {
        let others = registry().report(Some(self.number));
        panic!(
            "timed out waiting for {}{}{seen}\n{others}",
            self.what,
            if seen.is_empty() { "" } else { "\n" }
        );
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        registry().waits.remove(&self.number);
    }
}

/// Waits until the condition returns a value.
#[track_caller]
pub fn wait_until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    wait_at_most(DEADLINE, what, look)
}

/// Like [`wait_until`], with its own limit.
#[track_caller]
pub fn wait_at_most<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let wait = Wait::start(limit, what);
    loop {
        if let Some(found) = look() {
            return found;
        }
        if wait.left().is_none() {
            wait.fail("");
        }
        thread::sleep(POLL_INTERVAL);
    }
}

/// The next value of a channel.
#[track_caller]
pub fn receive<T>(receiver: &Receiver<T>, what: &str) -> T {
    try_receive(receiver, what).unwrap_or_else(|| panic!("all senders are gone before {what}"))
}

/// The next value of a channel; `None` if all senders are gone.
#[track_caller]
pub fn try_receive<T>(receiver: &Receiver<T>, what: &str) -> Option<T> {
    let wait = Wait::start(DEADLINE, what);
    match receiver.recv_timeout(wait.left().unwrap_or_default()) {
        Ok(value) => Some(value),
        Err(RecvTimeoutError::Disconnected) => None,
        Err(RecvTimeoutError::Timeout) => wait.fail(""),
    }
}

/// The return value of a thread. Panics if the thread panicked.
#[track_caller]
pub fn join<T>(thread: JoinHandle<T>, what: &str) -> T {
    join_within(DEADLINE, thread, what)
}

/// Like [`join`], with its own limit.
#[track_caller]
pub fn join_within<T>(limit: Duration, thread: JoinHandle<T>, what: &str) -> T {
    wait_at_most(limit, what, || thread.is_finished().then_some(()));
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Runs a future to its end.
#[track_caller]
pub fn block_on<T>(runtime: &Runtime, what: &str, future: impl Future<Output = T>) -> T {
    let wait = Wait::start(DEADLINE, what);
    let limit = wait.left().unwrap_or_default();
    match runtime.block_on(async { tokio::time::timeout(limit, future).await }) {
        Ok(value) => value,
        Err(_) => wait.fail(""),
    }
}
