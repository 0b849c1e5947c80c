//! Files that are compressed.

use std::io::Read;

use super::*;

fn pcap(sequence: u16) -> Vec<u8> {
    LITTLE.pcap(MICROSECONDS, RADIOTAP, &[(u32::from(sequence), 0, &frame(sequence))])
}

fn key(sequence: u16) -> FrameKey {
    (i64::from(sequence) * 1_000_000, sequence)
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

#[test]
fn gzip_and_zstd_are_read_directly() {
    for compress in [gzip, zstd] {
        check(&compress(&pcap(1)), &[key(1)], None);
        let all = [(5_000_000_000, 1), (10_007_000, 3), (4, 4), (0, 5)];
        check(&compress(&LITTLE.pcapng()), &all, None);
        check(&compress(&[pcap(1), pcap(2)].concat()), &[key(1), key(2)], None);
    }
}

#[test]
fn parts_may_follow_each_other() {
    let skippable = [&[0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
    for (one, other) in [
        (gzip as fn(&[u8]) -> Vec<u8>, gzip as fn(&[u8]) -> Vec<u8>),
        (zstd, zstd),
        (gzip, zstd),
        (zstd, gzip),
    ] {
        let both = [one(&pcap(1)), other(&pcap(2)), one(&pcap(3))].concat();
        check(&both, &[key(1), key(2), key(3)], None);
        // One file in several parts, one of them empty.
        let file = pcap(4);
        let (start, rest) = file.split_at(30);
        check(&[one(start), other(b""), other(rest)].concat(), &[key(4)], None);
        // Padding at the end, and a part that is not compressed.
        check(&[one(&pcap(1)), vec![0; 700]].concat(), &[key(1)], None);
        check(&[one(&pcap(1)), pcap(2)].concat(), &[key(1), key(2)], None);
        check(&[&skippable[..], &one(&pcap(1)), &skippable].concat(), &[key(1)], None);
    }
}

#[test]
fn a_cut_part_yields_what_comes_before() {
    // Random bytes, so that the frames are not compressed to nothing.
    let noise: Vec<u8> = (0..200).map(|_| fastrand::u8(..)).collect();
    let records: &[(u32, u32, &[u8])] = &[(1, 0, &frame(1)), (2, 0, &noise), (3, 0, &frame(3))];
    let file = LITTLE.pcap(MICROSECONDS, RADIOTAP, records);
    for compress in [gzip, zstd] {
        let whole = compress(&file);
        let (_folder, path) = in_file(&whole);
        assert_eq!(read(&path).0, [key(1), key(3)]);
        for length in 4..whole.len() {
            let (_folder, path) = in_file(&whole[..length]);
            let (received, outcome) = read(&path);
            assert!(received.is_empty() || [key(1), key(3)].starts_with(&received), "{length}");
            assert!(matches!(outcome, Err(CaptureError::Truncated { .. })), "{length}: {outcome:?}");
        }
    }
    let cut = gzip(&file);
    let (_folder, path) = in_file(&cut[..cut.len() - 1]);
    assert_eq!(read(&path).0, [key(1), key(3)], "only the end of the checksum is missing");
}

#[test]
fn corrupt_parts_are_reported_as_such() {
    for compress in [gzip, zstd] {
        let mut file = compress(&pcap(1));
        let place = file.len() - 12;
        file[place..].iter_mut().for_each(|byte| *byte = !*byte);
        let (_folder, path) = in_file(&file);
        let error = read(&path).1.unwrap_err();
        assert!(matches!(error, CaptureError::Damaged { .. } | CaptureError::Truncated { .. }), "{error}");
        // What follows a part is neither compressed nor a file.
        check(
            &[compress(&pcap(1)), b"some text that is no record at all".to_vec()].concat(),
            &[key(1)],
            Some("frames read: 1"),
        );
    }
}

/// Half a gigabyte of zeros after one frame, in a megabyte at most: it is read in pieces.
#[test]
fn a_bomb_is_read_in_pieces() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&pcap(1)).unwrap();
    // A record of the longest frame, again and again.
    let record = [&LITTLE.u32(2)[..], &LITTLE.u32(0), &LITTLE.u32(262_144), &LITTLE.u32(262_144)].concat();
    let record = [record, vec![0; 262_144]].concat();
    (0..256).for_each(|_| encoder.write_all(&record).unwrap());
    let bomb = encoder.finish().unwrap();
    assert!(bomb.len() < 1 << 20);
    check_counts(&bomb, 257);
}

#[track_caller]
fn check_counts(bytes: &[u8], frames: u64) {
    let (_folder, path) = in_file(bytes);
    let (received, counters) = read(&path);
    assert_eq!(received, [key(1)]);
    assert_eq!(counters.unwrap().frames.load(Relaxed), frames);
}

/// A frame is passed on when its bytes are there, though the stream goes on.
#[test]
fn a_stream_is_decompressed_as_it_arrives() {
    struct Pieces(Vec<Vec<u8>>);

    impl Read for Pieces {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let Some(piece) = self.0.first_mut() else {
                panic!("read on although a whole frame had arrived")
            };
            let count = piece.len().min(buffer.len());
            buffer[..count].copy_from_slice(&piece[..count]);
            piece.drain(..count);
            if piece.is_empty() {
                self.0.remove(0);
            }
            Ok(count)
        }
    }

    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&pcap(1)).unwrap();
    gzip.flush().unwrap();
    let mut zstd = zstd::Encoder::new(Vec::new(), 3).unwrap();
    zstd.write_all(&pcap(1)).unwrap();
    zstd.flush().unwrap();
    for bytes in [gzip.get_ref().clone(), zstd.get_ref().clone()] {
        let pieces = bytes.chunks(7).map(<[u8]>::to_vec).collect();
        let mut received = 0;
        let capture = Capture::from_reader("a stream", Pieces(pieces)).unwrap();
        let ended = capture.run(|_| {
            received += 1;
            ControlFlow::Break(())
        });
        assert!(ended.is_ok() && received == 1);
    }
}

/// A frame header with a window of 2 GiB, and one raw block.
#[test]
fn a_window_that_is_too_large_is_named_with_the_remedy() {
    let large = [&[0x28, 0xb5, 0x2f, 0xfd, 0, 21 << 3, 0x21, 0, 0][..], b"text"].concat();
    for file in [large.clone(), [zstd(&pcap(1)), large].concat()] {
        let (_folder, path) = in_file(&file);
        let error = read(&path).1.unwrap_err();
        assert!(error.to_string().contains("a window larger than"), "{error}");
        assert!(error.remedy().unwrap().contains("zstd -d --long=31"), "{error}");
    }
}
