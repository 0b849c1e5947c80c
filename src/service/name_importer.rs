//! Keeps the imported names as the files say that they come from: looks every half minute, compares what all
//! files say together with what the state has, and hands the difference to the recorder.
//!
//! # Who loses an imported name
//! - An address whose line is gone, also where it went while nobody looked.
//! - But after a lease it keeps the name while it was heard within [`EXPIRED_LEASE_RETENTION`], as far as there is room: a
//!   lease often ends because its phone is away, and all end where the router is switched off. An address that
//!   was never heard has nothing to lose.
//! - Nobody, while a file could not be read since the start: it may be what named them. One that could be
//!   read before still counts as it was.

mod name_file;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::dot11::MacAddr;
use crate::event::{Event, EventKind, NamedBy, Timestamp};
use crate::names_import::{Facts, ImportedName, NAMES_LIMIT, join, neighbours};
use crate::recorder::RecorderHandle;
use crate::state::State;
use name_file::{FileChange, NameFile};

/// How often the files are looked at.
const POLL_INTERVAL: Duration = Duration::from_secs(30);

/// How soon one is looked at again that has changed.
const SETTLE_INTERVAL: Duration = Duration::from_secs(1);

/// For how long after its last probe a device keeps the name of a lease that is over.
const EXPIRED_LEASE_RETENTION: Duration = Duration::from_secs(30 * 86_400);

/// The kernel's table of neighbours, which knows IP addresses' owners.
const ARP_TABLE: &str = "/proc/net/arp";

/// How many names change at once: others want to look at the state meanwhile.
const CHANGES_PER_BATCH: usize = 64;

/// Imports the names of `files` until `stop`; of two files that name an address, the first counts.
pub(super) async fn import(files: Vec<PathBuf>, recorder: RecorderHandle, stop: CancellationToken) {
    let mut import =
        NameImporter { files: files.into_iter().map(NameFile::new).collect(), ..NameImporter::default() };
    loop {
        // A file may lie on a disk that takes its time.
        let looking = tokio::task::spawn_blocking(move || {
            let is_settled = import.poll();
            (import, is_settled)
        });
        let is_settled;
        (import, is_settled) = tokio::select! {
            looked = looking => match looked {
                Ok(looked) => looked,
                Err(error) => return warn!("names of files are imported no longer: {error}"),
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

/// The files, and what was told of them.
#[derive(Debug, Default)]
struct NameImporter {
    files: Vec<NameFile>,
    neighbours: Facts,
    limit_warned: bool,
    failure_warned: bool,
}

impl NameImporter {
    /// Looks at all files; whether none of them is being written.
    fn poll(&mut self) -> bool {
        let looks: Vec<FileChange> = self.files.iter_mut().map(NameFile::poll).collect();
        let has_hosts = self.files.iter().filter_map(NameFile::facts).any(Facts::has_hosts);
        // Not every system has such a table.
        let table = has_hosts.then(|| std::fs::read_to_string(ARP_TABLE).ok()).flatten();
        self.neighbours = neighbours(&table.unwrap_or_default());
        !looks.contains(&FileChange::Settling)
    }

    /// Makes the state's imported names those of the files. What fails is tried again at the next look.
    async fn apply(&mut self, recorder: &RecorderHandle) {
        let difference = self.difference(&recorder.state(), Timestamp::now());
        if difference.events.is_empty() {
            return;
        }
        let Difference { events, added, changed, removed } = difference;
        for events in events.chunks(CHANGES_PER_BATCH) {
            if let Err(error) = recorder.change_all(events.to_vec()).await {
                if !std::mem::replace(&mut self.failure_warned, true) {
                    warn!("imported names could not be kept: {error}; this is tried again");
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

/// The addresses that a lease has named, with the names, of those that were heard lately; the last one first.
fn remembered_leases(state: &State, now: Timestamp) -> Vec<(MacAddr, &str)> {
    let mut heard: Vec<(Timestamp, MacAddr, &str)> = state
        .names()
        .imported()
        .filter(|(_, _, is_lease)| *is_lease)
        .filter_map(|(address, name, _)| Some((state.device(address)?.last_probe, address, name)))
        .filter(|(last_probe, _, _)| *last_probe > now || now.abs_diff(*last_probe) < EXPIRED_LEASE_RETENTION)
        .collect();
    heard.sort_unstable_by(|one, other| other.cmp(one));
    heard.into_iter().map(|(_, address, name)| (address, name)).collect()
}

/// What makes the imported names of a state others.
#[derive(Debug, Default)]
struct Difference {
    /// The new names before those that go, so that what is meant by a name finds the name's next address.
    events: Vec<Event>,
    added: usize,
    changed: usize,
    removed: usize,
}

impl Difference {
    /// What makes the imported names those that are wanted; names go only where `may_remove`.
    fn of(wanted: &BTreeMap<MacAddr, ImportedName>, state: &State, may_remove: bool, now: Timestamp) -> Self {
        let known: BTreeMap<MacAddr, (&str, bool)> =
            state.names().imported().map(|(address, name, is_lease)| (address, (name, is_lease))).collect();
        let mut difference = Self::default();
        for (&address, ImportedName { name, is_lease }) in wanted {
            match known.get(&address) {
                Some(before) if *before == (name, *is_lease) => continue,
                Some(_) => difference.changed += 1,
                None => difference.added += 1,
            }
            let by = if *is_lease { NamedBy::Lease } else { NamedBy::Import };
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

    use super::*;
    use crate::dot11::RequestedSsid;
    use crate::event::{ChatId, DeviceKey, EvictionScope, Probe};

    const ALICE: MacAddr = MacAddr::new([0xa4, 0x83, 0xe7, 0x4e, 0x39, 0x15]);
    const VAN: MacAddr = MacAddr::new([0x00, 0x23, 0xa7, 0x19, 0x5c, 0x03]);

    /// Files in a folder, and a state whose imported names are kept as they say.
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

        /// As after a start with these files.
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

        fn hear(&mut self, source: MacAddr) {
            self.fold(&Event::from(Probe::example(source, RequestedSsid::Wildcard, self.now().as_micros())));
        }

        /// Looks until nothing is being written; how many names were added, changed and removed.
        fn look(&mut self) -> [usize; 3] {
            while !self.import.poll() {}
            let Difference { events, added, changed, removed } =
                self.import.difference(&self.state, self.now());
            events.iter().for_each(|event| self.fold(event));
            assert_eq!(events.len(), added + changed + removed);
            let again = self.import.difference(&self.state, self.now());
            assert!(again.events.is_empty(), "it is done at once: {again:?}");
            [added, changed, removed]
        }

        fn names(&self) -> Vec<(MacAddr, &str)> {
            self.state.names().iter().collect()
        }
    }

    #[test]
    fn files_are_read_together() {
        let mut fixture = Fixture::with(&["ethers", "hosts"]);
        fixture.write("ethers", &format!("{ALICE} 192.168.1.7\n"));
        fixture.write("hosts", "127.0.0.1 localhost\n192.168.1.7 alice.lan alice\n");
        assert_eq!(fixture.look(), [1, 0, 0]);
        assert_eq!(fixture.names(), [(ALICE, "alice.lan")]);
    }

    #[test]
    fn lines_that_went_while_it_was_down_take_their_names_along() {
        let mut fixture = Fixture::with(&["ethers", "names.csv"]);
        fixture.write("ethers", &format!("{ALICE} alice\n"));
        fixture.write("names.csv", &format!("{VAN},Van\na4:83:e7:4e:39:16,Bob\n"));
        fixture.hear(ALICE);
        assert_eq!(fixture.look(), [3, 0, 0]);
        fixture.write("names.csv", &format!("{VAN},The van\n"));
        fixture.restart(&["ethers", "names.csv"]);
        assert_eq!(fixture.look(), [0, 1, 1]);
        assert_eq!(fixture.names(), [(VAN, "The van"), (ALICE, "alice")]);
        // A file that is not looked at any more.
        fixture.restart(&["names.csv"]);
        assert_eq!(fixture.look(), [0, 0, 1]);
        fixture.restart(&[]);
        assert_eq!(fixture.look(), [0, 0, 1]);
        assert_eq!(fixture.names(), []);
    }

    #[test]
    fn what_could_not_be_kept_is_tried_again() {
        let mut fixture = Fixture::with(&["ethers"]);
        fixture.write("ethers", &format!("{ALICE} alice\n{VAN} van\n"));
        fixture.look();
        fixture.write("ethers", &format!("{VAN} van\n"));
        while !fixture.import.poll() {}
        let failed = fixture.import.difference(&fixture.state, fixture.now());
        assert_eq!(failed.removed, 1);
        assert_eq!(fixture.look(), [0, 0, 1]);
    }

    #[test]
    fn a_file_that_cannot_be_read_keeps_its_names() {
        let mut fixture = Fixture::with(&["ethers", "names.csv"]);
        fixture.write("ethers", &format!("{ALICE} alice\n"));
        fixture.write("names.csv", &format!("{VAN},Van\n"));
        fixture.look();
        fs::remove_file(fixture.folder.path().join("ethers")).unwrap();
        assert_eq!(fixture.look(), [0, 0, 0]);
        fixture.restart(&["ethers", "names.csv"]);
        fixture.write("names.csv", "a4:83:e7:4e:39:16,Bob\n");
        assert_eq!(fixture.look(), [1, 0, 0], "nothing goes: it may be of the other file");
        fixture.write("ethers", "");
        assert_eq!(fixture.look(), [0, 0, 2]);
    }

    #[test]
    fn a_device_keeps_the_name_of_its_lease_for_a_month() {
        let mut fixture = Fixture::with(&["leases"]);
        fixture.write("leases", &format!("1 {ALICE} 10.0.0.1 iPhone *\n1 {VAN} 10.0.0.2 van *\n"));
        assert_eq!(fixture.look(), [2, 0, 0]);
        fixture.hear(ALICE);
        fixture.write("leases", "");
        assert_eq!(fixture.look(), [0, 0, 1], "the van was never heard");
        fixture.restart(&["leases"]);
        fixture.day += 29;
        assert_eq!(fixture.look(), [0, 0, 0]);
        // A guest's is another device.
        fixture.write("leases", &format!("1 {VAN} 10.0.0.2 iPhone *\n"));
        assert_eq!(fixture.look(), [1, 1, 0]);
        assert_eq!(fixture.names(), [(VAN, "iPhone (5c:03)"), (ALICE, "iPhone (39:15)")]);
        fixture.day += 1;
        assert_eq!(fixture.look(), [0, 1, 1]);
        assert_eq!(fixture.names(), [(VAN, "iPhone")]);
        // Where no file has leases any more, those names go too.
        fixture.hear(VAN);
        fixture.write("ethers", &format!("{ALICE} alice\n"));
        fixture.restart(&["ethers"]);
        assert_eq!(fixture.look(), [1, 0, 1]);
    }

    #[test]
    fn a_name_that_moves_takes_along_who_follows_it() {
        let mut fixture = Fixture::with(&["ethers"]);
        fixture.write("ethers", &format!("{ALICE} phone\n"));
        fixture.look();
        let phone = DeviceKey::Name("phone".into());
        let (time, chat) = (fixture.now(), ChatId(1));
        fixture
            .fold(&Event::new(time, EventKind::Follow { chat, device: phone.clone(), silence_seconds: 900 }));
        fixture.write("ethers", &format!("{VAN} phone\n"));
        assert_eq!(fixture.look(), [1, 0, 1]);
        assert!(fixture.state.follows().get(&phone, chat).is_some());
    }

    #[test]
    fn leases_of_a_crowd_leave_the_state_within_bounds() {
        let mut fixture = Fixture::with(&["leases"]);
        let mut next = 0_u32;
        for _ in 0..3 {
            let mut leases = String::new();
            for _ in 0..2000 {
                let [a, b, c, d] = next.to_be_bytes();
                let address = MacAddr::new([0x02, 0, a, b, c, d]);
                leases += &format!("1 {address} 10.0.0.1 phone-{next} *\n");
                fixture.hear(address);
                next += 1;
            }
            fixture.write("leases", &leases);
            fixture.day += 1;
            fixture.look();
        }
        assert_eq!(fixture.names().len(), NAMES_LIMIT);
        let forget = Event::new(
            fixture.now(),
            EventKind::Evict { addresses: EvictionScope::Random, last_seen_before: fixture.now() },
        );
        fixture.fold(&forget);
        while fixture.state.continue_eviction() {}
        assert_eq!(fixture.state.addresses(), []);
        assert_eq!(fixture.look(), [0, 0, NAMES_LIMIT - 2000]);
    }
}
