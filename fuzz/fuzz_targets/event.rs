//! Events as a line of the log gives them: what can be read can be written, and reads the same again, with
//! serde and without.

#![no_main]

use libfuzzer_sys::fuzz_target;
use probewatch_fuzz::check_probe;
use probewatch_fuzz::event::{EventDecoder, EventKind, push_event_fields};

fuzz_target!(|line: &[u8]| {
    let kind = serde_json::from_slice::<EventKind>(line).ok();
    let Ok(event) = EventDecoder::default().decode(line) else {
        // An event may lack its time, but a probe's kind has it.
        assert!(!matches!(kind, Some(EventKind::Probe(_))), "what serde reads is read");
        return;
    };
    assert_eq!(Some(&event.kind), kind.as_ref());
    let mut written = b"{".to_vec();
    push_event_fields(&mut written, &event).expect("an event can be written");
    written.push(b'}');
    assert_eq!(EventDecoder::default().decode(&written).expect("its form is JSON"), event);
    if let EventKind::Probe(probe) = event.kind {
        check_probe(probe);
    }
});
