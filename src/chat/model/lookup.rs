//! Which device a query means, and what is known of it.

use std::collections::{BTreeMap, BTreeSet};

use dot11::{MacAddr, ShortSsid, Ssid};
use serde::Serialize;
use serde::ser::Serializer;
use store::event::{DeviceKey, GroupId, Timestamp};
use store::state::{Device, JoinReason, State, fold_case};

use super::phone::{PhoneReport, addresses_of_phone, phone_in_text, phone_label, phone_name, phone_report};
use crate::model_hint;
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

impl LookupResult {
    /// The device, if it is one.
    pub fn into_device(self) -> Option<Box<DeviceReport>> {
        if let Self::Device(report) = self { Some(report) } else { None }
    }
}

/// A device that a query names: an address, the random addresses of a phone, or all addresses that share a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundDevice {
    /// Its name.
    pub name: Option<String>,
    /// The phones that it is: one without a name, or those that share the name.
    pub phones: Vec<GroupId>,
    /// Its addresses. If it is a phone, the newest is first.
    pub addresses: Vec<MacAddr>,
}

impl FoundDevice {
    /// The device as alerts see it; `None` if no address has its name any more.
    pub fn key(&self) -> Option<DeviceKey> {
        match (&self.name, self.phones.first(), self.addresses.first()) {
            (Some(name), ..) => (!self.addresses.is_empty()).then(|| DeviceKey::Name(fold_case(name))),
            (None, Some(phone), _) => Some(DeviceKey::Phone(*phone)),
            (None, None, Some(address)) => Some(DeviceKey::Address(*address)),
            (None, None, None) => None,
        }
    }

    /// The phone, if it is one phone and nothing else.
    pub fn only_phone(&self, state: &State) -> Option<GroupId> {
        let [phone] = self.phones.as_slice() else { return None };
        let is_of_phone = |address: &MacAddr| state.grouping().phone_of(*address) == Some(*phone);
        self.addresses.iter().all(is_of_phone).then_some(*phone)
    }

    fn of_phone(state: &State, phone: GroupId) -> Self {
        match phone_name(state, phone) {
            Some(name) => Self::of_name(state, name),
            None => {
                let addresses = addresses_of_phone(state, phone);
                let addresses = addresses.into_iter().map(|(address, _)| address).collect();
                Self { name: None, phones: vec![phone], addresses }
            }
        }
    }

    fn of_name(state: &State, name: &str) -> Self {
        let phones: Vec<GroupId> = state.grouping().named(name).map(|(id, _)| id).collect();
        let mut addresses = state.addresses_of(name);
        // An address of a phone may have another name of its own.
        addresses.retain(|address| {
            state.name_of(*address).is_some_and(|known| fold_case(known) == fold_case(name))
        });
        if let [phone] = phones.as_slice() {
            let newest_first = addresses_of_phone(state, *phone);
            if newest_first.len() == addresses.len() {
                addresses = newest_first.into_iter().map(|(address, _)| address).collect();
            }
        }
        Self { name: Some(name.to_owned()), phones, addresses }
    }

    fn of_address(state: &State, address: MacAddr) -> Self {
        match (state.names().of(address), state.known_phone_of(address)) {
            (Some(name), _) => Self::of_name(state, name),
            (None, Some(phone)) => Self::of_phone(state, phone),
            (None, None) => Self { name: None, phones: Vec::new(), addresses: vec![address] },
        }
    }
}

/// What is known of a device.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceReport {
    /// The query.
    pub query: String,
    /// The device's name.
    pub name: Option<String>,
    /// What is known of the phone, if it is one and has no other addresses.
    pub phone: Option<PhoneReport>,
    /// What is known of the phones that share the name, if they are several or have other addresses beside them.
    pub namesakes: Vec<PhoneReport>,
    /// Its addresses. If it is a phone, the newest is first.
    pub addresses: Vec<MacAddr>,
    /// Their merged statistics.
    pub device: Device,
    /// A guess at what it is, see [`model_hint`].
    pub hint: Option<String>,
    /// The networks that it asked for by their Short SSIDs alone.
    pub short_ssids: Vec<ShortSsidReport>,
}

/// A network that a device asked for by its Short SSID, the CRC-32 of its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShortSsidReport {
    /// The Short SSID.
    pub short_ssid: ShortSsid,
    /// Probe requests with it.
    pub count: u64,
    /// The watched and known networks that it may be: probably the one, if there is one. Others may have the same.
    pub probably: Vec<Ssid>,
}

impl DeviceReport {
    /// Its name, its identifier if it is a phone, or else its address.
    pub fn title(&self) -> String {
        match (&self.name, &self.phone, self.addresses.first()) {
            (Some(name), ..) => name.clone(),
            (None, Some(phone), _) => phone_label(phone.id),
            (None, None, Some(address)) => address.to_string(),
            (None, None, None) => self.query.clone(),
        }
    }
}

/// Finds the device that `query` names: an address, a phone, a name, or an unambiguous part of one.
pub fn look_up(state: &State, query: &str) -> LookupResult {
    match which_device(state, query) {
        Ok(found) => report(state, query, found),
        Err(result) => result,
    }
}

/// The devices that were seen and whose names contain `query`, at most `limit`, last seen first. Before them comes the one
/// that `query` names, if it names one.
pub fn matching_devices(state: &State, query: &str, limit: usize) -> Vec<Box<DeviceReport>> {
    let wanted = fold_case(query);
    let addresses = state.names().iter().map(|(address, name)| (name, DeviceKey::Address(address)));
    let phones = state.grouping().groups();
    let phones = phones.filter_map(|(id, phone)| Some((phone.name.as_deref()?, DeviceKey::Phone(id))));
    let mut seen: BTreeMap<String, (Timestamp, &str)> = BTreeMap::new();
    for (name, device) in addresses.chain(phones) {
        let folded = fold_case(name);
        if folded.contains(&wanted)
            && let Some((_, last)) = state.last_seen(&device)
        {
            let newest = seen.entry(folded).or_insert((last, name));
            newest.0 = newest.0.max(last);
        }
    }
    let mut names: Vec<(Timestamp, &str)> = seen.into_values().collect();
    names.sort_unstable_by(|one, other| other.cmp(one));
    let named = which_device(state, query).ok();
    // Finding a name's addresses takes a while, so it is not done for more than are needed.
    let with_part = names.into_iter().take(limit).map(|(_, name)| FoundDevice::of_name(state, name));
    let mut known = BTreeSet::new();
    let found = named.into_iter().chain(with_part);
    let new = found.filter(|found| found.key().is_some_and(|key| known.insert(key)));
    new.filter_map(|found| report(state, query, found).into_device()).take(limit).collect()
}

/// What is known of a device, which `query` names.
fn report(state: &State, query: &str, found: FoundDevice) -> LookupResult {
    let phone = found.only_phone(state).and_then(|phone| phone_report(state, phone));
    let FoundDevice { name, phones, addresses } = found;
    let statistics = addresses.iter().filter_map(|address| state.device(*address));
    match statistics.reduce(|device, other| device.merge(&other)) {
        Some(device) => {
            let hint = model_hint::hint(state, addresses.iter().copied());
            let query = query.to_owned();
            let namesakes = match phone {
                Some(_) => Vec::new(),
                None => phones.into_iter().filter_map(|phone| phone_report(state, phone)).collect(),
            };
            let networks = device.short_ssids().iter().map(|(short_ssid, _)| *short_ssid);
            let networks = state.networks_with_short_ssids(networks);
            let short_ssids = device.short_ssids().iter().map(|&(short_ssid, count)| {
                let probably = networks.get(&short_ssid).into_iter().flatten().copied().cloned().collect();
                ShortSsidReport { short_ssid, count, probably }
            });
            let short_ssids = short_ssids.collect();
            let report = DeviceReport { query, name, phone, namesakes, addresses, device, hint, short_ssids };
            LookupResult::Device(Box::new(report))
        }
        None => match name {
            Some(device) => LookupResult::NeverSeen { device },
            None => LookupResult::NotFound { device: query.to_owned(), near: Vec::new() },
        },
    }
}

/// The device that `query` names, whether it was seen or not. An address means all that share its name, and a random
/// one for its phone.
///
/// # Errors
/// The result to show if the query names no device, or several.
pub fn which_device(state: &State, query: &str) -> Result<FoundDevice, LookupResult> {
    if let Ok(address) = query.parse::<MacAddr>() {
        return Ok(FoundDevice::of_address(state, address));
    }
    let is_known = |phone: &GroupId| state.known_phone(*phone).is_some();
    // No name may look like this any more, but an old log may have one.
    if let Some(phone) = phone_in_text(query, false).filter(is_known) {
        return Ok(FoundDevice::of_phone(state, phone));
    }
    let names = all_names(state);
    let wanted = fold_case(query);
    if let Some(same) = names.iter().find(|name| fold_case(name) == wanted) {
        return Ok(FoundDevice::of_name(state, same));
    }
    match names_with_part(&names, query) {
        Ok(name) => Ok(FoundDevice::of_name(state, name)),
        Err(several @ LookupResult::Ambiguous(_)) => Err(several),
        Err(none) => match phone_in_text(query, true).filter(is_known) {
            Some(phone) => Ok(FoundDevice::of_phone(state, phone)),
            None => Err(none),
        },
    }
}

/// Whether `text` is an address, the ID of a known phone, or a whole name.
pub fn is_device(state: &State, text: &str) -> bool {
    let is_phone = || phone_in_text(text, false).is_some_and(|phone| state.known_phone(phone).is_some());
    let wanted = fold_case(text);
    let is_name = || all_names(state).iter().any(|name| fold_case(name) == wanted);
    text.parse::<MacAddr>().is_ok() || is_phone() || is_name()
}

/// All names, of addresses and of phones, each once.
fn all_names(state: &State) -> Vec<&str> {
    let of_phones = state.grouping().groups().filter_map(|(_, phone)| phone.name.as_deref());
    let mut names: Vec<&str> = state.names().iter().map(|(_, name)| name).chain(of_phones).collect();
    names.sort_by_cached_key(|name| fold_case(name));
    names.dedup_by_key(|name| fold_case(name));
    names
}

/// The only name that contains `query`.
fn names_with_part<'a>(names: &[&'a str], query: &str) -> Result<&'a str, LookupResult> {
    let wanted = fold_case(query);
    let with_part: Vec<&str> =
        names.iter().copied().filter(|name| fold_case(name).contains(&wanted)).collect();
    match with_part.as_slice() {
        [one] => Ok(one),
        [] => Err(LookupResult::NotFound { device: query.to_owned(), near: near_names(names, &wanted) }),
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
            #[serde(skip_serializing_if = "Option::is_none")]
            phone: Option<Phone>,
            #[serde(skip_serializing_if = "Vec::is_empty")]
            phones: Vec<Phone>,
            addresses: &'a [MacAddr],
            probe_count: u64,
            wildcard_count: u64,
            #[serde(skip_serializing_if = "Option::is_none")]
            hidden_count: Option<u64>,
            first_probe: Timestamp,
            last_probe: Timestamp,
            hint: Option<&'a str>,
            unique_ssids: usize,
            ssids: Vec<&'a Ssid>,
            #[serde(skip_serializing_if = "<[_]>::is_empty")]
            short_ssids: &'a [ShortSsidReport],
            signal_dbm: Option<SignalDbm>,
        }
        #[derive(Serialize)]
        struct Phone {
            id: GroupId,
            at_least: u32,
            is_distinguishable: bool,
            in_range_since: Timestamp,
            visits: u64,
            address_count: u64,
            addresses: Vec<Address>,
        }
        #[derive(Serialize)]
        struct Address {
            address: MacAddr,
            why: JoinReason,
        }
        #[derive(Serialize)]
        struct SignalDbm {
            last: i8,
            min: i8,
            max: i8,
        }
        let device = &self.device;
        let phone = |phone: &PhoneReport| Phone {
            id: phone.id,
            at_least: phone.at_least,
            is_distinguishable: phone.is_distinguishable,
            in_range_since: phone.visit,
            visits: phone.visit_count,
            address_count: phone.address_count,
            addresses: phone.addresses.iter().map(|&(address, why)| Address { address, why }).collect(),
        };
        Report {
            query: &self.query,
            name: self.name.as_deref(),
            phone: self.phone.as_ref().map(phone),
            phones: self.namesakes.iter().map(phone).collect(),
            addresses: &self.addresses,
            probe_count: device.probe_count,
            wildcard_count: device.wildcard_count,
            hidden_count: Some(device.hidden_count).filter(|count| *count > 0),
            first_probe: device.first_probe,
            last_probe: device.last_probe,
            hint: self.hint.as_deref(),
            unique_ssids: device.ssids().len(),
            ssids: device.ssids().iter().map(|(ssid, _)| ssid).collect(),
            short_ssids: &self.short_ssids,
            signal_dbm: device.signal.map(|signal| SignalDbm {
                last: signal.last_dbm,
                min: signal.min_dbm,
                max: signal.max_dbm,
            }),
        }
        .serialize(serializer)
    }
}
