//! The Wi-Fi adapters: what each can do, and which one is best.

use std::cmp::Reverse;
use std::fs;
use std::path::Path;

use capture::monitor::{self, AdapterMode, Band, Holder, NetworkDaemon, RfkillBlock};
use dot11::MacAddr;
use serde::Deserialize;

use super::dialogue::Dialogue;
use super::error::SetupError;

/// An adapter, as far as setup needs to know it. Tests give a list of them as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Adapter {
    pub(super) name: String,
    pub(super) index: u32,
    pub(super) address: Option<MacAddr>,
    pub(super) driver: Option<String>,
    pub(super) is_monitor: bool,
    pub(super) is_access_point: bool,
    pub(super) has_monitor_mode: bool,
    pub(super) can_add_interfaces: bool,
    pub(super) bands: Vec<String>,
    pub(super) is_only_uplink: bool,
    pub(super) has_default_route: bool,
    pub(super) is_switched_off: bool,
    pub(super) is_switched_off_by_hardware: bool,
    /// The program that uses it.
    pub(super) holder: Option<String>,
    pub(super) is_captured: bool,
}

impl Default for Adapter {
    fn default() -> Self {
        Self {
            name: String::new(),
            index: 0,
            address: None,
            driver: None,
            is_monitor: false,
            is_access_point: false,
            has_monitor_mode: true,
            can_add_interfaces: true,
            bands: vec![Band::Ghz2.to_string()],
            is_only_uplink: false,
            has_default_route: false,
            is_switched_off: false,
            is_switched_off_by_hardware: false,
            holder: None,
            is_captured: false,
        }
    }
}

impl From<monitor::Adapter> for Adapter {
    fn from(adapter: monitor::Adapter) -> Self {
        Self {
            name: adapter.name,
            index: adapter.index,
            address: adapter.address,
            driver: adapter.driver,
            is_monitor: adapter.mode == AdapterMode::Monitor,
            is_access_point: adapter.mode == AdapterMode::Other,
            has_monitor_mode: adapter.has_monitor_mode,
            can_add_interfaces: adapter.can_add_interfaces,
            bands: adapter.bands.iter().map(Band::to_string).collect(),
            is_only_uplink: adapter.only_uplink.is_some(),
            has_default_route: adapter.has_default_route,
            is_switched_off: adapter.block == Some(RfkillBlock::Soft),
            is_switched_off_by_hardware: adapter.block == Some(RfkillBlock::Hard),
            holder: adapter.holder.as_ref().map(Holder::to_string),
            is_captured: adapter.is_captured,
        }
    }
}

/// The adapters of the machine, or those of a file.
pub(super) fn list(root: &Path, file: Option<&Path>) -> Result<Vec<Adapter>, SetupError> {
    let Some(file) = file else {
        let found = monitor::adapters(root).map_err(SetupError::Adapters)?;
        return Ok(found.into_iter().map(Adapter::from).collect());
    };
    let text = fs::read(file).map_err(SetupError::Adapters)?;
    serde_json::from_slice(&text).map_err(|error| SetupError::Adapters(error.into()))
}

impl Adapter {
    /// What keeps it from being used, and what helps; `None` if nothing does that setup cannot change.
    pub(super) fn obstacle(&self) -> Option<String> {
        Some(match () {
            () if self.is_switched_off_by_hardware => {
                "its radio is switched off by the machine's Wi-Fi switch or its firmware".to_owned()
            }
            () if self.is_switched_off => {
                "its radio is switched off: turn it on with sudo rfkill unblock wifi".to_owned()
            }
            () if self.is_monitor => return None,
            () if self.is_access_point => "it is an access point or the like: stop the program that made it \
                                           one, such as hostapd"
                .to_owned(),
            () if !self.has_monitor_mode => "its driver has no monitor mode".to_owned(),
            () if self.is_only_uplink => "it is the machine's only way to the internet: connect the machine \
                                          another way, such as with a cable"
                .to_owned(),
            () if !self.can_add_interfaces => {
                format!(
                    "its driver adds no monitor interface: put it into monitor mode yourself, with iw dev {} set \
                     type monitor",
                    self.name
                )
            }
            () if self.bands.is_empty() => {
                "no channel of it may be used: set the country, with sudo iw reg set DE".to_owned()
            }
            () => return None,
        })
    }

    /// Which program will use it again, and setup cannot keep away for good; with what helps.
    pub(super) fn stubborn_holder(&self) -> Option<String> {
        let holder = self.holder.as_deref()?;
        let name = &self.name;
        let daemons = [NetworkDaemon::NetworkManager, NetworkDaemon::WpaSupplicant, NetworkDaemon::Iwd];
        let [network_manager, wpa_supplicant, iwd] = daemons.map(|daemon| daemon.to_string());
        Some(match holder {
            _ if holder == network_manager => return None,
            _ if holder == wpa_supplicant => format!(
                "wpa_supplicant uses {name}, started by hand or by ifupdown: stop it with sudo wpa_cli -i {name} \
                 terminate, and take {name} out of /etc/network/interfaces"
            ),
            _ if holder == iwd => {
                format!(
                    "iwd uses every adapter: stop it with sudo systemctl disable --now iwd, or start it as iwd --nointerfaces {name}"
                )
            }
            other => format!("{other} uses {name}: stop it"),
        })
    }

    /// The adapter without its address if another one has the same: what is said of the address would hold for both.
    pub(super) fn without_shared_address(&self, all: &[Self]) -> Self {
        // Interfaces that were added to an adapter, to monitor or as an access point, share its address.
        let is_twin = |other: &Self| {
            other.name != self.name
                && other.address == self.address
                && !other.is_monitor
                && !other.is_access_point
        };
        let address = self.address.filter(|_| !all.iter().any(is_twin));
        Self { address, ..self.clone() }
    }

    /// What it can do, as a phrase.
    pub(super) fn abilities(&self) -> String {
        let mut parts = Vec::new();
        parts.push(match (self.is_monitor, self.has_monitor_mode) {
            (true, _) => "in monitor mode".to_owned(),
            (false, true) => "monitor mode".to_owned(),
            (false, false) => "no monitor mode".to_owned(),
        });
        if !self.bands.is_empty() {
            parts.push(self.bands.join(", "));
        }
        if self.is_only_uplink {
            parts.push("the only way to the internet".to_owned());
        } else if self.has_default_route {
            parts.push("a way to the internet".to_owned());
        }
        if let Some(holder) = &self.holder {
            parts.push(format!("used by {holder}"));
        }
        if self.is_captured {
            parts.push("probewatch captures with it".to_owned());
        }
        if self.is_switched_off || self.is_switched_off_by_hardware {
            parts.push("switched off".to_owned());
        }
        parts.join("; ")
    }

    fn line(&self) -> String {
        let address = self.address.map_or_else(|| "no address".to_owned(), |address| address.to_string());
        let driver = self.driver.as_deref().unwrap_or("unknown driver");
        format!("{} ({address}, {driver}): {}", self.name, self.abilities())
    }

    fn is_called(&self, wanted: &str) -> bool {
        let address = wanted.parse::<MacAddr>().ok();
        self.name == wanted || address.is_some() && self.address == address
    }
}

/// The adapter that serves best; `configured` are names of sources, which come first.
pub(super) fn suggest<'a>(adapters: &'a [Adapter], configured: &[String]) -> Option<&'a Adapter> {
    let usable = adapters.iter().filter(|adapter| adapter.obstacle().is_none());
    usable.max_by_key(|adapter| {
        (
            configured.contains(&adapter.name),
            !adapter.has_default_route,
            adapter.stubborn_holder().is_none(),
            adapter.bands.len(),
            // An adapter that something uses may be needed.
            adapter.holder.is_none(),
            // The first of equals.
            Reverse(adapter.name.clone()),
        )
    })
}

/// Lists the adapters, and takes the one that is wanted, chosen or suggested.
pub(super) fn choose<'a>(
    adapters: &'a [Adapter],
    configured: &[String],
    wanted: Option<&str>,
    dialogue: &Dialogue,
) -> Result<&'a Adapter, SetupError> {
    if adapters.is_empty() {
        return Err(SetupError::NoAdapter);
    }
    for (adapter, number) in adapters.iter().zip(1..) {
        dialogue.say(&format!("  {number}. {}", adapter.line()))?;
        if let Some(obstacle) = adapter.obstacle() {
            dialogue.say(&format!("     cannot be used: {obstacle}"))?;
        }
    }
    if let Some(wanted) = wanted {
        return named(adapters, wanted);
    }
    let suggested = suggest(adapters, configured).ok_or(SetupError::NoUsableAdapter)?;
    if !dialogue.can_ask() || dialogue.dry_run {
        return Ok(suggested);
    }
    loop {
        let answer = dialogue.ask("Which one is to listen, by number or name", Some(&suggested.name))?;
        if answer.is_empty() {
            return Ok(suggested);
        }
        let by_number = answer.parse::<usize>().ok().and_then(|number| adapters.get(number.checked_sub(1)?));
        let chosen = match by_number {
            Some(adapter) => named(adapters, &adapter.name),
            None => named(adapters, &answer),
        };
        match chosen {
            Ok(adapter) => return Ok(adapter),
            Err(error) => dialogue.say(&format!("{error}."))?,
        }
    }
}

fn named<'a>(adapters: &'a [Adapter], wanted: &str) -> Result<&'a Adapter, SetupError> {
    let Some(adapter) = adapters.iter().find(|adapter| adapter.is_called(wanted)) else {
        let known: Vec<&str> = adapters.iter().map(|adapter| adapter.name.as_str()).collect();
        return Err(SetupError::UnknownAdapter { wanted: wanted.to_owned(), known: known.join(", ") });
    };
    match adapter.obstacle() {
        Some(problem) => Err(SetupError::UnusableAdapter { name: adapter.name.clone(), problem }),
        None => Ok(adapter),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapter(name: &str, change: impl FnOnce(&mut Adapter)) -> Adapter {
        let mut adapter = Adapter { name: name.to_owned(), ..Adapter::default() };
        change(&mut adapter);
        adapter
    }

    #[test]
    fn the_best_adapter_is_suggested() {
        let suggested = |adapters: &[Adapter], configured: &[&str]| {
            let configured: Vec<String> = configured.iter().map(|name| (*name).to_owned()).collect();
            suggest(adapters, &configured).map(|adapter| adapter.name.clone())
        };
        let built_in = adapter("wlan0", |adapter| {
            (adapter.has_monitor_mode, adapter.is_only_uplink) = (false, true);
        });
        let plain = adapter("wlan1", |_| {});
        let same = adapter("wlan2", |_| {});
        let dual = adapter("wlan3", |adapter| adapter.bands.push("5 GHz".to_owned()));
        let uplink = adapter("wlan4", |adapter| {
            adapter.bands = dual.bands.clone();
            adapter.has_default_route = true;
        });
        assert_eq!(suggested(std::slice::from_ref(&built_in), &[]), None);
        let all = [built_in, plain, same, dual, uplink];
        assert_eq!(suggested(&all[..3], &[]).as_deref(), Some("wlan1"));
        assert_eq!(suggested(&all, &[]).as_deref(), Some("wlan3"));
        assert_eq!(suggested(&all, &["wlan2"]).as_deref(), Some("wlan2"));
        assert_eq!(suggested(&all, &["wlan0"]).as_deref(), Some("wlan3"), "one that cannot be used");
    }

    #[test]
    fn each_obstacle_has_its_remedy() {
        let with = |change: fn(&mut Adapter)| adapter("wlan1", change);
        let adapters = [
            with(|_| {}),
            with(|adapter| (adapter.is_monitor, adapter.has_monitor_mode) = (true, false)),
            with(|adapter| adapter.is_switched_off = true),
            with(|adapter| adapter.is_switched_off_by_hardware = true),
            with(|adapter| adapter.has_monitor_mode = false),
            with(|adapter| adapter.is_only_uplink = true),
            with(|adapter| adapter.is_access_point = true),
            with(|adapter| adapter.can_add_interfaces = false),
            with(|adapter| adapter.bands.clear()),
            with(|adapter| (adapter.has_default_route, adapter.is_captured) = (true, true)),
            with(|adapter| adapter.holder = Some("NetworkManager".to_owned())),
            with(|adapter| adapter.holder = Some("iwd".to_owned())),
            with(|adapter| adapter.holder = Some("tcpdump".to_owned())),
        ];
        let lines: Vec<String> = adapters
            .iter()
            .map(|adapter| {
                let problem = adapter.obstacle().or_else(|| adapter.stubborn_holder()).unwrap_or_default();
                format!("{} | {problem}", adapter.abilities())
            })
            .collect();
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn an_adapter_is_found_by_name_or_address() {
        let address = Some("00:c0:ca:12:34:56".parse().unwrap());
        let adapters = [adapter("wlan0", |_| {}), adapter("wlan1", |adapter| adapter.address = address)];
        assert_eq!(named(&adapters, "wlan1").unwrap().name, "wlan1");
        assert_eq!(named(&adapters, "00:C0:CA:12:34:56").unwrap().name, "wlan1");
        let unknown = named(&adapters, "wlan9").unwrap_err();
        assert_eq!(unknown.to_string(), "there is no Wi-Fi adapter wlan9; there is wlan0, wlan1");
    }
}
