//! Limits how many connections are open at once, and decides which one to close when all permits are taken.
//!
//! Invariants:
//! - There are never more connections than permits.
//! - Unauthenticated connections cannot starve authenticated ones. While all permits are taken, each new connection
//!   evicts one unauthenticated connection: the oldest of the network that holds the most of them. A client that
//!   opens many connections so evicts its own.
//! - An authenticated connection is never evicted.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// The /64 prefix of an IPv6 address: one subscriber usually has a whole /64 (RFC 6177), and counts as one network.
const IPV6_PREFIX: u128 = !0 << 64;

/// Hands out a bounded number of permits. Clones share them.
#[derive(Clone)]
pub(super) struct ConnectionLimiter(Arc<Shared>);

struct Shared {
    limit: usize,
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

impl ConnectionLimiter {
    pub(super) fn new(limit: usize) -> Self {
        Self(Arc::new(Shared { limit, connections: Mutex::default(), released: Notify::new() }))
    }

    /// Waits for a permit for a connection from `address`. Only one task may wait at a time.
    pub(super) async fn acquire(&self, address: IpAddr) -> Permit {
        loop {
            if let Some(permit) = self.try_acquire(address) {
                return permit;
            }
            self.0.released.notified().await;
        }
    }

    /// Returns a permit if one is free. Otherwise evicts a connection, unless all are authenticated.
    fn try_acquire(&self, address: IpAddr) -> Option<Permit> {
        let mut connections = self.connections();
        if connections.open.len() >= self.0.limit {
            connections.evict_one();
            return None;
        }
        connections.last_number += 1;
        let number = connections.last_number;
        let eviction = CancellationToken::new();
        let network = network_of(address);
        let connection = Connection { network, is_authenticated: false, eviction: eviction.clone() };
        connections.open.insert(number, connection);
        Some(Permit { peer: Peer { limiter: self.clone(), number }, eviction })
    }

    fn connections(&self) -> MutexGuard<'_, Connections> {
        // Each change is a single step, so a panic leaves the map consistent.
        self.0.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connections {
    /// Evicts one unauthenticated connection, unless an evicted one has not closed yet.
    fn evict_one(&mut self) {
        if self.open.values().any(|connection| connection.eviction.is_cancelled()) {
            return;
        }
        let unauthenticated = || self.open.values().filter(|connection| !connection.is_authenticated);
        let mut counts: HashMap<IpAddr, usize> = HashMap::new();
        for connection in unauthenticated() {
            *counts.entry(connection.network).or_default() += 1;
        }
        // `max_by_key` returns the last maximum: in reverse order, the oldest connection.
        if let Some(connection) =
            unauthenticated().rev().max_by_key(|connection| counts.get(&connection.network))
        {
            connection.eviction.cancel();
        }
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

fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & IPV6_PREFIX).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_limit::in_time;

    /// Acquires a permit for each of these addresses. Panics if none is free.
    fn acquire_all(limiter: &ConnectionLimiter, addresses: &[&str]) -> Vec<Permit> {
        addresses
            .iter()
            .map(|address| limiter.try_acquire(address.parse().unwrap()).expect("a free permit"))
            .collect()
    }

    /// The indices of the connections that `count` new ones evict, in order.
    fn evictions(limiter: &ConnectionLimiter, held: &mut [Option<Permit>], count: usize) -> Vec<usize> {
        let mut evictions = Vec::new();
        let new_address: IpAddr = "192.0.2.200".parse().unwrap();
        for _ in 0..count {
            assert!(limiter.try_acquire(new_address).is_none());
            let is_evicted = |permit: &Option<Permit>| {
                permit.as_ref().is_some_and(|permit| permit.eviction.is_cancelled())
            };
            let Some(index) = held.iter().position(is_evicted) else { break };
            // One at a time.
            assert!(limiter.try_acquire(new_address).is_none());
            assert_eq!(held.iter().filter(|permit| is_evicted(permit)).count(), 1);
            evictions.push(index);
            held[index] = None;
            let newcomer = limiter.try_acquire(new_address).expect("the permit that was returned");
            newcomer.peer().mark_authenticated();
            std::mem::forget(newcomer);
        }
        evictions
    }

    #[test]
    fn evicts_from_the_network_with_the_most_connections_first() {
        let limiter = ConnectionLimiter::new(6);
        let addresses =
            ["192.0.2.1", "2001:db8::1", "192.0.2.2", "2001:db8::2", "::ffff:192.0.2.1", "2001:db8::3"];
        let mut held: Vec<_> = acquire_all(&limiter, &addresses).into_iter().map(Some).collect();
        // First the network with three, then the address that also has two, then by age alone.
        assert_eq!(evictions(&limiter, &mut held, 6), [1, 0, 3, 2, 4, 5]);
    }

    #[test]
    fn never_evicts_an_authenticated_connection() {
        let limiter = ConnectionLimiter::new(3);
        let mut held: Vec<_> = acquire_all(&limiter, &["192.0.2.1"; 3]).into_iter().map(Some).collect();
        held[0].as_ref().unwrap().peer().mark_authenticated();
        assert_eq!(evictions(&limiter, &mut held, 3), [1, 2]);
    }

    #[tokio::test]
    async fn a_returned_permit_goes_to_the_waiting_connection() {
        let limiter = ConnectionLimiter::new(1);
        let first = in_time("the first permit", limiter.acquire("192.0.2.1".parse().unwrap())).await;
        first.peer().mark_authenticated();
        let mut second = std::pin::pin!(limiter.acquire("192.0.2.2".parse().unwrap()));
        assert!(
            std::future::poll_fn(|context| std::task::Poll::Ready(second.as_mut().poll(context)))
                .await
                .is_pending()
        );
        drop(first);
        in_time("the permit that was returned", second).await;
        assert!(limiter.connections().open.is_empty());
    }
}
