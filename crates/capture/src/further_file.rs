//! Finds the header of a further capture file inside a torn record: the program that wrote the first file was killed,
//! and another file was appended.

use crate::pcap_file::PcapFile;
use crate::pcapng::Pcapng;

/// How many bytes from the start of a file are needed to recognise it: its header, and that of its first record.
pub(crate) const START_BYTES: usize = 40;

/// Of how many bytes a file's magic number is.
const MAGIC_BYTES: usize = 4;

/// Whether these bytes hold the magic number of a file, or end in `at_least` bytes of one.
pub(crate) fn may_begin_in(bytes: &[u8], at_least: usize) -> bool {
    let is_magic = |bytes: &[u8]| magic_numbers().any(|magic| magic.starts_with(bytes));
    let mut ends = (at_least..MAGIC_BYTES).filter_map(|count| bytes.get(bytes.len().checked_sub(count)?..));
    bytes.windows(MAGIC_BYTES).any(is_magic) || ends.any(is_magic)
}

fn magic_numbers() -> impl Iterator<Item = [u8; MAGIC_BYTES]> {
    PcapFile::magic_numbers().chain([Pcapng::MAGIC])
}

/// Where in `bytes` the first further file begins, after the first byte and before `until`.
pub(crate) fn find(bytes: &[u8], until: usize) -> Option<usize> {
    (1..until.min(bytes.len())).find(|&at| {
        let start = bytes.get(at..).unwrap_or_default();
        PcapFile::begins_plausibly(start) || Pcapng::begins_plausibly(start)
    })
}

/// Says that a record was dropped.
pub(crate) fn report(at: usize) {
    tracing::warn!(
        "a record is torn: another capture file begins {at} bytes after its start; reading goes on there"
    );
}
