//! Keeps every probe request and command as an event, and their fold as state.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use dot11::{MacAddr, RequestedSsid};
//! use store::event::{Probe, Timestamp};
//! use store::event_log::{OsVfs, Rotation};
//! use store::recorder::{CapturedProbe, Recorder, Retention, RecorderSettings};
//! use store::state::{AlertPolicy, DEVICES_MEMORY_LIMIT};
//!
//! let data_dir = tempfile::tempdir()?;
//! let settings = RecorderSettings {
//!     data_dir: data_dir.path().to_owned(),
//!     vfs: Arc::new(OsVfs),
//!     fsync_interval: Duration::from_secs(1),
//!     checkpoint_interval: Duration::from_secs(10),
//!     rotation: Rotation { bytes: 64 << 20, age: Duration::from_secs(86_400) },
//!     alerts: AlertPolicy {
//!         chats: Vec::new(),
//!         cooldown: Duration::from_secs(600),
//!         max_age: Duration::from_secs(86_400),
//!         capturing_since: None,
//!         quiet_hours: None,
//!     },
//!     retention: Retention::default(),
//!     devices_memory_limit: DEVICES_MEMORY_LIMIT,
//!     built: Timestamp::from_micros(0),
//! };
//!
//! # // A test of documentation has no time limit of its own.
//! # std::thread::spawn(|| {
//! #     std::thread::sleep(Duration::from_secs(60));
//! #     eprintln!("timed out waiting for the recorder to stop");
//! #     std::process::exit(101);
//! # });
//! // The recorder runs on a thread of its own. Everyone else has a handle.
//! let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
//! let (recorder, handle) = Recorder::open(settings)?;
//! let tokio_handle = runtime.handle().clone();
//! let thread = std::thread::spawn(move || recorder.run(&tokio_handle));
//!
//! let address: MacAddr = "a4:83:e7:4e:39:15".parse()?;
//! let probe = Probe::example(address, RequestedSsid::Named("Home".into()), Timestamp::now().as_micros());
//! handle.record(CapturedProbe { probe, elements: None })?;
//! runtime.block_on(handle.sync())?;
//!
//! let device = handle.state().device(address).expect("the probe is in the state");
//! assert_eq!(device.probe_count, 1);
//!
//! runtime.block_on(handle.stop());
//! thread.join().expect("the recorder does not panic")?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `docs/architecture.md` lists the modules in the order in which they may use each other.

#![forbid(unsafe_code)]

pub mod event;
pub mod event_log;
pub mod recorder;
pub mod state;
