//! Look-ups of devices and networks in the state.

use std::time::Duration;

use dot11::Ssid;
use store::event::ChatId;

use super::subscriptions::WatchedNetworks;
use crate::chat::model::chart::ChartPeriod;
use crate::chat::model::lookup::{LookupResult, look_up, matching_devices};
use crate::chat::model::pagination::{self, ListBy, SortOrder};
use crate::chat::model::strangers;
use crate::chat::model::time_range::TimeRange;
use crate::chat::{Chat, InlineCard, Reply, views};

impl Chat {
    pub(in crate::chat) fn look_up(&self, chat: ChatId, query: &str) -> Reply {
        self.lookup_timings.time("device", || {
            let state = self.recorder.state();
            let found = look_up(&state, query);
            Reply {
                buttons: views::found_buttons(&found, &state, chat),
                ..views::device_reply(&found, self.recorder.now(), self.zone)
            }
        })
    }

    /// The cards of the devices that `query` means, at most `limit`; without a query, those that were seen last. They are
    /// for somebody who has access.
    pub fn inline_cards(&self, query: &str, limit: usize) -> Vec<InlineCard> {
        let query = query.trim();
        let reports = match query.is_empty() {
            false => matching_devices(&self.recorder.state(), query, limit),
            true => {
                let order = SortOrder::Newest;
                let newest = pagination::devices(&self.recorder, ListBy::Device, order, None, 0);
                let addresses: Vec<String> =
                    newest.page.entries.iter().map(|entry| entry.address.to_string()).collect();
                let state = self.recorder.state();
                let found = addresses.iter().map(|address| look_up(&state, address));
                found.filter_map(LookupResult::into_device).take(limit).collect()
            }
        };
        let now = self.recorder.now();
        reports.into_iter().map(|report| views::inline_card(report, now, self.zone)).collect()
    }

    pub(in crate::chat) fn devices(&self, by: ListBy, page: u32) -> Reply {
        let devices = pagination::devices(&self.recorder, by, SortOrder::Newest, None, page);
        views::devices(by, &devices, self.recorder.now())
    }

    pub(in crate::chat) fn nearby(&self, minutes: u32, page: u32) -> Reply {
        let now = self.recorder.now();
        let since = now.saturating_sub(Duration::from_secs(60 * u64::from(minutes)));
        let order = SortOrder::Strongest;
        let devices = pagination::devices(&self.recorder, ListBy::Device, order, Some(since), page);
        views::nearby(&devices, minutes, now)
    }

    pub(in crate::chat) fn top(&self, page: u32) -> Reply {
        let order = SortOrder::MostProbes;
        let devices = pagination::devices(&self.recorder, ListBy::Device, order, None, page);
        views::top(&devices, self.recorder.now())
    }

    pub(in crate::chat) fn strangers(&self, chat: ChatId, period: ChartPeriod, page: u32) -> Reply {
        let now = self.recorder.now();
        let days = if period == ChartPeriod::Day { 1 } else { 7 };
        let since = now.saturating_sub(Duration::from_secs(days * 86_400));
        let found = strangers::strangers(&self.recorder, chat, TimeRange { from: since, to: now }, page);
        views::strangers(&found, period, (now, self.zone))
    }

    pub(in crate::chat) fn network(&self, ssid: &Ssid, page: u32) -> Reply {
        self.lookup_timings.time("network", || {
            let network = self.recorder.state().networks().get(ssid);
            let requesters = pagination::requesters(&self.recorder, ssid, page);
            views::requesters(ssid, network, &requesters, (self.recorder.now(), self.zone))
        })
    }

    pub(in crate::chat) fn networks(&self, chat: ChatId, page: u32) -> Reply {
        let page = pagination::networks(&self.recorder, page);
        let state = self.recorder.state();
        let watched = WatchedNetworks::for_chat(chat, &state);
        let hidden_probes = state.totals().hidden_probes;
        views::networks(&page, hidden_probes, |ssid| watched.covers(ssid), self.recorder.now())
    }
}
