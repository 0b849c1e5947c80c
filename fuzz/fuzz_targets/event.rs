//! Events as a line of the log gives them: what can be read can be written, and reads the same again, with
//! serde and without.

#![no_main]

use libfuzzer_sys::fuzz_target;
use probewatch_fuzz::check_probe;
use probewatch_fuzz::event::{Event, EventReader};

fuzz_target!(|line: &[u8]| {
    let event = serde_json::from_slice::<Event>(line).ok();
    assert_eq!(EventReader::default().read(line).ok(), event);
    let Some(event) = event else { return };
    let written = serde_json::to_string(&event).expect("an event can be written");
    assert_eq!(serde_json::from_str::<Event>(&written).expect("its form is JSON"), event);
    if let Event::Probe(probe) = event {
        check_probe(probe);
    }
});
