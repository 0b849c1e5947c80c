//! `probewatch demo`: the real pipeline on a simulated street, and then the chat.

use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use capture::{Capture, CaptureSettings, Source};
use fastrand::Rng;
use store::event::{ChatId, Event, EventKind, Timestamp};
use store::recorder::RecorderHandle;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use super::chat::converse;
use super::demo_data::{self, RESIDENT, VAN_NETWORK};
use super::error::CliError;
use super::runtime;
use crate::chat::{Chat, Progress, UserMessage, console, views::alerts};
use crate::config::Config;
use crate::service::{ProbeConverter, RunningRecorder, ServiceError, recorder_settings};

/// Makes the street the same each time.
const SEED: u64 = 0x0070_726f_6265;

const SENSOR: &str = "demo";

pub(super) fn demo() -> Result<ExitCode, CliError> {
    let folder = tempfile::tempdir().map_err(CliError::io("could not make a temporary data directory"))?;
    let config = Config { data_dir: folder.path().join("data"), ..Config::built_in()? };
    let mut settings = recorder_settings(&config);
    settings.alerts.chats = vec![ChatId::TERMINAL];
    let runtime = runtime()?;
    runtime.spawn(remove_on_ctrl_c(folder.path().to_owned()));
    let recorder =
        RunningRecorder::start(&config, settings, runtime.handle().clone(), CancellationToken::new())?;
    let chat = Chat::new(recorder.handle().clone(), config.time_zone, Vec::new);
    let shown = show(folder.path(), &chat, recorder.handle(), &runtime);
    let stopped = runtime.block_on(recorder.stop());
    shown?;
    stopped?;
    Ok(ExitCode::SUCCESS)
}

/// Removes the folder and ends the process on Ctrl-C, after which no destructor runs.
async fn remove_on_ctrl_c(folder: PathBuf) {
    if tokio::signal::ctrl_c().await.is_ok() {
        // Otherwise the system clears its temporary folder sooner or later.
        let _ = std::fs::remove_dir_all(folder);
        std::process::exit(130);
    }
}

fn show(folder: &Path, chat: &Chat, recorder: &RecorderHandle, runtime: &Runtime) -> Result<(), CliError> {
    let mut rng = Rng::with_seed(SEED);
    let now = Timestamp::now().as_micros();
    let days = folder.join("days.pcap");
    let mut file = demo_data::create(&days)?;
    let probes = demo_data::write_days(&mut file, &mut rng, now)?;
    file.finish()?;
    say(&format!(
        "A simulated street: {probes} probe requests of sixteen days, captured, decoded and recorded like real ones.\n\
         A line that begins with > is what you would write to the bot; its answer follows.\n"
    ))?;
    record_file(&days, recorder, runtime)?;

    say("Look up a device by its address:\n")?;
    ask(chat, runtime, &RESIDENT.to_string())?;
    say("Give it a name, which then finds it too:\n")?;
    ask(chat, runtime, &format!("/name {RESIDENT} Kitchen tablet"))?;
    ask(chat, runtime, "kitchen")?;
    say(
        "Phones change their address all the time. The bot groups the addresses of a phone, and counts devices:\n",
    )?;
    ask(chat, runtime, "/nearby 60")?;
    say(
        "A neighbour's phone is there every evening. One that is unusual waited on the street last night:\n",
    )?;
    ask(chat, runtime, "/strangers")?;
    say("Ask for an alert when a device looks for a network:\n")?;
    ask(chat, runtime, &format!("/watch \"{VAN_NETWORK}\" the parcels are here"))?;

    say("Later a delivery van turns into the street, and the bot sends an alert:\n")?;
    let arrival = folder.join("van.pcap");
    let mut file = demo_data::create(&arrival)?;
    demo_data::write_van(&mut file, &mut rng, now)?;
    file.finish()?;
    record_file(&arrival, recorder, runtime)?;
    deliver_alerts(chat, recorder, runtime)?;

    if io::stdin().is_terminal() {
        say("Your turn: send a name, an address, or /help. Ctrl-D ends the demo and deletes its data.\n")?;
        converse(|message| Ok(runtime.block_on(console::answer(chat, message))))?;
    } else {
        say("End of the demo. On a terminal it continues as a chat.")?;
    }
    Ok(())
}

/// Captures the file, and waits until all of it is recorded.
fn record_file(file: &Path, recorder: &RecorderHandle, runtime: &Runtime) -> Result<(), CliError> {
    let before = recorder.state().totals().probes;
    let mut converter = ProbeConverter::new(SENSOR, false);
    let mut converted = 0;
    Capture::open(&Source::file(file), &CaptureSettings::default())?.run(|frame| {
        match converter.convert(frame).map(|probe| recorder.record(probe)) {
            Some(Ok(())) => converted += 1,
            Some(Err(_)) => return ControlFlow::Break(()),
            None => {}
        }
        ControlFlow::Continue(())
    })?;
    runtime.block_on(recorder.sync())?;
    if recorder.state().totals().probes == before + converted {
        Ok(())
    } else {
        Err(ServiceError::Bug("demo's recorder").into())
    }
}

/// Delivers alerts as the outbox does, with the terminal as the chat.
fn deliver_alerts(chat: &Chat, recorder: &RecorderHandle, runtime: &Runtime) -> Result<(), CliError> {
    let waiting: Vec<_> = {
        let state = recorder.state();
        let waiting = state.alerts().waiting_for(ChatId::TERMINAL);
        waiting
            .map(|(probe, alert)| {
                let device = alerts::AlertDevice::of(&state, alert.source);
                (probe, alerts::alert(alert, device, (Timestamp::now(), chat.zone())).text)
            })
            .collect()
    };
    for (probe, text) in waiting {
        say(&format!("{text}\n"))?;
        let time = Timestamp::now();
        let delivered = EventKind::Delivered { probe, chat: ChatId::TERMINAL, message: None };
        runtime.block_on(recorder.change(Event::new(time, delivered)))?;
    }
    Ok(())
}

fn ask(chat: &Chat, runtime: &Runtime, message: &str) -> Result<(), CliError> {
    let message_from_terminal =
        UserMessage { chat: ChatId::TERMINAL, person: None, text: message, in_reply_to: None, update: None };
    let reply = runtime.block_on(chat.answer(message_from_terminal, &Progress::ignored())).text;
    say(&format!("> {message}\n{reply}\n"))
}

fn say(text: &str) -> Result<(), CliError> {
    writeln!(io::stdout(), "{text}").map_err(CliError::io("could not show the demo"))
}
