//! What a person should know about a file with names.

use crate::text::format::pluralize;

/// Why no names can be read from the bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Longer than [`FILE_LIMIT`](super::FILE_LIMIT).
    #[error("it is larger than 4 MiB")]
    TooLarge,
    /// In UTF-16, as some programs save a table.
    #[error("it is in UTF-16")]
    Utf16,
    /// It has bytes that no text has.
    #[error("it is not a text file")]
    Binary,
}

impl Unreadable {
    /// What a person can do about it.
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Utf16 => Some("save it in UTF-8"),
            Self::TooLarge | Self::Binary => None,
        }
    }
}

/// What a person should know about a file, beside its names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// Bytes that are no UTF-8 were replaced.
    #[error("is not in UTF-8: letters that cannot be read are shown as \u{fffd}")]
    Lossy,
    /// The first name that is not used because it looks like the identifier of a phone.
    #[error("has the name {0:?}, which is left out: it looks like the ID of a phone with random addresses")]
    PhoneLike(String),
    /// A table with no column of names; its header, or its first row.
    #[error(
        "is a table with no column that certainly holds names; no row of it names a device. It begins with {0:?}"
    )]
    NoNameColumn(String),
    /// The first line that is none of a format that is known, and how many more there are.
    #[error(
        "has a line {line} that is not understood: {text:?}{}",
        more(*others, "is like it", "are like it")
    )]
    NotUnderstood {
        /// The number of the line, from 1 on.
        line: usize,
        /// Its beginning.
        text: String,
        /// How many more there are.
        others: usize,
    },
    /// The first text in a column of names that is the vendor or the kind of the device, and how many others are like
    /// it.
    #[error(
        "has {text:?} where names are, which is a vendor or a kind of device{}",
        more(*others, "text is left out likewise", "texts are left out likewise")
    )]
    VendorOrKind {
        /// The text.
        text: String,
        /// How many more there are.
        others: usize,
    },
    /// The first name that a program's table has for several addresses, and how many others are like it.
    #[error(
        "has {name:?} for several addresses, which is no name then{}",
        more(*others, "text is left out likewise", "texts are left out likewise")
    )]
    Shared {
        /// The name.
        name: String,
        /// How many more there are.
        others: usize,
    },
}

impl Finding {
    /// Its name in the structured log.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Lossy => "not_utf8",
            Self::PhoneLike(_) => "looks_like_phone_id",
            Self::NoNameColumn(_) => "no_name_column",
            Self::NotUnderstood { .. } => "not_understood",
            Self::VendorOrKind { .. } => "vendor_or_kind",
            Self::Shared { .. } => "shared_name",
        }
    }

    /// What a person can do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Lossy => "save it in UTF-8",
            Self::PhoneLike(_) => "choose another name",
            Self::NoNameColumn(_) | Self::VendorOrKind { .. } => {
                "call the columns with names and addresses `name` and `mac` in its first row"
            }
            Self::NotUnderstood { .. } => {
                "names.import reads leases of dnsmasq, odhcpd, Kea, ISC dhcpd, systemd-networkd, Pi-hole and AdGuard Home, \
                 ethers, hosts and CSV"
            }
            Self::Shared { .. } => {
                "name a device with several addresses in [devices], with /name, or in a table with the columns `name,mac` only"
            }
        }
    }
}

/// The end of a sentence on the first of several: how many more there are.
fn more(others: usize, one: &str, many: &str) -> String {
    match others {
        0 => String::new(),
        _ => format!("; {}", pluralize(others as u64, &format!("more {one}"), &format!("more {many}"))),
    }
}
