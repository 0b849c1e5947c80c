//! Which device a query means, and what is known of it.

use dot11::{MacAddr, Ssid};
use serde::Serialize;
use serde::ser::Serializer;
use store::event::Timestamp;
use store::state::{Device, State, fold_case};

use crate::suggest;

/// How many similar names are suggested if none matches.
const NEAR_NAMES: usize = 3;

/// How similar to a query a name must be to be suggested for it.
const LEAST_SIMILARITY: f64 = 0.75;

/// The result of a look-up.
#[derive(Debug, Clone, PartialEq)]
pub enum LookupResult {
    /// One device.
    Device(Box<DeviceReport>),
    /// Several names contain the query.
    Ambiguous(Vec<String>),
    /// A device that has a name but was never seen.
    NeverSeen {
        /// Its name.
        device: String,
    },
    /// No device.
    NotFound {
        /// The query.
        device: String,
        /// Similar names.
        near: Vec<String>,
    },
}

/// A device: an address, or all addresses that share a name.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceReport {
    /// The query.
    pub query: String,
    /// The device's name.
    pub name: Option<String>,
    /// All addresses that share the name.
    pub addresses: Vec<MacAddr>,
    /// Their merged statistics.
    pub device: Device,
}

impl DeviceReport {
    /// Its name, or else its address.
    pub fn title(&self) -> String {
        match (&self.name, self.addresses.first()) {
            (Some(name), _) => name.clone(),
            (None, Some(address)) => address.to_string(),
            (None, None) => self.query.clone(),
        }
    }
}

/// Finds the device that `query` names: an address, a name, or an unambiguous part of one.
pub fn look_up(state: &State, query: &str) -> LookupResult {
    let (name, addresses) = match which_device(state, query) {
        Ok(device) => device,
        Err(found) => return found,
    };
    let statistics = addresses.iter().filter_map(|address| state.device(*address));
    match statistics.reduce(|device, other| device.merge(&other)) {
        Some(device) => {
            LookupResult::Device(Box::new(DeviceReport { query: query.to_owned(), name, addresses, device }))
        }
        None => match name {
            Some(device) => LookupResult::NeverSeen { device },
            None => LookupResult::NotFound { device: query.to_owned(), near: Vec::new() },
        },
    }
}

/// The name and the addresses of the device that `query` names, whether it was seen or not. An address stands for all
/// that share its name.
///
/// # Errors
/// The result to show if the query names no device, or several.
pub fn which_device(state: &State, query: &str) -> Result<(Option<String>, Vec<MacAddr>), LookupResult> {
    let names = state.names();
    Ok(match query.parse::<MacAddr>() {
        Ok(address) => match names.of(address) {
            Some(name) => (Some(name.to_owned()), names.addresses_of(name)),
            None => (None, vec![address]),
        },
        Err(_) => {
            let name = names_like(state, query)?;
            let addresses = names.addresses_of(&name);
            (Some(name), addresses)
        }
    })
}

/// The name that equals `query`, or else the only one that contains it.
fn names_like(state: &State, query: &str) -> Result<String, LookupResult> {
    let wanted = fold_case(query);
    let mut names: Vec<&str> = state.names().iter().map(|(_, name)| name).collect();
    names.sort_by_cached_key(|name| fold_case(name));
    names.dedup_by_key(|name| fold_case(name));
    if let Some(same) = names.iter().find(|name| fold_case(name) == wanted) {
        return Ok((*same).to_owned());
    }
    let with_part: Vec<&str> =
        names.iter().copied().filter(|name| fold_case(name).contains(&wanted)).collect();
    match with_part.as_slice() {
        [one] => Ok((*one).to_owned()),
        [] => Err(LookupResult::NotFound { device: query.to_owned(), near: near_names(&names, &wanted) }),
        several => Err(LookupResult::Ambiguous(several.iter().map(|name| (*name).to_owned()).collect())),
    }
}

fn near_names(names: &[&str], wanted: &str) -> Vec<String> {
    let near = suggest::similar_by(names.iter().copied(), LEAST_SIMILARITY, |name| {
        similarity(&fold_case(name), wanted)
    });
    near.into_iter().take(NEAR_NAMES).map(str::to_owned).collect()
}

/// How similar `wanted` is to the name or one of its words.
fn similarity(name: &str, wanted: &str) -> f64 {
    name.split_whitespace()
        .map(|word| suggest::similarity(word, wanted))
        .fold(suggest::similarity(name, wanted), f64::max)
}

/// The object that `probewatch lookup --json` prints.
impl Serialize for DeviceReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Report<'a> {
            query: &'a str,
            name: Option<&'a str>,
            addresses: &'a [MacAddr],
            probe_count: u64,
            wildcard_count: u64,
            first_probe: Timestamp,
            last_probe: Timestamp,
            unique_ssids: usize,
            ssids: Vec<&'a Ssid>,
            signal_dbm: Option<SignalDbm>,
        }
        #[derive(Serialize)]
        struct SignalDbm {
            last: i8,
            min: i8,
            max: i8,
        }
        let device = &self.device;
        Report {
            query: &self.query,
            name: self.name.as_deref(),
            addresses: &self.addresses,
            probe_count: device.probe_count,
            wildcard_count: device.wildcard_count,
            first_probe: device.first_probe,
            last_probe: device.last_probe,
            unique_ssids: device.ssids().len(),
            ssids: device.ssids().iter().map(|(ssid, _)| ssid).collect(),
            signal_dbm: device.signal.map(|signal| SignalDbm {
                last: signal.last_dbm,
                min: signal.min_dbm,
                max: signal.max_dbm,
            }),
        }
        .serialize(serializer)
    }
}
