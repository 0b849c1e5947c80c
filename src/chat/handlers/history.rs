//! Replies from the log: charts, probes, tables.
//!
//! A blocking thread reads the log, for a few replies at a time ([`crate::chat::model::read_limiter`]). It reports its
//! progress, and stops when nobody waits for the reply any more.

use std::cmp::Reverse;
use std::io;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use dot11::{MacAddr, Ssid};
use store::event::{ChatId, Probe, Timestamp};
use store::recorder::{History, ProbeFilter};
use tokio_util::sync::CancellationToken;

use super::subscriptions::WatchedNetworks;
use crate::chart::{self, Series};
use crate::chat::callbacks::Callback;
use crate::chat::model::chart::{ChartPeriod, ChartSubject};
use crate::chat::model::csv_export::{EventTable, NetworkTable};
use crate::chat::model::document::{Document, Keep, Rows};
use crate::chat::model::lookup::{DeviceReport, LookupResult, look_up};
use crate::chat::model::pagination::{PAGE_ENTRIES, Page};
use crate::chat::model::read_limiter::ReadPermit;
use crate::chat::{Chat, File, Progress, ProgressStep, Reply, ReplyKind, views};

/// Pages of a device's newest probes.
const PROBE_PAGES: usize = 10;

/// How long to search for a device's newest probes.
const NEWEST_PROBES_TIMEOUT: Duration = Duration::from_secs(5);

/// The time between two progress reports.
const STEP_INTERVAL: Duration = Duration::from_millis(500);

/// The probes of a chart.
struct ChartSource {
    title: String,
    filter: ProbeFilter,
    /// According to the state.
    last_probe: Option<Timestamp>,
}

/// Reports the progress of a read, and stops it once it is cancelled.
pub(super) struct ReadProgress {
    kind: ReplyKind,
    progress: Progress,
    cancelled: CancellationToken,
    last_report: Instant,
}

impl ReadProgress {
    pub(super) fn progress_step(&mut self, share: f64) -> ControlFlow<()> {
        if self.cancelled.is_cancelled() {
            return ControlFlow::Break(());
        }
        if self.last_report.elapsed() >= STEP_INTERVAL {
            self.last_report = Instant::now();
            self.progress.report(ProgressStep { kind: self.kind, text: views::reading(share) });
        }
        ControlFlow::Continue(())
    }
}

impl Chat {
    /// Runs `read` on the log; if the log cannot be read, the reply says why.
    pub(super) async fn read_log<T: Send + 'static>(
        &self,
        kind: ReplyKind,
        progress: &Progress,
        read: impl FnOnce(&History, &mut ReadProgress) -> Result<T, String> + Send + 'static,
    ) -> Result<(T, ReadPermit), Reply> {
        let cancelled = CancellationToken::new();
        let _ends_reading = cancelled.clone().drop_guard();
        let mut reading =
            ReadProgress { kind, progress: progress.clone(), cancelled, last_report: Instant::now() };
        let history = self.recorder.history().clone();
        let wait = || progress.report(ProgressStep { kind, text: views::waiting_to_read() });
        let permit = self.read_limiter.acquire(kind, wait).await;
        progress.report(ProgressStep { kind, text: views::reading(0.0) });
        // The thread holds the permit: it reads on for a moment after cancellation.
        let read =
            tokio::task::spawn_blocking(move || read(&history, &mut reading).map(|made| (made, permit)));
        let outcome = read.await.unwrap_or_else(|_| Err(views::READING_BROKEN_OFF.to_owned()));
        outcome.map_err(|why| views::log_unreadable(&why).into())
    }

    /// The device that `query` names, or else the reply that offers others, with `action` on their buttons.
    fn device_of(
        &self,
        query: &str,
        action: impl Fn(MacAddr) -> Callback,
    ) -> Result<Box<DeviceReport>, Box<Reply>> {
        let state = self.recorder.state();
        match look_up(&state, query) {
            LookupResult::Device(report) => Ok(report),
            other => {
                let reply =
                    self.ambiguous_reply(&state, &other, |address, label| action(address).button(label));
                Err(Box::new(reply))
            }
        }
    }

    /// A chart of the probes of a device or for a network.
    pub(in crate::chat) async fn chart(
        &self,
        subject: ChartSubject,
        period: ChartPeriod,
        progress: &Progress,
    ) -> Reply {
        let ChartSource { title, filter, last_probe } = match self.chart_source(subject, period) {
            Ok(chart_source) => chart_source,
            Err(answer) => return *answer,
        };
        let buttons = views::chart_buttons(period, |period| match &filter {
            ProbeFilter::Addresses(addresses) => Some(Callback::ChartDevice(*addresses.first()?, period)),
            ProbeFilter::Network(ssid) => Some(Callback::ChartNetwork(ssid.clone(), period)),
            ProbeFilter::All => None,
        });
        let (now, zone) = (self.recorder.now(), self.zone);
        let from = period.start(now, zone);
        let drawn = self.read_log(ReplyKind::Picture, progress, move |history, reading| {
            let mut series = Series::new(from, now, zone);
            // The log need not be read if the state knows of no probe in the period.
            if last_probe.is_none_or(|last_probe| last_probe >= from) {
                let take = |_, probe: Probe| series.add(probe.corrected_time(), probe.signal_dbm);
                let read =
                    history.read(&filter, from..Timestamp::MAX, |share| reading.progress_step(share), take);
                read.map_err(|error| error.io().to_string())?;
            }
            let subtitle = views::chart_subtitle(series.probes(), period);
            let png = chart::draw(&views::chart_labels(&title, &subtitle), &series);
            Ok((views::chart(&title, series.probes(), period), png))
        });
        match drawn.await {
            Ok(((text, png), _)) => {
                Reply { text, buttons, file: Some(File::Picture { png }), ..Reply::default() }
            }
            Err(answer) => answer,
        }
    }

    /// The probes of `subject`, or the reply if there is no such device.
    fn chart_source(&self, subject: ChartSubject, period: ChartPeriod) -> Result<ChartSource, Box<Reply>> {
        Ok(match subject {
            ChartSubject::Device(query) => {
                let report = self.device_of(&query, |address| Callback::ChartDevice(address, period))?;
                let title = report.title();
                let last_probe = Some(report.device.last_probe);
                ChartSource { title, filter: ProbeFilter::Addresses(report.addresses), last_probe }
            }
            ChartSubject::Network(ssid) => {
                let network = self.recorder.state().networks().get(&ssid);
                let last_probe = network.map(|network| network.last_probe);
                ChartSource { title: format!("\"{ssid}\""), filter: ProbeFilter::Network(ssid), last_probe }
            }
        })
    }

    /// A page of the newest probes of the device with this address.
    pub(in crate::chat) async fn probes(&self, address: MacAddr, page: u32, progress: &Progress) -> Reply {
        let report = match self.device_of(&address.to_string(), Callback::NewestProbes) {
            Ok(report) => report,
            Err(answer) => return *answer,
        };
        let title = report.title();
        let number = page.min(PROBE_PAGES as u32 - 1);
        let (addresses, first_probe) = (report.addresses, report.device.first_probe);
        let newest = self.read_log(ReplyKind::Text, progress, move |history, reading| {
            let begun = Instant::now();
            let go_on = || match begun.elapsed() < NEWEST_PROBES_TIMEOUT {
                true => reading.progress_step(0.0),
                false => ControlFlow::Break(()),
            };
            // One more than shown, to know whether there are more.
            let count = PROBE_PAGES * PAGE_ENTRIES + 1;
            let newest = history.newest(&ProbeFilter::Addresses(addresses), first_probe, count, go_on);
            newest.map_err(|error| error.io().to_string())
        });
        match newest.await {
            Ok((newest, _)) => {
                let total = newest.len().min(PROBE_PAGES * PAGE_ENTRIES);
                let is_all = newest.len() as u64 >= report.device.probe_count;
                let number = number.min((total.saturating_sub(1) / PAGE_ENTRIES) as u32);
                let shown =
                    newest.into_iter().take(total).skip(number as usize * PAGE_ENTRIES).take(PAGE_ENTRIES);
                let page = Page { number, total, entries: shown.map(|(_, probe)| probe).collect() };
                views::probes(&title, address, &page, is_all, (self.recorder.now(), self.zone))
            }
            Err(answer) => answer,
        }
    }

    /// A device's probes as a CSV document.
    pub(in crate::chat) async fn export_device(&self, query: &str, progress: &Progress) -> Reply {
        let report = match self.device_of(query, Callback::Card) {
            Ok(report) => report,
            Err(answer) => return *answer,
        };
        let title = report.title();
        let file = report.addresses.first().map(|address| format!("probes-{address}.csv").replace(':', ""));
        let first_probe = report.device.first_probe;
        let (filter, name, limit) =
            (ProbeFilter::Addresses(report.addresses), report.name, self.read_limiter.document_limit());
        let table = self.read_log(ReplyKind::Document, progress, move |history, reading| {
            let in_words = |error: io::Error| error.to_string();
            let mut table = EventTable::new(Rows::new(limit, Keep::Last)).map_err(in_words)?;
            let mut written = table.end_row();
            let take = |offset, probe: Probe| {
                if written.is_ok() {
                    written = table.push(offset, &probe, name.as_deref()).and_then(|()| table.end_row());
                }
            };
            let read = history.read(
                &filter,
                first_probe..Timestamp::MAX,
                |share| reading.progress_step(share),
                take,
            );
            read.map_err(|error| error.io().to_string())?;
            written.and_then(|()| table.finish()).map(Rows::into_document).map_err(in_words)
        });
        match table.await {
            Ok((Document { bytes, rows, is_cut }, permit)) => {
                let name = file.unwrap_or_else(|| "probes.csv".to_owned());
                let document_permit = permit.shrink_to(bytes.len());
                Reply {
                    text: views::exported_probes(&title, rows, is_cut),
                    file: Some(File::Document { name, bytes, permit: document_permit }),
                    ..Reply::default()
                }
            }
            Err(answer) => answer,
        }
    }

    /// All networks as a CSV document.
    pub(in crate::chat) async fn export_networks(&self, chat: ChatId, progress: &Progress) -> Reply {
        let kind = ReplyKind::Document;
        let wait = || progress.report(ProgressStep { kind, text: views::waiting_to_read() });
        let permit = self.read_limiter.acquire(kind, wait).await;
        match self.table_of_networks(chat) {
            Ok(Document { bytes, rows, is_cut }) => {
                let (name, document_permit) = ("networks.csv".to_owned(), permit.shrink_to(bytes.len()));
                Reply {
                    text: views::exported_networks(rows, is_cut),
                    file: Some(File::Document { name, bytes, permit: document_permit }),
                    ..Reply::default()
                }
            }
            Err(error) => views::log_unreadable(&error.to_string()).into(),
        }
    }

    fn table_of_networks(&self, chat: ChatId) -> io::Result<Document> {
        let state = self.recorder.state();
        let mut networks: Vec<_> = state.networks().iter().collect();
        // The first bytes are part of the key, so that comparing hardly ever fetches an SSID from elsewhere in memory.
        networks
            .sort_by_cached_key(|(ssid, network)| (Reverse(network.probe_count), ssid_sort_key(ssid), *ssid));
        let watched = WatchedNetworks::for_chat(chat, &state);
        let mut table = NetworkTable::new(Rows::new(self.read_limiter.document_limit(), Keep::First))?;
        table.end_row()?;
        for (ssid, network) in &networks {
            table.push(ssid, network, watched.covers(ssid))?;
            table.end_row()?;
        }
        Ok(table.finish()?.into_document())
    }
}

/// The first bytes of an SSID, zero-padded; they sort like the SSIDs.
fn ssid_sort_key(ssid: &Ssid) -> [u8; 16] {
    let mut key = [0; 16];
    key.iter_mut().zip(ssid.as_bytes()).for_each(|(slot, byte)| *slot = *byte);
    key
}
