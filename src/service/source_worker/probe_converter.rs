//! Converts frames to probe events.

use std::collections::HashSet;
use std::sync::Arc;

use capture::CapturedFrame;
use dot11::{Fcs, Signature};
use store::event::{Probe, Timestamp};
use store::recorder::CapturedProbe;

/// Signatures whose elements one source remembers to have handed over; when full, it forgets all.
const SIGNATURES_LIMIT: usize = 4096;

/// After how long it forgets all, in microseconds of the capture: the recorder may have removed elements since.
const REMEMBERED_MICROS: i64 = 3600 * 1_000_000;

/// Converts the frames of one source to probes for the recorder.
pub struct ProbeConverter {
    sensor: Arc<str>,
    include_bad_fcs: bool,
    signatures: HashSet<Signature>,
    /// The time of the frame since which it remembers signatures.
    since_us: i64,
}

impl ProbeConverter {
    /// A converter for the source of this name. It leaves out frames that are excluded ([`is_excluded`]).
    pub fn new(sensor: &str, include_bad_fcs: bool) -> Self {
        Self { sensor: Arc::from(sensor), include_bad_fcs, signatures: HashSet::new(), since_us: 0 }
    }

    /// The probe in `frame`, unless the frame is excluded. It carries its elements if their signature is new here.
    pub fn convert(&mut self, frame: CapturedFrame<'_>) -> Option<CapturedProbe> {
        let probe_request = frame.probe_request;
        if is_excluded(probe_request.fcs, self.include_bad_fcs) {
            return None;
        }
        let signature = probe_request.signature;
        if self.signatures.len() >= SIGNATURES_LIMIT
            || self.since_us.abs_diff(frame.time_us) >= REMEMBERED_MICROS.unsigned_abs()
        {
            self.signatures.clear();
            self.since_us = frame.time_us;
        }
        let elements = self.signatures.insert(signature).then(|| Box::from(probe_request.elements));
        let time = Timestamp::from_micros(frame.time_us);
        let probe = Probe::new(Arc::clone(&self.sensor), time, probe_request);
        Some(CapturedProbe { probe, elements })
    }

    /// Forgets a probe that was not recorded: its elements are not known after all.
    pub fn forget(&mut self, unrecorded: CapturedProbe) {
        if unrecorded.elements.is_some() {
            self.signatures.remove(&unrecorded.probe.signature);
        }
    }
}

/// Whether a frame with this FCS is left out. A wrong FCS means that bits changed on the air, perhaps in an address:
/// such a frame is taken only if that is asked for.
pub fn is_excluded(fcs: Fcs, include_bad_fcs: bool) -> bool {
    fcs == Fcs::Bad && !include_bad_fcs
}
