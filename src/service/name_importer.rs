//! Keeps the imported names in step with the files: reads all files every half minute, compares their names with those
//! in the state, and hands the difference to the recorder.
//!
//! # When an imported name is removed
//! - When its line is gone, even if that happened while the service was down.
//! - The name of an expired lease stays while the device was captured within [`EXPIRED_LEASE_RETENTION`] and the limit
//!   allows: a lease often expires because its phone is away, and all do when the router is switched off. The name of
//!   an address that was never captured goes at once.
//! - Never while a file could not be read since the start: the name may come from it. A file that could be read before
//!   counts as it was then.

mod name_file;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use dot11::MacAddr;
use store::event::{Event, EventKind, NamedBy, Timestamp};
use store::recorder::RecorderHandle;
use store::state::State;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::names_import::{Facts, ImportedName, NAMES_LIMIT, join, neighbours};
use name_file::{FileChange, NameFile};

/// How often the files are read.
const POLL_INTERVAL: Duration = Duration::from_secs(30);

/// How soon a file that has changed is read again.
const SETTLE_INTERVAL: Duration = Duration::from_secs(1);

/// How long after its last probe a device keeps the name of an expired lease.
const EXPIRED_LEASE_RETENTION: Duration = Duration::from_secs(30 * 86_400);

/// The kernel's table of neighbours: the owners of IP addresses.
const ARP_TABLE: &str = "/proc/net/arp";

/// Names that change per batch: others read the state between batches.
const CHANGES_PER_BATCH: usize = 64;

/// Imports the names of `files` until `stop`. If two files name an address, the first counts.
pub(super) async fn import(files: Vec<PathBuf>, recorder: RecorderHandle, stop: CancellationToken) {
    let mut import =
        NameImporter { files: files.into_iter().map(NameFile::new).collect(), ..NameImporter::default() };
    loop {
        // A file may be on a slow disk.
        let polling = tokio::task::spawn_blocking(move || {
            let is_settled = import.poll();
            (import, is_settled)
        });
        let is_settled;
        (import, is_settled) = tokio::select! {
            polled = polling => match polled {
                Ok(polled) => polled,
                Err(error) => return warn!(event = "name_import_ended", %error, "names are no longer imported from files"),
            },
            () = stop.cancelled() => return,
        };
        if is_settled {
            import.apply(&recorder).await;
        }
        tokio::select! {
            () = tokio::time::sleep(if is_settled { POLL_INTERVAL } else { SETTLE_INTERVAL }) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// The files, and which warnings were logged.
#[derive(Debug, Default)]
struct NameImporter {
    files: Vec<NameFile>,
    neighbours: Facts,
    limit_warned: bool,
    failure_warned: bool,
}

impl NameImporter {
    /// Reads all files. Returns whether none of them is being written.
    fn poll(&mut self) -> bool {
        let changes: Vec<FileChange> = self.files.iter_mut().map(NameFile::poll).collect();
        let has_hosts = self.files.iter().filter_map(NameFile::facts).any(Facts::has_hosts);
        // Not every system has such a table.
        let table = has_hosts.then(|| std::fs::read_to_string(ARP_TABLE).ok()).flatten();
        self.neighbours = neighbours(&table.unwrap_or_default());
        !changes.contains(&FileChange::Settling)
    }

    /// Makes the imported names in the state those of the files. What fails is tried again at the next poll.
    async fn apply(&mut self, recorder: &RecorderHandle) {
        let difference = self.difference(&recorder.state(), recorder.now());
        if difference.events.is_empty() {
            return;
        }
        let Difference { events, added, changed, removed } = difference;
        for events in events.chunks(CHANGES_PER_BATCH) {
            if let Err(error) = recorder.change_all(events.to_vec()).await {
                if !std::mem::replace(&mut self.failure_warned, true) {
                    warn!(event = "names_import_failed", %error, "could not save imported names; retrying");
                }
                return;
            }
        }
        self.failure_warned = false;
        info!(event = "names_imported", added, changed, removed, "imported names of devices");
    }

    fn difference(&mut self, state: &State, now: Timestamp) -> Difference {
        let facts: Vec<&Facts> = self.files.iter().filter_map(NameFile::facts).collect();
        let has_read_all = facts.len() == self.files.len();
        let may_have_leases = facts.iter().any(|facts| facts.may_have_leases());
        let over = if may_have_leases { remembered_leases(state, now) } else { Vec::new() };
        let imported = join(&facts, &self.neighbours, &over);
        self.warn_at_limit(imported.left_out);
        Difference::of(&imported.names, state, has_read_all, now)
    }

    fn warn_at_limit(&mut self, left_out: usize) {
        if left_out > 0 && !self.limit_warned {
            warn!(
                "names.import: {NAMES_LIMIT} names are imported, and {left_out} more are left out; import \
                 fewer files, or shorter ones"
            );
        }
        self.limit_warned = left_out > 0;
    }
}

/// The addresses with the name of a lease that were captured recently, the latest first.
fn remembered_leases(state: &State, now: Timestamp) -> Vec<(MacAddr, &str)> {
    let mut recent: Vec<(Timestamp, MacAddr, &str)> = state
        .names()
        .imported()
        .filter(|(_, _, is_lease)| *is_lease)
        .filter_map(|(address, name, _)| Some((state.device(address)?.last_probe, address, name)))
        .filter(|(last_probe, _, _)| *last_probe > now || now.abs_diff(*last_probe) < EXPIRED_LEASE_RETENTION)
        .collect();
    recent.sort_unstable_by(|one, other| other.cmp(one));
    recent.into_iter().map(|(_, address, name)| (address, name)).collect()
}

/// The changes that a state's imported names need.
#[derive(Debug, Default)]
struct Difference {
    /// New names first: what refers to a name that moves must find its next address.
    events: Vec<Event>,
    added: usize,
    changed: usize,
    removed: usize,
}

impl Difference {
    /// The changes that make them `wanted`. Names are removed only if `may_remove`.
    fn of(wanted: &BTreeMap<MacAddr, ImportedName>, state: &State, may_remove: bool, now: Timestamp) -> Self {
        let known: BTreeMap<MacAddr, (&str, bool)> =
            state.names().imported().map(|(address, name, is_lease)| (address, (name, is_lease))).collect();
        let mut difference = Self::default();
        for (&address, imported) in wanted {
            let ImportedName { name, .. } = imported;
            match known.get(&address) {
                Some(before) if *before == (name, imported.is_lease()) => continue,
                Some(_) => difference.changed += 1,
                None => difference.added += 1,
            }
            let by = if imported.is_lease() { NamedBy::Lease } else { NamedBy::Import };
            difference.events.push(Event::new(now, EventKind::Name { address, name: name.clone(), by }));
        }
        for &address in known.keys().filter(|address| may_remove && !wanted.contains_key(address)) {
            difference.removed += 1;
            difference.events.push(Event::new(now, EventKind::Unname { address, by: NamedBy::Import }));
        }
        difference
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use dot11::RequestedSsid;
    use store::event::{ChatId, DeviceKey, EvictionScope, Probe};

    use super::*;

    const ALICE: MacAddr = MacAddr::new([0xa4, 0x83, 0xe7, 0x4e, 0x39, 0x15]);
    const VAN: MacAddr = MacAddr::new([0x00, 0x23, 0xa7, 0x19, 0x5c, 0x03]);

    /// Files in a folder, and a state whose imported names follow them.
    struct Fixture {
        folder: tempfile::TempDir,
        state: State,
        import: NameImporter,
        day: i64,
    }

    impl Fixture {
        fn with(files: &[&str]) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let mut fixture =
                Self { folder, state: State::default(), import: NameImporter::default(), day: 100 };
            fixture.restart(files);
            fixture
        }

        /// As after a restart with these files.
        fn restart(&mut self, files: &[&str]) {
            let files = files.iter().map(|file| NameFile::new(self.folder.path().join(file)));
            self.import = NameImporter { files: files.collect(), ..NameImporter::default() };
        }

        fn write(&self, file: &str, text: &str) {
            fs::write(self.folder.path().join(file), text).unwrap();
        }

        fn now(&self) -> Timestamp {
            Timestamp::from_micros(self.day * 86_400_000_000)
        }

        fn fold(&mut self, event: &Event) {
            self.state.fold(self.state.next_offset(), event);
        }

        fn capture(&mut self, source: MacAddr) {
            self.fold(&Event::from(Probe::example(source, RequestedSsid::Wildcard, self.now().as_micros())));
        }

        /// Polls until no write is pending. Returns how many names were added, changed and removed.
        fn sync(&mut self) -> [usize; 3] {
            while !self.import.poll() {}
            let Difference { events, added, changed, removed } =
                self.import.difference(&self.state, self.now());
            events.iter().for_each(|event| self.fold(event));
            assert_eq!(events.len(), added + changed + removed);
            let again = self.import.difference(&self.state, self.now());
            assert!(again.events.is_empty(), "nothing is left to do: {again:?}");
            [added, changed, removed]
        }

        fn names(&self) -> Vec<(MacAddr, &str)> {
            self.state.names().iter().collect()
        }
    }

    #[test]
    fn a_name_may_come_from_two_files() {
        let mut fixture = Fixture::with(&["ethers", "hosts"]);
        fixture.write("ethers", &format!("{ALICE} 192.168.1.7\n"));
        fixture.write("hosts", "127.0.0.1 localhost\n192.168.1.7 alice.lan alice\n");
        assert_eq!(fixture.sync(), [1, 0, 0]);
        assert_eq!(fixture.names(), [(ALICE, "alice.lan")]);
    }

    #[test]
    fn names_of_lines_removed_while_it_was_down_are_removed() {
        let mut fixture = Fixture::with(&["ethers", "names.csv"]);
        fixture.write("ethers", &format!("{ALICE} alice\n"));
        fixture.write("names.csv", &format!("{VAN},Van\na4:83:e7:4e:39:16,Bob\n"));
        fixture.capture(ALICE);
        assert_eq!(fixture.sync(), [3, 0, 0]);
        fixture.write("names.csv", &format!("{VAN},The van\n"));
        fixture.restart(&["ethers", "names.csv"]);
        assert_eq!(fixture.sync(), [0, 1, 1]);
        assert_eq!(fixture.names(), [(VAN, "The van"), (ALICE, "alice")]);
        // A file that is no longer imported.
        fixture.restart(&["names.csv"]);
        assert_eq!(fixture.sync(), [0, 0, 1]);
        fixture.restart(&[]);
        assert_eq!(fixture.sync(), [0, 0, 1]);
        assert_eq!(fixture.names(), []);
    }

    #[test]
    fn changes_that_failed_are_tried_again() {
        let mut fixture = Fixture::with(&["ethers"]);
        fixture.write("ethers", &format!("{ALICE} alice\n{VAN} van\n"));
        fixture.sync();
        fixture.write("ethers", &format!("{VAN} van\n"));
        while !fixture.import.poll() {}
        let failed = fixture.import.difference(&fixture.state, fixture.now());
        assert_eq!(failed.removed, 1);
        assert_eq!(fixture.sync(), [0, 0, 1]);
    }

    #[test]
    fn a_file_that_cannot_be_read_keeps_its_names() {
        let mut fixture = Fixture::with(&["ethers", "names.csv"]);
        fixture.write("ethers", &format!("{ALICE} alice\n"));
        fixture.write("names.csv", &format!("{VAN},Van\n"));
        fixture.sync();
        fs::remove_file(fixture.folder.path().join("ethers")).unwrap();
        assert_eq!(fixture.sync(), [0, 0, 0]);
        fixture.restart(&["ethers", "names.csv"]);
        fixture.write("names.csv", "a4:83:e7:4e:39:16,Bob\n");
        assert_eq!(fixture.sync(), [1, 0, 0], "nothing is removed: it may come from the other file");
        fixture.write("ethers", "");
        assert_eq!(fixture.sync(), [0, 0, 2]);
    }

    #[test]
    fn a_device_keeps_the_name_of_an_expired_lease_for_a_month() {
        let mut fixture = Fixture::with(&["leases"]);
        fixture.write("leases", &format!("1 {ALICE} 10.0.0.1 iPhone *\n1 {VAN} 10.0.0.2 van *\n"));
        assert_eq!(fixture.sync(), [2, 0, 0]);
        fixture.capture(ALICE);
        fixture.write("leases", "");
        assert_eq!(fixture.sync(), [0, 0, 1], "the van was never captured");
        fixture.restart(&["leases"]);
        fixture.day += 29;
        assert_eq!(fixture.sync(), [0, 0, 0]);
        // A guest's phone of the same name is another device.
        fixture.write("leases", &format!("1 {VAN} 10.0.0.2 iPhone *\n"));
        assert_eq!(fixture.sync(), [1, 1, 0]);
        assert_eq!(fixture.names(), [(VAN, "iPhone (5c:03)"), (ALICE, "iPhone (39:15)")]);
        fixture.day += 1;
        assert_eq!(fixture.sync(), [0, 1, 1]);
        assert_eq!(fixture.names(), [(VAN, "iPhone")]);
        // If no file has leases any more, their names are removed, too.
        fixture.capture(VAN);
        fixture.write("ethers", &format!("{ALICE} alice\n"));
        fixture.restart(&["ethers"]);
        assert_eq!(fixture.sync(), [1, 0, 1]);
    }

    /// Whoever gets a name in a network does not become the device of which a chat knew that name.
    #[test]
    fn a_follow_stays_with_the_device_when_its_name_moves() {
        let mut fixture = Fixture::with(&["ethers"]);
        fixture.write("ethers", &format!("{ALICE} phone\n"));
        fixture.sync();
        let (time, chat, device) = (fixture.now(), ChatId(1), DeviceKey::Name("phone".into()));
        let follow = EventKind::Follow { chat, device, silence_seconds: 900, members: Vec::new() };
        fixture.fold(&Event::new(time, follow));
        fixture.write("ethers", &format!("{VAN} phone\n"));
        assert_eq!(fixture.sync(), [1, 0, 1]);
        let is_followed = |address| fixture.state.follows().get(&DeviceKey::Address(address), chat).is_some();
        assert_eq!([ALICE, VAN].map(is_followed), [true, false]);
    }

    #[test]
    fn many_leases_stay_within_the_limit() {
        let mut fixture = Fixture::with(&["leases"]);
        let mut next = 0_u32;
        for _ in 0..3 {
            let mut leases = String::new();
            for _ in 0..2000 {
                let [a, b, c, d] = next.to_be_bytes();
                let address = MacAddr::new([0x02, 0, a, b, c, d]);
                leases += &format!("1 {address} 10.0.0.1 phone-{next} *\n");
                fixture.capture(address);
                next += 1;
            }
            fixture.write("leases", &leases);
            fixture.day += 1;
            fixture.sync();
        }
        assert_eq!(fixture.names().len(), NAMES_LIMIT);
        let forget = Event::new(
            fixture.now(),
            EventKind::Evict { addresses: EvictionScope::Random, last_seen_before: fixture.now() },
        );
        fixture.fold(&forget);
        while fixture.state.continue_eviction() {}
        assert_eq!(fixture.state.addresses(), []);
        assert_eq!(fixture.sync(), [0, 0, NAMES_LIMIT - 2000]);
    }
}
