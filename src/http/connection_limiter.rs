//! Limits how many connections are open at once, and decides which one to close when all permits are taken.
//!
//! Invariants:
//! - There are never more connections than permits.
//! - Connections from reserved networks have permits of their own, so no other network can keep them out.
//! - Unauthenticated connections cannot starve authenticated ones. While all permits are taken, each new connection
//!   evicts one unauthenticated connection: the oldest of the network that holds the most of them. A client that
//!   opens many connections so evicts its own.
//! - An authenticated connection is never evicted. If all are authenticated, a new connection is refused.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipnet::IpNet;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// The /64 prefix of an IPv6 address: one subscriber usually has a whole /64 (RFC 6177), and counts as one network.
const IPV6_PREFIX: u128 = !0 << 64;

/// Hands out a bounded number of permits. Clones share them.
#[derive(Clone)]
pub(super) struct ConnectionLimiter(Arc<Shared>);

struct Shared {
    /// Permits for connections from the reserved networks, and as many for all others.
    limit: usize,
    reserved: Vec<IpNet>,
    connections: Mutex<Connections>,
    /// Wakes the task in [`ConnectionLimiter::acquire`] when a permit is returned.
    released: Notify,
}

/// The open connections by their number, so the oldest first.
#[derive(Default)]
struct Connections {
    last_number: u64,
    open: BTreeMap<u64, Connection>,
}

struct Connection {
    network: IpAddr,
    is_reserved: bool,
    is_authenticated: bool,
    eviction: CancellationToken,
}

/// The right to keep one connection open; dropping it returns the permit.
pub(super) struct Permit {
    peer: Peer,
    eviction: CancellationToken,
}

/// The client of a connection. Every request carries it as an extension.
#[derive(Clone)]
pub struct Peer {
    limiter: ConnectionLimiter,
    number: u64,
}

/// What came of asking for a permit.
enum Acquired {
    Permit(Permit),
    /// One is free as soon as an evicted connection has closed.
    AfterEviction,
    /// All are taken by authenticated connections.
    Refused,
}

impl ConnectionLimiter {
    /// Has `limit` permits for connections from the `reserved` networks, and as many for all others.
    pub(super) fn new(limit: usize, reserved: &[IpNet]) -> Self {
        let reserved = reserved.to_vec();
        Self(Arc::new(Shared { limit, reserved, connections: Mutex::default(), released: Notify::new() }))
    }

    /// A permit for a connection from `address`, once an evicted connection has closed if all permits are taken; `None`
    /// if none can be evicted. Only one task may wait at a time.
    pub(super) async fn acquire(&self, address: IpAddr) -> Option<Permit> {
        loop {
            match self.try_acquire(address) {
                Acquired::Permit(permit) => return Some(permit),
                Acquired::AfterEviction => self.0.released.notified().await,
                Acquired::Refused => return None,
            }
        }
    }

    /// Returns a permit if one is free. Otherwise evicts a connection, unless all are authenticated.
    fn try_acquire(&self, address: IpAddr) -> Acquired {
        let address = address.to_canonical();
        let is_reserved = self.0.reserved.iter().any(|network| network.contains(&address));
        let mut connections = self.connections();
        let open = connections.open.values().filter(|connection| connection.is_reserved == is_reserved);
        if open.count() >= self.0.limit {
            return match connections.evict_one(is_reserved) {
                true => Acquired::AfterEviction,
                false => Acquired::Refused,
            };
        }
        connections.last_number += 1;
        let number = connections.last_number;
        let eviction = CancellationToken::new();
        let network = network_of(address);
        let connection =
            Connection { network, is_reserved, is_authenticated: false, eviction: eviction.clone() };
        connections.open.insert(number, connection);
        Acquired::Permit(Permit { peer: Peer { limiter: self.clone(), number }, eviction })
    }

    fn connections(&self) -> MutexGuard<'_, Connections> {
        // Each change is a single step, so a panic leaves the map consistent.
        self.0.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connections {
    /// Evicts one unauthenticated connection of the reserved networks or of all others, unless an evicted one has not
    /// closed yet. Returns whether one will close.
    fn evict_one(&mut self, is_reserved: bool) -> bool {
        let of_kind = || self.open.values().filter(|connection| connection.is_reserved == is_reserved);
        if of_kind().any(|connection| connection.eviction.is_cancelled()) {
            return true;
        }
        let unauthenticated = || of_kind().filter(|connection| !connection.is_authenticated);
        let mut counts: HashMap<IpAddr, usize> = HashMap::new();
        for connection in unauthenticated() {
            *counts.entry(connection.network).or_default() += 1;
        }
        // `max_by_key` returns the last maximum: in reverse order, the oldest connection.
        let victim = unauthenticated().rev().max_by_key(|connection| counts.get(&connection.network));
        victim.inspect(|connection| connection.eviction.cancel()).is_some()
    }
}

impl Permit {
    pub(super) fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Waits until the connection must close in favour of another.
    pub(super) async fn evicted(&self) {
        self.eviction.cancelled().await;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let limiter = &self.peer.limiter;
        limiter.connections().open.remove(&self.peer.number);
        limiter.0.released.notify_one();
    }
}

impl Peer {
    /// Protects the connection from eviction: its client has sent valid credentials.
    pub fn mark_authenticated(&self) {
        if let Some(connection) = self.limiter.connections().open.get_mut(&self.number) {
            connection.is_authenticated = true;
        }
    }
}

/// The network that a connection from this canonical address counts for.
fn network_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & IPV6_PREFIX).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_limit::in_time;

    /// The permit for a connection from this address, if one is free.
    fn permit(limiter: &ConnectionLimiter, address: &str) -> Option<Permit> {
        match limiter.try_acquire(address.parse().unwrap()) {
            Acquired::Permit(permit) => Some(permit),
            Acquired::AfterEviction | Acquired::Refused => None,
        }
    }

    /// Acquires a permit for each of these addresses. Panics if none is free.
    fn acquire_all(limiter: &ConnectionLimiter, addresses: &[&str]) -> Vec<Permit> {
        addresses.iter().map(|address| permit(limiter, address).expect("a free permit")).collect()
    }

    /// The indices of the connections that `count` new ones evict, in order.
    fn evictions(limiter: &ConnectionLimiter, held: &mut [Option<Permit>], count: usize) -> Vec<usize> {
        let mut evictions = Vec::new();
        let new_address = "192.0.2.200";
        for _ in 0..count {
            assert!(permit(limiter, new_address).is_none());
            let is_evicted = |permit: &Option<Permit>| {
                permit.as_ref().is_some_and(|permit| permit.eviction.is_cancelled())
            };
            let Some(index) = held.iter().position(is_evicted) else { break };
            // One at a time.
            assert!(permit(limiter, new_address).is_none());
            assert_eq!(held.iter().filter(|permit| is_evicted(permit)).count(), 1);
            evictions.push(index);
            held[index] = None;
            let newcomer = permit(limiter, new_address).expect("the permit that was returned");
            newcomer.peer().mark_authenticated();
            std::mem::forget(newcomer);
        }
        evictions
    }

    #[test]
    fn evicts_from_the_network_with_the_most_connections_first() {
        let limiter = ConnectionLimiter::new(6, &[]);
        let addresses =
            ["192.0.2.1", "2001:db8::1", "192.0.2.2", "2001:db8::2", "::ffff:192.0.2.1", "2001:db8::3"];
        let mut held: Vec<_> = acquire_all(&limiter, &addresses).into_iter().map(Some).collect();
        // First the network with three, then the address that also has two, then by age alone.
        assert_eq!(evictions(&limiter, &mut held, 6), [1, 0, 3, 2, 4, 5]);
    }

    #[test]
    fn never_evicts_an_authenticated_connection() {
        let limiter = ConnectionLimiter::new(3, &[]);
        let mut held: Vec<_> = acquire_all(&limiter, &["192.0.2.1"; 3]).into_iter().map(Some).collect();
        held[0].as_ref().unwrap().peer().mark_authenticated();
        assert_eq!(evictions(&limiter, &mut held, 3), [1, 2]);
        assert!(matches!(limiter.try_acquire("192.0.2.9".parse().unwrap()), Acquired::Refused));
    }

    #[test]
    fn a_reserved_network_and_all_others_do_not_evict_each_other() {
        let limiter = ConnectionLimiter::new(3, &["149.154.160.0/20".parse().unwrap()]);
        let _others = acquire_all(&limiter, &["192.0.2.1", "192.0.2.2", "192.0.2.3"]);
        let reserved = acquire_all(&limiter, &["149.154.160.1", "::ffff:149.154.175.254", "149.154.167.220"]);
        assert!(permit(&limiter, "149.154.176.1").is_none(), "just outside the reserved network");
        assert!(reserved.iter().all(|permit| !permit.eviction.is_cancelled()));
        assert!(permit(&limiter, "149.154.160.2").is_none());
        assert!(reserved[0].eviction.is_cancelled());
    }

    #[tokio::test]
    async fn a_connection_waits_until_an_evicted_one_has_closed() {
        let limiter = ConnectionLimiter::new(1, &[]);
        let first = permit(&limiter, "192.0.2.1").unwrap();
        let mut second = std::pin::pin!(limiter.acquire("192.0.2.2".parse().unwrap()));
        assert!(
            std::future::poll_fn(|context| std::task::Poll::Ready(second.as_mut().poll(context)))
                .await
                .is_pending()
        );
        in_time("the eviction of the first connection", first.evicted()).await;
        drop(first);
        assert!(in_time("the permit that was returned", second).await.is_some());
        assert!(limiter.connections().open.is_empty());
    }
}
