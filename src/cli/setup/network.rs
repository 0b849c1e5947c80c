//! What keeps other programs away from the adapter, and gives it a name that stays: the texts of the files.

use dot11::MacAddr;

/// The first line of each file that setup makes.
pub(super) const MARK: &str = "# Written by `probewatch setup`; `probewatch setup --undo` reverts it.\n";

pub(super) const NETWORK_MANAGER_FOLDER: &str = "/etc/NetworkManager";
pub(super) const NETWORK_MANAGER: &str = "/etc/NetworkManager/conf.d/probewatch.conf";
pub(super) const NETWORKD: &str = "/etc/systemd/network/10-probewatch.network";
/// A file gives one adapter its name.
pub(super) const LINKS: [&str; 4] = [
    "/etc/systemd/network/10-probewatch.link",
    "/etc/systemd/network/10-probewatch-2.link",
    "/etc/systemd/network/10-probewatch-3.link",
    "/etc/systemd/network/10-probewatch-4.link",
];
pub(super) const DHCPCD: &str = "/etc/dhcpcd.conf";

/// The names that the kernel gives in the order in which it finds the adapters.
pub(super) fn is_unstable(name: &str) -> bool {
    name.strip_prefix("wlan").is_some_and(|number| number.parse::<u32>().is_ok())
}

/// Whether the kernel takes this as the name of an interface; `*` and the like, which others expand, are left out.
pub(super) fn is_interface_name(name: &str) -> bool {
    let is_usual = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..16).contains(&name.len()) && !name.starts_with(['.', '-']) && name.bytes().all(is_usual)
}

/// NetworkManager's file with the adapter in it; `None` if it is there already. What else is in the file stays.
pub(super) fn network_manager(text: Option<&str>, name: &str, address: Option<MacAddr>) -> Option<String> {
    let device = address.map_or_else(|| format!("interface-name:{name}"), |address| format!("mac:{address}"));
    let by_name = format!("interface-name:{name}");
    let has_device = |line: &str| {
        let Some((key, devices)) = line.split_once('=') else { return false };
        let key = key.trim_end_matches('+').trim();
        let mut devices = devices.split([';', ',']).map(str::trim);
        key == "unmanaged-devices"
            && devices.any(|known| known.eq_ignore_ascii_case(&device) || known == by_name)
    };
    let text = text.unwrap_or(MARK);
    if text.lines().any(has_device) {
        return None;
    }
    Some(format!("{}[keyfile]\nunmanaged-devices+={device}\n", with_line_end(text)))
}

/// systemd-networkd's file with the adapter in it, beside those that are there; `None` if it is there already.
pub(super) fn networkd(text: Option<&str>, address: MacAddr) -> Option<String> {
    let addresses = text.and_then(|text| value_in(text, "MACAddress")).unwrap_or_default();
    let addresses: Vec<MacAddr> =
        addresses.split_ascii_whitespace().filter_map(|known| known.parse().ok()).collect();
    let file = |addresses: &[MacAddr]| {
        let addresses: Vec<String> = addresses.iter().map(MacAddr::to_string).collect();
        format!("{MARK}[Match]\nMACAddress={}\n[Link]\nUnmanaged=yes\n", addresses.join(" "))
    };
    let is_there = addresses.contains(&address) && text == Some(file(&addresses).as_str());
    let others = addresses.iter().copied().filter(|known| *known != address);
    (!is_there).then(|| file(&others.chain([address]).collect::<Vec<_>>()))
}

/// dhcpcd's file with these names denied; `None` if they are already.
pub(super) fn dhcpcd(text: &str, names: &[&str]) -> Option<String> {
    let denied: Vec<&str> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("denyinterfaces"))
        .flat_map(|names| names.split([' ', '\t', ',']))
        .filter(|name| !name.is_empty())
        .collect();
    if names.iter().all(|name| denied.contains(name)) {
        return None;
    }
    // At the start: behind a line `interface …` it would count for that interface alone.
    Some(format!("{MARK}denyinterfaces {}\n{text}", names.join(" ")))
}

/// The file that names the adapter of this address.
pub(super) fn link(address: MacAddr, name: &str) -> String {
    // The monitor interface that the service adds has the same address and another original name.
    format!("{MARK}[Match]\nMACAddress={address}\nOriginalName=wlan*\n[Link]\nName={name}\n")
}

/// The name that such a file gives to the adapter of this address.
pub(super) fn name_in_link(text: &str, address: MacAddr) -> Option<String> {
    let is_of =
        value_in(text, "MACAddress")?.split_ascii_whitespace().any(|known| known.parse() == Ok(address));
    given_name(text).filter(|_| is_of)
}

/// The name that such a file gives.
pub(super) fn given_name(text: &str) -> Option<String> {
    value_in(text, "Name").filter(|name| is_interface_name(name)).map(str::to_owned)
}

fn value_in<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| Some(line.trim().strip_prefix(key)?.trim_start().strip_prefix('=')?.trim()))
}

fn with_line_end(text: &str) -> String {
    if text.is_empty() || text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address() -> MacAddr {
        "00:c0:ca:12:34:56".parse().unwrap()
    }

    #[test]
    fn network_manager_leaves_the_adapter_alone_and_the_rest_as_it_is() {
        let new = network_manager(None, "wlan1", Some(address())).unwrap();
        assert_eq!(new, format!("{MARK}[keyfile]\nunmanaged-devices+=mac:00:c0:ca:12:34:56\n"));
        assert_eq!(network_manager(Some(&new), "probe0", Some(address())), None);
        let by_name = "[keyfile]\nunmanaged-devices=interface-name:eth9;interface-name:wlan1";
        assert_eq!(network_manager(Some(by_name), "wlan1", Some(address())), None);
        // The name is another one.
        let both = network_manager(Some(by_name), "probe0", Some(address())).unwrap();
        assert_eq!(both, format!("{by_name}\n[keyfile]\nunmanaged-devices+=mac:00:c0:ca:12:34:56\n"));
        assert!(network_manager(None, "wlan1", None).unwrap().ends_with("interface-name:wlan1\n"));
        let commented = "# unmanaged-devices=interface-name:wlan1\n";
        assert!(network_manager(Some(commented), "wlan1", None).is_some());
        let longer = "unmanaged-devices=interface-name:wlan10\n";
        assert!(network_manager(Some(longer), "wlan1", None).is_some());
    }

    #[test]
    fn dhcpcd_is_denied_the_names() {
        let new =
            dhcpcd("hostname\n\ninterface eth0\nstatic routers=10.0.0.1", &["wlan1", "probe0"]).unwrap();
        let old = "hostname\n\ninterface eth0\nstatic routers=10.0.0.1";
        assert_eq!(new, format!("{MARK}denyinterfaces wlan1 probe0\n{old}"));
        assert_eq!(dhcpcd(&new, &["probe0"]), None);
        assert!(dhcpcd(&new, &["wlan2"]).is_some());
        assert!(dhcpcd("denyinterfaces wlan10\n", &["wlan1"]).is_some());
    }

    #[test]
    fn a_link_file_names_the_adapter_of_its_address() {
        let text = link(address(), "probe0");
        assert_eq!(name_in_link(&text, address()).as_deref(), Some("probe0"));
        assert_eq!(name_in_link(&text, "00:c0:ca:12:34:57".parse().unwrap()), None);
        assert_eq!(name_in_link("[Link]\nName=x\n", address()), None);
        let by_hand = "[Match]\nMACAddress = 00:C0:CA:12:34:56\n\n[Link]\nName = radio\n";
        assert_eq!(name_in_link(by_hand, address()).as_deref(), Some("radio"));
    }

    #[test]
    fn networkd_leaves_each_adapter_alone() {
        let other = "00:c0:ca:12:34:57".parse().unwrap();
        let one = networkd(None, address()).unwrap();
        assert_eq!(one, format!("{MARK}[Match]\nMACAddress=00:c0:ca:12:34:56\n[Link]\nUnmanaged=yes\n"));
        assert_eq!(networkd(Some(&one), address()), None);
        let two = networkd(Some(&one), other).unwrap();
        assert!(two.contains("\nMACAddress=00:c0:ca:12:34:56 00:c0:ca:12:34:57\n"), "{two}");
        assert_eq!(networkd(Some(&two), address()), None);
        let damaged = two.replace("Unmanaged=yes", "");
        assert!(networkd(Some(&damaged), other).unwrap().ends_with("Unmanaged=yes\n"));
    }

    #[test]
    fn names_of_interfaces_lead_nowhere_else() {
        assert!(is_interface_name("wlan1") && is_interface_name("wlx00c0ca123456"));
        for name in ["", ".", "..", "../x", "-h", "a b", "*", "abcdefghijklmnop"] {
            assert!(!is_interface_name(name), "{name}");
        }
        assert_eq!(given_name("[Link]\nName=../../etc\n"), None);
    }

    #[test]
    fn only_the_kernels_names_are_unstable() {
        assert!(is_unstable("wlan0") && is_unstable("wlan12"));
        for stable in ["wlx00c0ca123456", "probe0", "wlp3s0", "wlan", "wlan0mon"] {
            assert!(!is_unstable(stable), "{stable}");
        }
    }
}
