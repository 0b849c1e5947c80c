//! Turns frames into probes.

use std::collections::HashSet;
use std::sync::Arc;

use crate::capture::CapturedFrame;
use crate::dot11::{Fcs, Signature};
use crate::event::{Probe, Timestamp};
use crate::recorder::CapturedProbe;

/// Signatures that one sensor remembers to have handed over; past it, it begins anew.
const SIGNATURES_LIMIT: usize = 16_384;

/// Turns the frames of one sensor into probes for the recorder.
pub struct ProbeConverter {
    sensor: Arc<str>,
    include_bad_fcs: bool,
    signatures: HashSet<Signature>,
}

impl ProbeConverter {
    /// An ear for the sensor of this name, which leaves out what [`is_excluded`] says.
    pub fn new(sensor: &str, include_bad_fcs: bool) -> Self {
        Self { sensor: Arc::from(sensor), include_bad_fcs, signatures: HashSet::new() }
    }

    /// The probe that `frame` is, if it is taken. Its elements come along when their signature is new here.
    pub fn convert(&mut self, frame: CapturedFrame<'_>) -> Option<CapturedProbe> {
        let probe_request = frame.probe_request;
        if is_excluded(probe_request.fcs, self.include_bad_fcs) {
            return None;
        }
        let signature = probe_request.signature;
        if self.signatures.len() >= SIGNATURES_LIMIT {
            self.signatures.clear();
        }
        let elements = self.signatures.insert(signature).then(|| Box::from(probe_request.elements));
        let time = Timestamp::from_micros(frame.time_us);
        let probe = Probe::new(Arc::clone(&self.sensor), time, probe_request);
        Some(CapturedProbe { probe, elements })
    }

    /// Takes back a probe that nobody has recorded: its elements are not known after all.
    pub fn forget(&mut self, unrecorded: CapturedProbe) {
        if unrecorded.elements.is_some() {
            self.signatures.remove(&unrecorded.probe.signature);
        }
    }
}

/// Whether a frame with this FCS is left out. One whose FCS is wrong has bits that were not sent, in its
/// addresses too, so it is taken only where that is asked for.
pub fn is_excluded(fcs: Fcs, include_bad_fcs: bool) -> bool {
    fcs == Fcs::Bad && !include_bad_fcs
}
