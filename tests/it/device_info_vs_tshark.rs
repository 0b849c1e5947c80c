//! What devices say about themselves reads as it does in Wireshark: in real captures, and for Wi-Fi Direct in a frame
//! that is made here, because no capture has a device's name there.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;

use capture::{Capture, CaptureSettings, PcapWriter, Source};
use dot11::builder::FrameBuilder;
use dot11::{DeviceInfo, LinkType, MacAddr, ShortText, hex};

use crate::support::process;
use crate::support::require::{captures_dir, tshark_present};

/// The source, then what the device says: manufacturer, model name and number, device name, name in Wi-Fi Direct, UUID
/// and device type as hex digits. What is not there is empty.
type Row = [String; 8];

fn tshark(path: &Path) -> Vec<Row> {
    let fields = [
        "wlan.sa",
        "wps.manufacturer",
        "wps.model_name",
        "wps.model_number",
        "wps.device_name",
        "wifi_p2p.dev_info.dev_name",
        "wps.uuid_e",
        "wps.primary_device_type",
    ];
    let mut command = Command::new("tshark");
    command.arg("-n").arg("-r").arg(path);
    command.args(["-Y", "wlan.fc.type_subtype==4 && wlan.sa", "-T", "fields", "-E", "occurrence=f"]);
    command.args(fields.iter().flat_map(|field| ["-e", field]));
    let output = process::output(&mut command);
    let text = String::from_utf8(output.stdout).unwrap();
    let row = |line: &str| {
        let row: Row = line.split('\t').map(says_something).collect::<Vec<_>>().try_into().unwrap();
        row
    };
    text.lines().map(row).collect()
}

/// A value of tshark, if it is more than padding or zeros.
fn says_something(value: &str) -> String {
    let value = value.trim().trim_end_matches("\\0").replace(':', "");
    if value.bytes().all(|byte| byte == b'0') { String::new() } else { value }
}

fn ours(path: &Path) -> Vec<Row> {
    let mut rows = Vec::new();
    let capture = Capture::open(&Source::file(path), &CaptureSettings::default()).unwrap();
    // A file that is cut short ends with an error after the frames that it has.
    let _ = capture.run(|frame| {
        let info = DeviceInfo::of(frame.probe_request.elements).unwrap_or_default();
        let text = |text: Option<ShortText>| text.map_or(String::new(), |text| says_something(text.as_str()));
        rows.push([
            says_something(&frame.probe_request.source.to_string()),
            text(info.manufacturer),
            text(info.model_name),
            text(info.model_number),
            text(info.device_name),
            text(info.p2p_name),
            info.uuid.map_or(String::new(), |uuid| hex(&uuid.0)),
            info.device_type.map_or(String::new(), |device_type| hex(&device_type.0)),
        ]);
        ControlFlow::Continue(())
    });
    rows
}

#[test]
fn real_captures_read_as_in_tshark() {
    let Some(captures) = captures_dir() else { return };
    if !tshark_present() {
        return;
    }
    let mut with_info = 0;
    for entry in fs::read_dir(captures.join("real")).unwrap() {
        let path = entry.unwrap().path();
        let (ours, theirs) = (ours(&path), tshark(&path));
        assert_eq!(ours.len(), theirs.len(), "{}", path.display());
        for (number, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
            assert_eq!(ours, theirs, "probe request {number} of {}", path.display());
            with_info += usize::from(ours[1..].iter().any(|value| !value.is_empty()));
        }
    }
    assert_eq!(with_info, 308);
}

#[test]
fn a_name_in_wifi_direct_reads_as_in_tshark() {
    if !tshark_present() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p2p.pcap");
    let name = b"[TV] Samsung 7 Series";
    let info = [
        &[0xda, 0xa1, 0x19, 0, 0, 1, 0x01, 0x88][..],
        &[0, 7, 0, 0x50, 0xf2, 4, 0, 1],
        &[1, 0, 10, 0, 0x50, 0xf2, 4, 0, 5],
        &[0x10, 0x11, 0, name.len() as u8],
        name,
    ]
    .concat();
    let capability = [2, 2, 0, 0x25, 0];
    let element = [&[0x50, 0x6f, 0x9a, 9][..], &capability, &[13, info.len() as u8, 0], &info].concat();
    let source = MacAddr::new([0xda, 0xa1, 0x19, 0, 0, 1]);
    let frame = FrameBuilder::new(source).ssid(b"DIRECT-").element(221, &element).to_bytes();
    let mut file = PcapWriter::create(&path, LinkType::Ieee80211).unwrap();
    file.write(1_587_229_467_123_456, &frame).unwrap();
    file.finish().unwrap();
    let (ours, theirs) = (ours(&path), tshark(&path));
    assert_eq!(ours[0][..6], theirs[0][..6]);
    assert_eq!(ours[0][5], "[TV] Samsung 7 Series");
    // tshark has no field for the device type of Wi-Fi Direct.
    assert_eq!(ours[0][7], "00070050f2040001");
}
