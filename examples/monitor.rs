//! Puts an interface into monitor mode, hops, and prints the probe requests received, without the rest of the program:
//!
//!     cargo run --example monitor -- wlan0 --channels 1,6,11 --dwell-ms 250 --seconds 60
//!
//! It ends after this time, or after `--probes` probe requests, and leaves the interface as it was. `tests/hwsim/run`
//! runs it.

use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use capture::monitor::{Channel, Monitor, MonitorError, MonitorSettings};
use capture::{Capture, CaptureError, Source, with_remedy};
use clap::Parser;

#[derive(Parser)]
struct Arguments {
    interface: String,
    /// Channel numbers or centre frequencies in MHz; by default all that the hardware has.
    #[arg(long, value_delimiter = ',')]
    channels: Vec<u16>,
    #[arg(long, default_value_t = 250)]
    dwell_ms: u64,
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// End after this many probe requests that name a network.
    #[arg(long)]
    probes: Option<usize>,
    #[arg(long)]
    force: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let channels = arguments.channels.iter().map(|number| Channel::try_from(*number));
    let settings = MonitorSettings {
        channels: channels.collect::<Result<_, _>>()?,
        dwell: Duration::from_millis(arguments.dwell_ms),
        force: arguments.force,
        ..MonitorSettings::default()
    };
    let Some(mut monitor) =
        Monitor::set_up(&arguments.interface, &settings).map_err(|error| explain_monitor_error(&error))?
    else {
        println!("unchanged: {} is not a Wi-Fi interface", arguments.interface);
        return Ok(());
    };
    let channels: Vec<String> = monitor.channels().iter().map(ToString::to_string).collect();
    println!("listening on {}, channels {}", monitor.interface(), channels.join(", "));
    monitor
        .start_hopping(|change| match change {
            Ok(()) => println!("hopping again"),
            Err(error) => println!("hopping: {}", explain_monitor_error(error)),
        })
        .map_err(|error| explain_monitor_error(&error))?;
    listen(monitor.interface(), arguments)?;
    let counters = monitor.hop_counters();
    println!("hops {}, refused {}", counters.hops.load(Relaxed), counters.refused.load(Relaxed));
    monitor.tear_down().map_err(|error| explain_monitor_error(&error))?;
    println!("torn down");
    Ok(())
}

/// Prints the probe requests that name a network, until there were enough or the time is over.
fn listen(interface: &str, arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let source = Source::Interface(interface.to_owned());
    let capture = Capture::open(&source, &capture::CaptureSettings::default())
        .map_err(|error| explain_capture_error(&error))?;
    let stop = capture.stop_handle();
    let (ended, end) = mpsc::channel::<()>();
    let limit = Duration::from_secs(arguments.seconds);
    let timer = thread::spawn(move || {
        if end.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout) {
            stop.stop();
        }
    });
    let mut count = 0;
    let outcome = capture.run(|frame| {
        let probe = frame.probe_request;
        if let Some(ssid) = probe.ssid.named() {
            println!("probe request for {ssid} from {}, {:?} MHz", probe.source, probe.frequency_mhz);
            count += 1;
        }
        if arguments.probes == Some(count) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    drop(ended);
    let _ = timer.join();
    Ok(outcome.map_err(|error| explain_capture_error(&error))?)
}

fn explain_monitor_error(error: &MonitorError) -> String {
    with_remedy(error, error.remedy())
}

fn explain_capture_error(error: &CaptureError) -> String {
    with_remedy(error, error.remedy())
}
