//! Who was here, and how many: replies from all probes of a range of time.

use std::io;

use store::event::{ChatId, GroupId, Probe};
use store::recorder::{ProbeFilter, RecorderHandle};

use super::subscribed_device::shown_device;
use crate::chart::{self, LANE_LIMIT, Lane};
use crate::chat::callbacks::Callback;
use crate::chat::commands::{Command, UsageError};
use crate::chat::model::chart::{ChartPeriod, start_of_day};
use crate::chat::model::csv_export::VisitorTable;
use crate::chat::model::document::{Document, Keep, Rows};
use crate::chat::model::phone::phone_label;
use crate::chat::model::presence::{Frame, PresenceTable, Sighting};
use crate::chat::model::read_limiter::ReadPermit;
use crate::chat::model::time_range::{TimeRange, WrittenRange};
use crate::chat::model::visitor::{Visitor, VisitorList};
use crate::chat::views::presence as texts;
use crate::chat::{Asker, Chat, File, Progress, Reply, ReplyKind, views};

/// Frames whose senders are looked up under one lock of the state: it takes less than a millisecond.
const FRAMES_AT_A_TIME: usize = 1024;

impl Chat {
    /// Who was in range then, as a list.
    pub(in crate::chat) async fn between(
        &self,
        chat: ChatId,
        written: WrittenRange,
        progress: &Progress,
    ) -> Reply {
        let now = self.recorder.now();
        let range = match (written.resolve(now, self.zone), Command::named("between")) {
            (Ok(range), _) => range,
            (Err(why), Some(command)) => return views::usage_error(command, &UsageError::Range(why)).into(),
            (Err(_), None) => return Reply::default(),
        };
        match self.visitors(chat, ReplyKind::Text, range, progress).await {
            Ok((list, _)) => texts::visitors(&list, (now, self.zone)),
            Err(reply) => reply,
        }
    }

    /// Who was in range then, as a chart.
    pub(in crate::chat) async fn chart_between(
        &self,
        chat: ChatId,
        range: TimeRange,
        progress: &Progress,
    ) -> Reply {
        let list = match self.visitors(chat, ReplyKind::Picture, range, progress).await {
            Ok((list, _)) => list,
            Err(reply) => return reply,
        };
        let zone = self.zone;
        let drawn = tokio::task::spawn_blocking(move || {
            let lanes: Vec<Lane> = list.visitors.iter().take(LANE_LIMIT).map(lane).collect();
            let subtitle = texts::lanes_subtitle(&range, zone);
            let more = texts::further_lanes(list.visitors.len().saturating_sub(LANE_LIMIT));
            let labels = texts::lane_labels(&subtitle, more.as_deref());
            (texts::lanes(&list, zone), chart::draw_lanes(&labels, (range.from, range.to, zone), &lanes))
        });
        match drawn.await {
            Ok((text, png)) => Reply { text, file: Some(File::Picture { png }), ..Reply::default() },
            Err(_) => views::log_unreadable(views::READING_BROKEN_OFF).into(),
        }
    }

    /// Who was in range then, as a CSV document.
    pub(in crate::chat) async fn export_between(
        &self,
        chat: ChatId,
        range: TimeRange,
        progress: &Progress,
    ) -> Reply {
        let (list, permit) = match self.visitors(chat, ReplyKind::Document, range, progress).await {
            Ok(read) => read,
            Err(reply) => return reply,
        };
        match visitor_document(&list.visitors, self.read_limiter.document_limit()) {
            Ok(Document { bytes, rows, is_cut }) => {
                let permit = permit.shrink_to(bytes.len());
                Reply {
                    text: texts::exported_visitors(&range, rows, is_cut, self.zone),
                    file: Some(File::Document { name: texts::DOCUMENT_NAME.to_owned(), bytes, permit }),
                    ..Reply::default()
                }
            }
            Err(error) => views::log_unreadable(&error.to_string()).into(),
        }
    }

    async fn visitors(
        &self,
        chat: ChatId,
        kind: ReplyKind,
        range: TimeRange,
        progress: &Progress,
    ) -> Result<(VisitorList, ReadPermit), Reply> {
        let (table, permit) = self.presences(kind, range, progress).await?;
        let state = self.recorder.state();
        Ok((VisitorList::new(&table, &state, chat, |key| shown_device(&state, key)), permit))
    }

    /// How many devices were in range in each hour of a period that ends now.
    pub(in crate::chat) async fn count(&self, period: ChartPeriod, progress: &Progress) -> Reply {
        let (now, zone) = (self.recorder.now(), self.zone);
        let (from, midnight) = (period.start(now, zone), start_of_day(now, 0, zone));
        let range = TimeRange { from: from.min(midnight), to: now };
        let (table, _permit) = match self.presences(ReplyKind::Picture, range, progress).await {
            Ok(read) => read,
            Err(reply) => return reply,
        };
        let drawn = tokio::task::spawn_blocking(move || {
            let hours: Vec<TimeRange> =
                chart::hours(from, now, zone).into_iter().map(|(from, to)| TimeRange { from, to }).collect();
            let devices = table.devices_in_hours(&hours);
            let today = TimeRange { from: midnight, to: now };
            let counts = texts::Counts {
                period,
                today: table.least_devices(&today),
                stayed_today: table.least_stayed(&today),
                busiest: hours
                    .iter()
                    .zip(&devices)
                    .max_by_key(|(_, devices)| devices.stayed + devices.passed)
                    .map(|(hour, _)| (table.least_devices(hour), hour.from)),
                ungrouped: table.ungrouped(),
                omitted_probes: table.omitted_probes(),
            };
            let subtitle = texts::count_subtitle(period);
            let png = chart::draw_devices(&texts::count_labels(&subtitle), (from, now, zone), &devices);
            (texts::count(&counts, (now, zone)), png)
        });
        match drawn.await {
            Ok((text, png)) => {
                let buttons = views::chart_buttons(period, |period| Some(Callback::Count(period)));
                Reply { text, buttons, file: Some(File::Picture { png }), ..Reply::default() }
            }
            Err(_) => views::log_unreadable(views::READING_BROKEN_OFF).into(),
        }
    }

    /// Who was in range within `range`, from the log.
    async fn presences(
        &self,
        kind: ReplyKind,
        range: TimeRange,
        progress: &Progress,
    ) -> Result<(PresenceTable, ReadPermit), Reply> {
        let recorder = self.recorder.clone();
        self.read_log(kind, progress, move |history, reading| {
            let mut table = PresenceTable::new(range);
            let mut frames: Vec<Frame> = Vec::with_capacity(FRAMES_AT_A_TIME);
            let take = |_, probe: Probe| {
                frames.push(Frame::of(&probe));
                if frames.len() == FRAMES_AT_A_TIME {
                    add_frames(&mut table, &mut frames, &recorder);
                }
            };
            let go_on = |share| reading.progress_step(share);
            let read = history.read(&ProbeFilter::All, range.from..range.to, go_on, take);
            read.map_err(|error| error.io().to_string())?;
            add_frames(&mut table, &mut frames, &recorder);
            table.tell_apart(&recorder.state());
            Ok(table)
        })
        .await
    }

    /// Follows a phone, which is kept from now on.
    pub(in crate::chat) async fn alert_on_return(&self, asker: Asker<'_>, phone: GroupId) -> Reply {
        if self.recorder.state().grouping().group(phone).is_none() {
            return texts::phone_is_gone().into();
        }
        self.follow(asker, &phone_label(phone)).await
    }
}

/// Adds frames to the table under one lock of the state.
fn add_frames(table: &mut PresenceTable, frames: &mut Vec<Frame>, recorder: &RecorderHandle) {
    let state = recorder.state();
    frames.drain(..).for_each(|frame| table.add(Sighting::of(frame, &state)));
}

fn lane(visitor: &Visitor) -> Lane {
    Lane {
        label: visitor.title.clone(),
        is_stranger: visitor.reason.is_some(),
        intervals: visitor.presence.intervals.iter().map(|interval| (interval.start, interval.end)).collect(),
    }
}

fn visitor_document(visitors: &[Visitor], limit: usize) -> io::Result<Document> {
    let mut table = VisitorTable::new(Rows::new(limit, Keep::First))?;
    table.end_row()?;
    for visitor in visitors {
        table.push(visitor)?;
        table.end_row()?;
    }
    Ok(table.finish()?.into_document())
}
