//! Files that are truncated, damaged or not captures.

use proptest::prelude::*;

use super::*;

#[test]
fn a_truncated_file_yields_its_complete_records() {
    let file = LITTLE.pcap(MICROSECONDS, RADIOTAP, &[(1, 0, &frame(1)), (2, 0, &frame(2))]);
    let record = 16 + frame(1).len();
    for length in 5..file.len() {
        let whole = length.saturating_sub(24) / record;
        let received: Vec<FrameKey> = [(1_000_000, 1), (2_000_000, 2)].into_iter().take(whole).collect();
        let words = format!("(frames read: {whole})");
        let at_record_end = length >= 24 && (length - 24).is_multiple_of(record);
        check(&file[..length], &received, (!at_record_end).then_some(&words));
    }
    for length in 0..5 {
        check(&file[..length.min(3)], &[], Some("a pcap or pcapng file is needed"));
    }
    let file = LITTLE.pcapng();
    for length in 4..file.len() {
        let (_folder, path) = in_file(&file[..length]);
        let (received, outcome) = read(&path);
        assert!(received.len() <= 4);
        assert!(
            outcome.is_ok()
                || matches!(outcome, Err(CaptureError::Truncated { .. } | CaptureError::NotACapture { .. }))
        );
    }
}

#[test]
fn the_error_says_why_a_file_is_not_a_capture() {
    check(b"", &[], Some("it is empty"));
    check(b"a text", &[], Some("it is no capture file"));
    for (start, words) in [
        (&b"\xfd7zXZ\0\0\x04"[..], "compressed with xz; unpack it first, as with `xz -dk FILE`"),
        (b"BZh91AY&SY", "compressed with bzip2; unpack"),
        (b"\x04\x22\x4d\x18\x64", "compressed with lz4; unpack"),
        (b"PK\x03\x04\x14\0", "a zip archive; unpack"),
        (b"snoop\0\0\0\0\0\0\x02\0\0\0\x04", "a snoop file; convert it with Wireshark's `editcap -F pcapng"),
        (b"SQLite format 3\0\x10\0", "Kismet's logs (.kismet) are; convert it with Kismet's own tool"),
        (b"7z\xbc\xaf\x27\x1c\0\x04", "a 7z archive"),
        (b"SQLite format", "it is no capture file"),
    ] {
        check(start, &[], Some(words));
        check(&gzip(start), &[], Some(words));
        check(&zstd::encode_all(start, 0).unwrap(), &[], Some(words));
    }
    let mut tar = vec![b'a'; 512];
    tar[257..262].copy_from_slice(b"ustar");
    check(&tar, &[], Some("a tar archive"));
    let pcap = LITTLE.pcap(MICROSECONDS, RADIOTAP, &[(1, 0, &frame(1))]);
    check(&gzip(&gzip(&pcap)), &[], Some("compressed twice; unpack it once"));
    check(&gzip(b""), &[], Some("it is empty"));
    check(&LITTLE.pcap(MICROSECONDS, 1, &[]), &[], Some("EN10MB (1), not 802.11"));
    check(&LITTLE.pcap(MICROSECONDS, 0x03ff_ffff, &[]), &[], Some("link type 67108863, not 802.11"));
    check(&LITTLE.section(), &[], Some("describes no interface"));
    let ethernet = [LITTLE.section(), LITTLE.interface(1, 0, b""), LITTLE.interface(113, 0, b"")].concat();
    check(&ethernet, &[], Some("EN10MB (1), LINUX_SLL (113), not 802.11"));

    let folder = tempfile::tempdir().unwrap();
    for (path, words) in
        [(folder.path().join("none"), "No such file"), (folder.path().to_owned(), "Is a directory")]
    {
        let error = Capture::open(&Source::file(&path), &CaptureSettings::default()).unwrap_err().to_string();
        assert!(error.contains(words) && error.contains(path.to_str().unwrap()), "{error}");
    }
}

#[test]
fn a_damaged_file_yields_the_records_before_the_damage() {
    let mut file = LITTLE.pcap(MICROSECONDS, RADIOTAP, &[(1, 0, &frame(1)), (2, 0, &frame(2))]);
    let second = 24 + 16 + frame(1).len();
    file[second + 8..second + 12].copy_from_slice(&[0xff; 4]);
    check(&file, &[(1_000_000, 1)], Some("4294967295 bytes (frames read: 1)"));

    let start = [LITTLE.section(), LITTLE.interface(127, 0, b""), LITTLE.packet(0, 1, &frame(1))].concat();
    let mut too_long = LITTLE.packet(0, 2, &frame(2));
    too_long[20] += 4;
    // A block that claims the next one too, an odd length, a section of another version or too short.
    let mut greedy = [LITTLE.packet(0, 2, &frame(2)), LITTLE.packet(0, 3, &frame(3))].concat();
    greedy[4] += 4;
    let mut unknown = [LITTLE.block(0xbad, b""), LITTLE.packet(0, 3, &frame(3))].concat();
    unknown[4] += 16;
    let mut version = LITTLE.section();
    version[12] = 9;
    for (damaged, words) in [
        (greedy, "differs from its leading"),
        (unknown, "differs from its leading"),
        (version, "version 9"),
        (LITTLE.block(0x0a0d_0d0a, &LITTLE.u32(0x1a2b_3c4d)), "claims 16 bytes"),
        (LITTLE.packet(1, 2, &frame(2)), "interface 1, which is not described"),
        (too_long, "shorter than its content"),
        (LITTLE.block(6, b""), "shorter than its content"),
        (LITTLE.block(1, b""), "shorter than its content"),
        (vec![6, 0, 0, 0, 11, 0, 0, 0, 0, 0, 0, 0], "claims 11 bytes"),
        (vec![6, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0], "ends in the middle"),
        (vec![6, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0], "claims 16777217 bytes"),
        (LITTLE.block(0x0a0d_0d0a, b"what"), "no byte order"),
    ] {
        check(&[start.clone(), damaged].concat(), &[(1, 1)], Some(words));
    }
}

#[test]
fn survives_the_crashers_of_other_decoders() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/captures/crashers");
    let Ok(entries) = fs::read_dir(&folder) else {
        let required = std::env::var("PROBEWATCH_REQUIRE_ALL").as_deref() == Ok("1");
        assert!(!required, "{} is missing", folder.display());
        // Not `eprintln!`, which the test runner swallows.
        return drop(writeln!(std::io::stderr(), "skipped: {} is missing", folder.display()));
    };
    let outcomes: Vec<_> = entries.map(|entry| read(&entry.unwrap().path()).1).collect();
    assert_eq!(outcomes.len(), 21);
    for outcome in outcomes {
        // Other readers reject these files too.
        if let Err(error) = outcome {
            assert!(
                matches!(
                    error,
                    CaptureError::Truncated { .. }
                        | CaptureError::Damaged { .. }
                        | CaptureError::NotWifi { .. }
                ),
                "{error}"
            );
        }
    }
}

#[test]
fn survives_every_bit_flip_of_a_file() {
    for file in [LITTLE.pcapng(), BIG.pcap(NANOSECONDS, RADIOTAP, &[(1, 0, &frame(1)), (2, 0, &frame(2))])] {
        let (_folder, path) = in_file(&file);
        for bit in 0..file.len() * 8 {
            let mut flipped = file.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, &flipped).unwrap();
            let _ = read(&path);
        }
    }
}

proptest! {
    #[test]
    fn survives_any_bytes(start in 0usize..4, keep in 0usize..600, bytes: Vec<u8>) {
        let mut file = match start {
            0 => LITTLE.pcapng(),
            1 => BIG.pcapng(),
            2 => BIG.pcap(MICROSECONDS, RADIOTAP, &[(1, 0, &frame(1))]),
            _ => Vec::new(),
        };
        file.truncate(keep);
        file.extend(bytes);
        let (_folder, path) = in_file(&file);
        let _ = read(&path);
    }
}
