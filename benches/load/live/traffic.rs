//! Generates frames and transmits them at a given rate.

use std::thread;
use std::time::{Duration, Instant};

use crate::support::tap_radio::TapRadio;
use crate::support::traffic::SentProbe;

/// Each device repeats this many frames: two for its own networks, the others for the wildcard SSID.
const FRAMES_PER_DEVICE: u64 = 6;
const NAMED_PER_DEVICE: u64 = 2;

/// The frames of all devices, generated beforehand and repeated without end.
pub struct Traffic {
    frames: Vec<Vec<u8>>,
}

impl Traffic {
    /// Generates the frames of `devices`, which ask for `networks` in total.
    pub fn new(devices: u64, networks: u64) -> Self {
        let frame = |number: u64| {
            let (device, turn) = (number % devices, number / devices);
            let ssid = match turn {
                0..NAMED_PER_DEVICE => network((device * NAMED_PER_DEVICE + turn) % networks),
                _ => String::new(),
            };
            let sent = SentProbe {
                source: source(device),
                ssid: Some(ssid.into_bytes()),
                signal_dbm: Some(-30 - (number * 7 % 60) as i8),
                sequence: (number % 4096) as u16,
                time_us: 0, // each capture adds its own
            };
            sent.frame()
        };
        Self { frames: (0..devices * FRAMES_PER_DEVICE).map(frame).collect() }
    }

    /// The frame of this number. The devices take turns.
    pub fn frame(&self, number: u64) -> &[u8] {
        &self.frames[(number % self.frames.len() as u64) as usize]
    }
}

/// One device in four uses its global address.
pub fn source(device: u64) -> [u8; 6] {
    let [.., x, y, z] = device.to_be_bytes();
    if device.is_multiple_of(4) { [0xa4, 0x83, 0xe7, x, y, z] } else { [0xda, 0x5e, 0x11, x, y, z] }
}

pub fn network(number: u64) -> String {
    format!("Home {number:04}")
}

/// A rate and a duration, with `burst` frames at a time at equal intervals.
#[derive(Clone, Copy)]
pub struct Pace {
    pub per_second: u64,
    pub burst: u64,
    pub seconds: u64,
}

/// The number of frames that were written, and how evenly.
pub struct Written {
    pub frames: u64,
    pub elapsed: Duration,
    /// The most frames that were written within any 10 ms.
    most_in_10_ms: u64,
    /// How late bursts were.
    late: Vec<Duration>,
}

impl Pace {
    pub fn frames(&self) -> u64 {
        self.per_second * self.seconds
    }

    /// Calls `transmit` with each frame number when it is due. A late thread catches up at twice the rate, not in one
    /// burst.
    pub fn keep(&self, mut transmit: impl FnMut(u64)) -> Written {
        set_realtime_priority();
        let interval = Duration::from_secs(1) / (self.per_second / self.burst) as u32;
        let bursts = self.frames() / self.burst;
        let start = Instant::now();
        let (mut at, mut late) = (Vec::new(), Vec::new());
        let mut last = start;
        for burst in 0..bursts {
            let due = start + interval * burst as u32;
            let not_before = if burst == 0 { due } else { due.max(last + interval / 2) };
            thread::sleep(not_before.saturating_duration_since(Instant::now()));
            last = Instant::now();
            at.push(last - start);
            late.push(last - due);
            for number in burst * self.burst..(burst + 1) * self.burst {
                transmit(number);
            }
        }
        let elapsed = start.elapsed();
        late.sort_unstable();
        Written {
            frames: bursts * self.burst,
            elapsed,
            most_in_10_ms: most_in(Duration::from_millis(10), &at) * self.burst,
            late,
        }
    }

    /// Like [`Self::keep`], with the traffic's frames.
    pub fn transmit(&self, traffic: &Traffic, radio: &TapRadio) -> Written {
        self.keep(|number| radio.transmit(traffic.frame(number)))
    }
}

impl Written {
    pub fn print(&self) {
        println!(
            "{} frames were written in {:.2} s; delay of the bursts: {:?} (median), {:?} (99th percentile), {:?} \
             (maximum); at most {} frames within 10 ms",
            self.frames,
            self.elapsed.as_secs_f64(),
            super::percentile(&self.late, 50),
            super::percentile(&self.late, 99),
            super::percentile(&self.late, 100),
            self.most_in_10_ms,
        );
    }
}

/// Schedules this thread before every program, as a radio's interrupt would be.
fn set_realtime_priority() {
    let priority = libc::sched_param { sched_priority: 10 };
    // SAFETY: a plain system call on this thread, with a parameter that outlives it.
    let outcome = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const priority) };
    if outcome != 0 {
        println!("no real-time priority for the writer: {}", std::io::Error::last_os_error());
    }
}

/// The largest number of these times within any interval of this length.
fn most_in(span: Duration, sorted: &[Duration]) -> u64 {
    let mut first = 0;
    let mut most = 0;
    for (last, time) in sorted.iter().enumerate() {
        while sorted[first] + span <= *time {
            first += 1;
        }
        most = most.max(last - first + 1);
    }
    most as u64
}
