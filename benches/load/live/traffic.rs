//! The frames that are on the air, and the pace at which they come.

use std::thread;
use std::time::{Duration, Instant};

use crate::support::tap_radio::TapRadio;
use crate::support::traffic::SentProbe;

/// What each device sends by turns: it asks for two networks of its own, else for any.
const FRAMES_OF_A_DEVICE: u64 = 6;
const NAMED_OF_A_DEVICE: u64 = 2;

/// Devices that come by again and again, with frames made beforehand, so that writing is all there is to do.
pub struct Traffic {
    frames: Vec<Vec<u8>>,
}

impl Traffic {
    /// So many devices, which ask for so many networks between them.
    pub fn new(devices: u64, networks: u64) -> Self {
        let frame = |number: u64| {
            let (device, turn) = (number % devices, number / devices);
            let ssid = match turn {
                0..NAMED_OF_A_DEVICE => network((device * NAMED_OF_A_DEVICE + turn) % networks),
                _ => String::new(),
            };
            let fed = SentProbe {
                source: source(device),
                ssid: Some(ssid.into_bytes()),
                signal_dbm: Some(-30 - (number * 7 % 60) as i8),
                sequence: (number % 4096) as u16,
                time_us: 0, // the radio's listeners put their own
            };
            fed.frame()
        };
        Self { frames: (0..devices * FRAMES_OF_A_DEVICE).map(frame).collect() }
    }

    /// The frame of this number: all devices come by turns.
    pub fn frame(&self, number: u64) -> &[u8] {
        &self.frames[(number % self.frames.len() as u64) as usize]
    }
}

/// One device in four shows its own address.
pub fn source(device: u64) -> [u8; 6] {
    let [.., x, y, z] = device.to_be_bytes();
    if device.is_multiple_of(4) { [0xa4, 0x83, 0xe7, x, y, z] } else { [0xda, 0x5e, 0x11, x, y, z] }
}

pub fn network(number: u64) -> String {
    format!("Home {number:04}")
}

/// So many frames a second for so long, `burst` at a time at equal intervals.
#[derive(Clone, Copy)]
pub struct Pace {
    pub a_second: u64,
    pub burst: u64,
    pub seconds: u64,
}

/// What was written, and how evenly.
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
        self.a_second * self.seconds
    }

    /// Has `transmit` write the frames of these numbers when they are due. What this thread is late with is made
    /// up for at twice the pace, and not at once.
    pub fn keep(&self, mut transmit: impl FnMut(u64)) -> Written {
        come_first();
        let interval = Duration::from_secs(1) / (self.a_second / self.burst) as u32;
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

    /// As [`Self::keep`], with the traffic's frames.
    pub fn transmit(&self, traffic: &Traffic, radio: &TapRadio) -> Written {
        self.keep(|number| radio.transmit(traffic.frame(number)))
    }
}

impl Written {
    pub fn print(&self) {
        println!(
            "{} frames were written in {:.2} s; bursts were late by {:?} (half), {:?} (99 in 100), {:?} (all); \
             within 10 ms came {} at most",
            self.frames,
            self.elapsed.as_secs_f64(),
            super::percentile(&self.late, 50),
            super::percentile(&self.late, 99),
            super::percentile(&self.late, 100),
            self.most_in_10_ms,
        );
    }
}

/// The air waits for nobody: this thread goes before every program, as a radio's interrupt does.
fn come_first() {
    let priority = libc::sched_param { sched_priority: 10 };
    // SAFETY: a plain system call on this thread, with a parameter that outlives it.
    let outcome = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const priority) };
    if outcome != 0 {
        println!("frames come without real-time priority: {}", std::io::Error::last_os_error());
    }
}

/// The most of these times that lie within a stretch of this length.
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
