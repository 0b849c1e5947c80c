//! The vendor of a device, from the IEEE's public registries of address blocks.
//!
//! The registries MA-L, MA-M and MA-S assign prefixes of 24, 28 and 36 bits; the longest matching prefix wins.
//! `data/update-vendors` makes `data/vendors.zst` from them and shortens the names. Format: a comment with the date, then
//! one line per block, sorted by byte: 6, 7 or 9 upper-case hex digits, a space and the vendor's name. Blocks without a
//! named holder (the registration authority itself, "Private") are left out.
//!
//! The text (1.3 MB) is unpacked at the first look-up, kept, and searched in place.

use std::fmt;
use std::sync::LazyLock;

use dot11::{MacAddr, hex};

static REGISTRY: LazyLock<Registry> =
    LazyLock::new(|| Registry::unpack(include_bytes!("../data/vendors.zst")));

/// The vendor of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vendor {
    /// The address is random: its prefix names no vendor.
    Random,
    /// The short name of the company that owns the block, such as `Apple`.
    Known(&'static str),
    /// The address is in no block with a named holder.
    Unknown,
}

impl Vendor {
    /// The vendor's name, if known.
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Known(name) => Some(name),
            Self::Random | Self::Unknown => None,
        }
    }
}

/// The name, `random` or `unknown`.
impl fmt::Display for Vendor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Random => "random",
            Self::Known(name) => name,
            Self::Unknown => "unknown",
        })
    }
}

/// The vendor of this address.
pub fn lookup(address: MacAddr) -> Vendor {
    if address.is_random() {
        return Vendor::Random;
    }
    REGISTRY.registered_name(address).map_or(Vendor::Unknown, Vendor::Known)
}

/// The date of the built-in registry, as `2026-08-26`.
pub fn registry_date() -> &'static str {
    REGISTRY.date
}

struct Registry {
    date: &'static str,
    /// The lines after the comment.
    lines: &'static str,
}

impl Registry {
    /// Reads the file of `data/update-vendors`. An invalid file, which a test rules out for ours, gives an empty registry.
    fn unpack(packed: &[u8]) -> Self {
        let text = zstd::decode_all(packed).ok().and_then(|text| String::from_utf8(text).ok());
        let text: &'static str = Box::leak(text.unwrap_or_default().into_boxed_str());
        let (comment, lines) = text.split_once('\n').unwrap_or_default();
        let date = comment.split([' ', ',']).find(|word| word.starts_with("20")).unwrap_or_default();
        Self { date, lines }
    }

    fn registered_name(&self, address: MacAddr) -> Option<&'static str> {
        let digits = hex(&address.octets()).to_ascii_uppercase();
        [9, 7, 6].into_iter().find_map(|length| self.name(digits.get(..length)?))
    }

    /// The name on the line with exactly this prefix.
    fn name(&self, prefix: &str) -> Option<&'static str> {
        // Lines before `low` have smaller prefixes, those from `high` on greater ones; both are starts of lines.
        let (mut low, mut high) = (0, self.lines.len());
        while low < high {
            let middle = low + (high - low) / 2;
            let before = self.lines.as_bytes().get(low..middle)?;
            let start =
                before.iter().rposition(|byte| *byte == b'\n').map_or(low, |newline| low + newline + 1);
            let line = self.lines.get(start..)?.lines().next()?;
            let (found, name) = line.split_once(' ')?;
            match found.cmp(prefix) {
                std::cmp::Ordering::Less => low = start + line.len() + 1,
                std::cmp::Ordering::Equal => return Some(name),
                std::cmp::Ordering::Greater => high = start,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(address: &str, vendor: Vendor) {
        assert_eq!(lookup(address.parse().unwrap()), vendor, "{address}");
    }

    #[test]
    fn well_known_vendors_have_short_names() {
        for (address, name) in [
            ("a4:83:e7:4e:39:15", "Apple"),
            ("00:00:f0:00:00:00", "Samsung Electronics"),
            ("b8:27:eb:ff:ff:ff", "Raspberry Pi Foundation"),
            ("24:0a:c4:12:34:56", "Espressif"),
            ("00:1b:21:00:00:01", "Intel"),
            ("00:00:00:00:00:00", "Xerox"),
        ] {
            check(address, Vendor::Known(name));
        }
    }

    #[test]
    fn the_longest_prefix_wins() {
        // 00:55:da belongs to the registration authority, which assigns sixteenths of it.
        check("00:55:da:0f:ff:ff", Vendor::Known("Shinko Technos"));
        check("00:55:da:10:00:00", Vendor::Known("KoolPOS"));
        // So does 70:b3:d5, in 4096ths.
        check("70:b3:d5:26:90:00", Vendor::Known("Gilbarco Veeder-Root"));
        check("70:b3:d5:26:9f:ff", Vendor::Known("Gilbarco Veeder-Root"));
    }

    #[test]
    fn an_unassigned_address_is_unknown() {
        // A block of the registration authority without listed assignments.
        check("40:d8:55:00:00:00", Vendor::Unknown);
        check("fc:ff:ff:ff:ff:ff", Vendor::Unknown);
    }

    #[test]
    fn a_random_address_is_not_looked_up() {
        // 02:07:01 was registered before the bit for random addresses was defined.
        assert!(REGISTRY.name("020701").is_some());
        check("02:07:01:00:00:00", Vendor::Random);
        check("da:a1:19:00:00:01", Vendor::Random);
    }

    #[test]
    fn the_file_is_sorted_and_well_formed() {
        assert!(REGISTRY.lines.lines().count() > 50_000);
        assert_eq!(registry_date().len(), "2026-08-26".len());
        assert!(registry_date().parse::<chrono::NaiveDate>().is_ok());
        let mut previous = "";
        for line in REGISTRY.lines.lines() {
            let (prefix, name) = line.split_once(' ').unwrap();
            assert!(previous < prefix, "{previous} comes before {prefix}");
            assert!([6, 7, 9].contains(&prefix.len()), "{line}");
            assert!(prefix.bytes().all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'F')), "{line}");
            assert!((1..=60).contains(&name.chars().count()), "{line}");
            let mut shown = String::new();
            dot11::write_printable(&mut shown, name).unwrap();
            assert_eq!(shown.replace("\\\\", "\\"), name, "nothing in it leaves its place");
            previous = prefix;
        }
    }

    #[test]
    fn unpacking_needs_little_memory() {
        let size = zstd::zstd_safe::get_frame_content_size(include_bytes!("../data/vendors.zst"));
        assert!(matches!(size, Ok(Some(1..2_000_000))), "the header tells the size: {size:?}");
    }

    #[test]
    fn an_invalid_file_gives_an_empty_registry() {
        for bytes in [&b""[..], b"no zstd", &zstd::encode_all(&b"\xff"[..], 1).unwrap()] {
            let registry = Registry::unpack(bytes);
            assert_eq!((registry.date, registry.lines), ("", ""));
            assert_eq!(registry.registered_name(MacAddr::new([0; 6])), None);
        }
    }

    fn by_linear_scan(address: MacAddr) -> Option<&'static str> {
        let digits = hex(&address.octets()).to_ascii_uppercase();
        REGISTRY
            .lines
            .lines()
            .filter_map(|line| line.split_once(' '))
            .filter(|(prefix, _)| digits.starts_with(prefix))
            .max_by_key(|(prefix, _)| prefix.len())
            .map(|(_, name)| name)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn finds_what_a_linear_scan_finds(line in 0_usize..53_000, tail: [u8; 6], any: [u8; 6]) {
            let prefix = REGISTRY.lines.lines().nth(line).unwrap_or("000000").split(' ').next().unwrap();
            let digits = format!("{prefix}{}", hex(&tail));
            for address in [digits[..12].parse().unwrap(), MacAddr::new(any)] {
                prop_assert_eq!(REGISTRY.registered_name(address), by_linear_scan(address));
            }
        }
    }
}
