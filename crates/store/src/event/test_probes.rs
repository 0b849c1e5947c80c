//! Probes for tests.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::{AlertDecision, AlertOutcome, ChatId, ListedNetworks, Pattern, Probe, Timestamp};
use dot11::{DeviceInfo, DeviceType, MacAddr, RequestedSsid, ShortSsid, ShortText, Signature, Ssid, Uuid};

fn ssid() -> impl Strategy<Value = RequestedSsid> {
    prop_oneof![
        Just(RequestedSsid::Absent),
        any::<String>().prop_map(|text| RequestedSsid::from_element(text.as_bytes())),
        vec(0..0x80u8, 0..40).prop_map(|ascii| RequestedSsid::from_element(&ascii)),
        vec(any::<u8>(), 0..256).prop_map(|bytes| RequestedSsid::from_element(&bytes)),
    ]
}

fn alert() -> impl Strategy<Value = AlertDecision> {
    let listed = (alert_of_own_ssid(), vec(any::<u8>(), 1..40), any::<bool>());
    let listed = listed.prop_map(|(decision, ssid, is_short)| AlertDecision::Listed {
        ssid: Ssid::new(&ssid),
        is_short,
        decision: Box::new(decision),
    });
    prop_oneof![3 => alert_of_own_ssid(), 1 => listed]
}

fn alert_of_own_ssid() -> impl Strategy<Value = AlertDecision> {
    let chat = any::<i64>().prop_map(ChatId);
    prop_oneof![
        (chat.clone(), any::<Option<String>>(), any::<Option<String>>(), any::<u64>()).prop_map(
            |(chat, pattern, reason, suppressed)| AlertDecision::Raise {
                chat,
                pattern: pattern.map(|text| Pattern::new(&text)),
                reason,
                suppressed,
            }
        ),
        chat.clone().prop_map(|chat| AlertDecision::Suppress { chat }),
        chat.clone().prop_map(|chat| AlertDecision::Overflow { chat }),
        chat.clone().prop_map(|chat| AlertDecision::Mute { chat }),
        (
            chat,
            any::<Option<u64>>(),
            prop::sample::select(vec![
                AlertOutcome::Raise,
                AlertOutcome::Overflow,
                AlertOutcome::Mute,
                AlertOutcome::Skip
            ])
        )
            .prop_map(|(chat, silent_seconds, outcome)| AlertDecision::Arrive {
                chat,
                silent_seconds,
                outcome,
            }),
    ]
}

/// A probe at this time with a value in every field.
pub(crate) fn complete_probe(time: Timestamp) -> Probe {
    Probe {
        time,
        sensor: Arc::from("mon0"),
        source: MacAddr::new([0xa4, 0x83, 0xe7, 0x4e, 0x39, 0x15]),
        ssid: RequestedSsid::from_element(b"RNM0"),
        listed: None,
        signal_dbm: Some(-42),
        frequency_mhz: Some(2437),
        sequence: 2743,
        signature: Signature::from_u64(0x9f1c_06d2_ab47_e310),
        device_info: None,
        not_before: None,
        alerts: Vec::new(),
    }
}

fn device_info() -> impl Strategy<Value = Option<Box<DeviceInfo>>> {
    let text = || option::of(any::<String>().prop_map(|text| ShortText::new(text.as_bytes())));
    let info = (text(), text(), text(), text(), text(), any::<Option<[u8; 16]>>(), any::<Option<[u8; 8]>>());
    let info = info.prop_map(
        |(manufacturer, model_name, model_number, device_name, p2p_name, uuid, device_type)| {
            Box::new(DeviceInfo {
                manufacturer: manufacturer.flatten(),
                model_name: model_name.flatten(),
                model_number: model_number.flatten(),
                device_name: device_name.flatten(),
                p2p_name: p2p_name.flatten(),
                uuid: uuid.map(Uuid),
                device_type: device_type.map(DeviceType),
            })
        },
    );
    option::weighted(0.3, info)
}

fn listed() -> impl Strategy<Value = Option<Box<ListedNetworks>>> {
    let ssids = vec(vec(prop_oneof![0..3u8, any::<u8>()], 0..40), 0..6);
    let lists = (ssids, vec((0..9u32).prop_map(ShortSsid::from_u32), 0..4));
    let networks = lists.prop_map(|(ssids, short_ssids)| {
        ListedNetworks::new(ssids.iter().map(Vec::as_slice), short_ssids.into_iter())
    });
    option::weighted(0.3, networks).prop_map(Option::flatten)
}

/// Any probe, for property tests.
pub(crate) fn probe() -> impl Strategy<Value = Probe> {
    (
        (any::<i64>(), option::weighted(0.2, any::<i64>()), any::<String>(), any::<[u8; 6]>()),
        (ssid(), listed()),
        (option::of(-110..=-1_i8), option::of(any::<u16>())),
        (any::<u16>(), any::<u64>(), device_info()),
        vec(alert(), 0..4),
    )
        .prop_map(
            |(
                (micros, not_before, sensor, source),
                (ssid, listed),
                (signal_dbm, frequency_mhz),
                (sequence, signature, device_info),
                alerts,
            )| Probe {
                time: Timestamp::from_micros(micros),
                sensor: Arc::from(sensor),
                source: MacAddr::new(source),
                ssid,
                listed,
                signal_dbm,
                frequency_mhz,
                sequence,
                signature: Signature::from_u64(signature),
                device_info,
                not_before: not_before.map(Timestamp::from_micros),
                alerts,
            },
        )
}
