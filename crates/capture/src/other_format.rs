//! Formats that captures come in and that are not read: the error names them and says what to do.

/// A format that is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OtherFormat {
    /// What the file is: "it is …".
    pub name: &'static str,
    /// What to do with it.
    pub remedy: &'static str,
}

/// The first bytes of each format.
const FORMATS: [(&[u8], OtherFormat); 18] = [
    (
        b"\xfd7zXZ\0",
        described(
            "compressed with xz",
            "unpack it first, as with `xz -dk FILE`, or pipe it through `xz -dc`",
        ),
    ),
    (
        b"BZh",
        described(
            "compressed with bzip2",
            "unpack it first, as with `bunzip2 -k FILE`, or pipe it through `bzip2 -dc`",
        ),
    ),
    (b"\x04\x22\x4d\x18", LZ4),
    (b"\x02\x21\x4c\x18", LZ4),
    (b"PK\x03\x04", ZIP),
    (b"PK\x05\x06", ZIP),
    (b"PK\x07\x08", ZIP),
    (b"7z\xbc\xaf\x27\x1c", described("a 7z archive", "unpack it first, as with `7z x FILE`")),
    (b"Rar!", described("a RAR archive", "unpack it first, as with `unrar x FILE`")),
    (
        b"\x1f\x9d",
        described(
            "compressed with compress",
            "unpack it first, as with `uncompress FILE`, or pipe it through `zcat`",
        ),
    ),
    (
        b"LZIP",
        described(
            "compressed with lzip",
            "unpack it first, as with `lzip -dk FILE`, or pipe it through `lzip -dc`",
        ),
    ),
    (
        b"\x89LZO",
        described(
            "compressed with lzop",
            "unpack it first, as with `lzop -d FILE`, or pipe it through `lzop -dc`",
        ),
    ),
    (b"snoop\0\0\0", described("a snoop file", CONVERT)),
    (b"GMBU", described("a Network Monitor capture", CONVERT)),
    (b"RTSS", described("a Network Monitor capture", CONVERT)),
    (b"\x7fver", described("an OmniPeek capture", CONVERT)),
    (b"XCP\0", described("a Sniffer capture", CONVERT)),
    (
        b"SQLite format 3\0",
        described(
            "an SQLite database, as Kismet's logs (.kismet) are",
            "convert it with Kismet's own tool: `kismetdb_to_pcap --in FILE --out FILE.pcapng`",
        ),
    ),
];

const LZ4: OtherFormat =
    described("compressed with lz4", "unpack it first, as with `lz4 -d FILE`, or pipe it through `lz4 -dc`");
const ZIP: OtherFormat = described("a zip archive", "unpack it first, as with `unzip FILE`");

/// Wireshark's `editcap` reads nearly every capture.
const CONVERT: &str = "convert it with Wireshark's `editcap -F pcapng FILE FILE.pcapng`";

const fn described(name: &'static str, remedy: &'static str) -> OtherFormat {
    OtherFormat { name, remedy }
}

/// The magic bytes of a tar archive, and where they are: it begins with the name of its first file.
const TAR_MAGIC: &[u8] = b"ustar";
const TAR_MAGIC_OFFSET: usize = 257;

impl OtherFormat {
    /// A tar archive, in which a capture may be.
    const TAR: Self = described("a tar archive", "unpack it first, as with `tar -xf FILE`");

    /// A zstd frame that would take too much memory.
    pub const LARGE_WINDOW: Self = Self {
        name: "zstd data that needs a window larger than is read (128 MiB)",
        remedy: "decompress it first: zstd -d --long=31 FILE",
    };

    /// A compressed file in a compressed file.
    pub const COMPRESSED_TWICE: Self =
        described("compressed twice", "unpack it once, as with `gunzip FILE` or `unzstd FILE`");

    /// The format of a file that starts with these bytes.
    pub fn of(start: &[u8]) -> Option<Self> {
        let is_tar = start.get(TAR_MAGIC_OFFSET..).is_some_and(|magic| magic.starts_with(TAR_MAGIC));
        let known = FORMATS.into_iter().find(|(magic, _)| start.starts_with(magic)).map(|(_, format)| format);
        known.or(is_tar.then_some(Self::TAR))
    }
}
