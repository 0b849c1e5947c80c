//! Who may have a connection: a bounded number of places, and which of them is given up when all are taken.
//!
//! What must hold:
//! - There are never more connections than places.
//! - Who has not shown yet that the listener is there for it keeps nobody out who would: while all places are
//!   taken, a stranger's is given up for each connection that comes. It is the oldest of the address that has the
//!   most of them, so that whoever takes many places takes them from itself.
//! - A recognized caller keeps its place.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// The part of an IPv6 address that one network has to itself, so that its owner cannot pass for many.
const NETWORK: u128 = !0 << 64;

/// Clones are the same places.
#[derive(Clone)]
pub(super) struct Places(Arc<Shared>);

struct Shared {
    limit: usize,
    taken: Mutex<Taken>,
    /// That a place was freed since the last look, for the one that takes them.
    freed: Notify,
}

/// The connections by their age, the oldest first.
#[derive(Default)]
struct Taken {
    last: u64,
    connections: BTreeMap<u64, Connection>,
}

struct Connection {
    network: IpAddr,
    is_recognized: bool,
    given_up: CancellationToken,
}

/// A connection's place, free when it is dropped.
pub(super) struct Place {
    caller: Caller,
    given_up: CancellationToken,
}

/// Whoever is at the other end of a connection; every request has it as an extension.
#[derive(Clone)]
pub struct Caller {
    places: Places,
    number: u64,
}

impl Places {
    pub(super) fn new(limit: usize) -> Self {
        Self(Arc::new(Shared { limit, taken: Mutex::default(), freed: Notify::new() }))
    }

    /// A place for a connection from `peer`, as soon as there is one. Only one at a time may wait for it.
    pub(super) async fn take(&self, peer: IpAddr) -> Place {
        loop {
            if let Some(place) = self.try_take(peer) {
                return place;
            }
            self.0.freed.notified().await;
        }
    }

    /// A place where one is free; else one is about to be, unless every caller is recognized.
    fn try_take(&self, peer: IpAddr) -> Option<Place> {
        let mut taken = self.taken();
        if taken.connections.len() >= self.0.limit {
            taken.give_one_up();
            return None;
        }
        taken.last += 1;
        let number = taken.last;
        let given_up = CancellationToken::new();
        let connection =
            Connection { network: network_of(peer), is_recognized: false, given_up: given_up.clone() };
        taken.connections.insert(number, connection);
        Some(Place { caller: Caller { places: self.clone(), number }, given_up })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        // Every change is one step, so what a panic leaves behind is whole.
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Gives a stranger's connection up, unless one that was is not gone yet.
    fn give_one_up(&mut self) {
        if self.connections.values().any(|connection| connection.given_up.is_cancelled()) {
            return;
        }
        let strangers = || self.connections.values().filter(|connection| !connection.is_recognized);
        let mut counts: HashMap<IpAddr, usize> = HashMap::new();
        for stranger in strangers() {
            *counts.entry(stranger.network).or_default() += 1;
        }
        // Of equals, the last that is looked at is taken: the oldest.
        if let Some(stranger) = strangers().rev().max_by_key(|stranger| counts.get(&stranger.network)) {
            stranger.given_up.cancel();
        }
    }
}

impl Place {
    pub(super) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Waits until the place is to be given up.
    pub(super) async fn given_up(&self) {
        self.given_up.cancelled().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Shared { freed, .. } = &*self.caller.places.0;
        self.caller.places.taken().connections.remove(&self.caller.number);
        freed.notify_one();
    }
}

impl Caller {
    /// It has shown that the listener is there for it.
    pub fn recognize(&self) {
        if let Some(connection) = self.places.taken().connections.get_mut(&self.number) {
            connection.is_recognized = true;
        }
    }
}

fn network_of(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & NETWORK).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a place for each of these addresses. Panics where none is free.
    fn taken(places: &Places, peers: &[&str]) -> Vec<Place> {
        peers.iter().map(|peer| places.try_take(peer.parse().unwrap()).expect("a free place")).collect()
    }

    /// The indices of the connections that are given up, one for each of `count` more that come.
    fn given_up(places: &Places, held: &mut [Option<Place>], count: usize) -> Vec<usize> {
        let mut given_up = Vec::new();
        for _ in 0..count {
            assert!(places.try_take("192.0.2.200".parse().unwrap()).is_none());
            let is_given_up =
                |place: &Option<Place>| place.as_ref().is_some_and(|place| place.given_up.is_cancelled());
            let Some(index) = held.iter().position(is_given_up) else { break };
            // One at a time.
            assert!(places.try_take("192.0.2.200".parse().unwrap()).is_none());
            assert_eq!(held.iter().filter(|place| is_given_up(place)).count(), 1);
            given_up.push(index);
            held[index] = None;
            let newcomer = places.try_take("192.0.2.200".parse().unwrap()).expect("the place that was freed");
            newcomer.caller().recognize();
            std::mem::forget(newcomer);
        }
        given_up
    }

    #[test]
    fn who_takes_many_places_gives_them_up_first() {
        let places = Places::new(6);
        let peers =
            ["192.0.2.1", "2001:db8::1", "192.0.2.2", "2001:db8::2", "::ffff:192.0.2.1", "2001:db8::3"];
        let mut held: Vec<_> = taken(&places, &peers).into_iter().map(Some).collect();
        // First the network that has three, then the address that has two as well, then by age alone.
        assert_eq!(given_up(&places, &mut held, 6), [1, 0, 3, 2, 4, 5]);
    }

    #[test]
    fn a_recognized_caller_keeps_its_place() {
        let places = Places::new(3);
        let mut held: Vec<_> = taken(&places, &["192.0.2.1"; 3]).into_iter().map(Some).collect();
        held[0].as_ref().unwrap().caller().recognize();
        assert_eq!(given_up(&places, &mut held, 3), [1, 2]);
    }

    #[tokio::test]
    async fn a_place_that_is_freed_goes_to_who_waits() {
        let places = Places::new(1);
        let first = places.take("192.0.2.1".parse().unwrap()).await;
        first.caller().recognize();
        let mut second = std::pin::pin!(places.take("192.0.2.2".parse().unwrap()));
        assert!(
            std::future::poll_fn(|context| std::task::Poll::Ready(second.as_mut().poll(context)))
                .await
                .is_pending()
        );
        drop(first);
        second.await;
        assert!(places.taken().connections.is_empty());
    }
}
