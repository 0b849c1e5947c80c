//! Waits that end. Each says what it waits for, and fails with that when its deadline passes.
//!
//! - A wait ends after [`DEADLINE`], unless it says another limit, and at the latest when its test has run for
//!   [`TEST_LIMIT`].
//! - For waits that do not come through here, such as the end of a [`std::thread::scope`], there is a watchdog: where
//!   a test has run for longer than [`TEST_LIMIT`] and some grace, it prints the test's name, what every thread waits
//!   for and which child processes run, and ends the process.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::io::Write;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

/// How long a test waits for something that should happen at once, also on a machine that is busy.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// How long a test may take.
pub const TEST_LIMIT: Duration = Duration::from_secs(120);

/// A limit in seconds in place of [`TEST_LIMIT`] for the watchdog: its own test sets it.
pub const WATCHDOG_VARIABLE: &str = "TEST_WATCHDOG_SECONDS";

/// How long after [`TEST_LIMIT`] the watchdog acts, so that a wait which knows its deadline fails first.
const GRACE: Duration = Duration::from_secs(10);

/// Between two checks of a condition that nothing announces.
const POLL_INTERVAL: Duration = Duration::from_millis(3);

/// Tests that run and waits that are under way.
#[derive(Default)]
struct Registry {
    /// Tests by name, with their start.
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

/// The test on whose thread this value lives; it ends with the thread.
struct RunningTest {
    name: String,
    start: Instant,
}

impl Drop for RunningTest {
    fn drop(&mut self) {
        registry().tests.remove(&self.name);
    }
}

/// Registers the test that runs on this thread with the watchdog, unless it is. Returns when it began, or `None` on
/// threads that a test started.
pub fn watch_test() -> Option<Instant> {
    // The test runner names the thread of a test after it, as `module::test`.
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

/// Ends the process when a test takes too long.
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
        // Not `eprintln!`: the test runner would keep it to itself.
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

/// A wait that is under way.
pub struct Wait {
    number: u64,
    what: String,
    end: Instant,
}

impl Wait {
    /// Begins to wait for `what`, for at most this long.
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

    /// The time that is left; `None` once the deadline has passed.
    pub fn left(&self) -> Option<Duration> {
        self.end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }

    /// Fails the test, since the wait was in vain. `seen` is what there was instead.
    #[track_caller]
    pub fn fail(self, seen: &str) -> ! {
        let others = registry().report(Some(self.number));
        panic!("waited in vain for {}{}{seen}\n{others}", self.what, if seen.is_empty() { "" } else { "\n" });
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        registry().waits.remove(&self.number);
    }
}

/// Waits until this gives something.
#[track_caller]
pub fn wait_until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    wait_at_most(DEADLINE, what, look)
}

/// As [`wait_until`], with a limit of its own.
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
    try_receive(receiver, what).unwrap_or_else(|| panic!("nobody is left who could send {what}"))
}

/// The next value of a channel; `None` where nobody is left who could send one.
#[track_caller]
pub fn try_receive<T>(receiver: &Receiver<T>, what: &str) -> Option<T> {
    let wait = Wait::start(DEADLINE, what);
    match receiver.recv_timeout(wait.left().unwrap_or_default()) {
        Ok(value) => Some(value),
        Err(RecvTimeoutError::Disconnected) => None,
        Err(RecvTimeoutError::Timeout) => wait.fail(""),
    }
}

/// What a thread returns. Panics where it did.
#[track_caller]
pub fn join<T>(thread: JoinHandle<T>, what: &str) -> T {
    join_within(DEADLINE, thread, what)
}

/// As [`join`], with a limit of its own.
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
