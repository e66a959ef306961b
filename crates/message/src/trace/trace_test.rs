//! Traces: Java's bytes, written again, and whatever else may come.

use proptest::prelude::*;

use super::{record::NOTHING, *};
use crate::Timestamp;

/// Bodies as clients wrote them, one a line; `0x01` and `0x02` are written as `^A` and `^B`.
const JAVAS: &[(&str, &str)] = &[
    ("5.5.0", include_str!("../../tests/data/trace-5.5.0.txt")),
    ("4.9.8", include_str!("../../tests/data/trace-4.9.8.txt")),
];

fn decode(text: &str) -> Result<TraceRecord, TraceError> {
    TraceRecord::decode_all(text).next().unwrap()
}

fn bodies(lines: &str) -> impl Iterator<Item = String> + '_ {
    lines
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.replace("^A", "\u{1}").replace("^B", "\u{2}"))
}

#[test]
fn javas_bodies_are_read_and_written_again() {
    for (version, lines) in JAVAS {
        let mut kinds = std::collections::BTreeSet::new();
        for body in bodies(lines) {
            let records: Vec<TraceRecord> = TraceRecord::decode_all(&body).collect::<Result<_, _>>().unwrap();
            let mut written = String::new();
            records.iter().for_each(|record| record.encode(&mut written));
            assert_eq!(written, body, "{version}");
            kinds.extend(
                body.split('\u{2}').filter_map(|record| record.split('\u{1}').next()).map(str::to_owned),
            );
        }
        for kind in ["Pub", "SubBefore", "SubAfter", "EndTransaction"] {
            assert!(kinds.contains(kind), "{version} has no {kind}: {kinds:?}");
        }
    }
}

#[test]
fn javas_fields_are_understood() {
    let body = "Pub\u{1}1795415660235\u{1}DefaultRegion\u{1}gp_trace\u{1}GNormal\u{1}FD00\u{1}TagTr\u{1}a b\u{1}127.0.0.1:32996\
        \u{1}6\u{1}289\u{1}3\u{1}7F00\u{1}true\u{2}";
    let record = TraceRecord::decode_all(body).next().unwrap().unwrap();
    assert_eq!(record.index_keys().collect::<Vec<_>>(), ["FD00", "a", "b"]);
    let TraceRecord::Pub { time, tags, cost_ms, kind, is_success, client_host, .. } = record else {
        panic!()
    };
    assert_eq!(
        (time.0, tags.as_deref(), cost_ms, kind),
        (1_795_415_660_235, Some("TagTr"), 289, TraceKind::Delayed)
    );
    assert_eq!((is_success, client_host), (true, None));
}

#[test]
fn older_and_cloud_clients_are_understood() {
    let old = "Pub\u{1}1\u{1}r\u{1}g\u{1}t\u{1}ID\u{1}null\u{1}null\u{1}h\u{1}1\u{1}2\u{1}0\u{1}true";
    assert!(matches!(
        decode(old),
        Ok(TraceRecord::Pub { is_success: true, tags: None, keys: None, client_host: None, .. })
    ));
    let with_host = format!("{}\u{1}7F\u{1}false\u{1}10.0.0.1", &old[..old.len() - 5]);
    assert!(matches!(
        decode(&with_host),
        Ok(TraceRecord::Pub { is_success: false, client_host: Some(host), .. }) if host == "10.0.0.1"
    ));
    let cloud = "SubAfter\u{1}R\u{1}ID\u{1}3\u{1}true\u{1}k\u{1}4\u{1}";
    assert!(matches!(
        decode(cloud),
        Ok(TraceRecord::SubAfter { outcome: TraceOutcome::Failed, by: None, .. })
    ));
    let oldest = "SubAfter\u{1}R\u{1}ID\u{1}3\u{1}true\u{1}k";
    assert!(matches!(decode(oldest), Ok(TraceRecord::SubAfter { by: None, .. })));
}

#[test]
fn what_is_wrong_is_named_and_the_rest_is_read() {
    let body = "Sub\u{1}1\u{2}Recall\u{1}soon\u{2}\u{2}Recall\u{1}1\u{1}r\u{1}g\u{1}t\u{1}ID\u{1}true\u{2}Recall\u{1}1";
    let read: Vec<Result<TraceRecord, TraceError>> = TraceRecord::decode_all(body).collect();
    assert_eq!(read.len(), 4);
    assert_eq!(read[0], Err(TraceError::Kind { kind: "Sub".into() }));
    assert_eq!(
        read[1].as_ref().unwrap_err().to_string(),
        "trace record Recall: time is 'soon', it must be a number"
    );
    assert_eq!(read[2].as_ref().unwrap().message_id(), "ID");
    assert_eq!(
        read[3].as_ref().unwrap_err().to_string(),
        "trace record Recall has no field 'region': it has 2 fields"
    );
}

#[test]
fn separators_in_texts_do_not_make_fields() {
    let record = TraceRecord::Recall {
        time: Timestamp(1),
        region: "r\u{1}".into(),
        group: "g".into(),
        topic: "t\u{2}".into(),
        message_id: "ID".into(),
        is_success: false,
    };
    let mut body = String::new();
    record.encode(&mut body);
    assert_eq!(body, "Recall\u{1}1\u{1}r \u{1}g\u{1}t \u{1}ID\u{1}false\u{2}");
}

fn text() -> impl Strategy<Value = String> {
    "[^\u{1}\u{2}]{0,12}"
}

fn optional() -> impl Strategy<Value = Option<String>> {
    proptest::option::of("[^\u{1}\u{2}]{1,12}")
        .prop_filter("Java's word for nothing", |text| text.as_deref() != Some(NOTHING))
}

fn record() -> impl Strategy<Value = TraceRecord> {
    let head = (any::<i64>(), text(), text(), text(), text());
    let rest = (optional(), optional(), any::<i32>(), any::<bool>(), 0..5i32);
    (0..5u8, head, rest, proptest::option::of((any::<i64>(), text()))).prop_map(|(which, head, rest, by)| {
        let (time, region, group, topic, message_id) = head;
        let (tags, keys, number, flag, ordinal) = rest;
        let time = Timestamp(time);
        let kinds = [
            TraceKind::Normal,
            TraceKind::Half,
            TraceKind::TransactionEnd,
            TraceKind::Delayed,
            TraceKind::Ordered,
        ];
        let outcomes = [
            TraceOutcome::Success,
            TraceOutcome::TimedOut,
            TraceOutcome::Exception,
            TraceOutcome::Nothing,
            TraceOutcome::Failed,
        ];
        let (kind, outcome) = (kinds[ordinal as usize], outcomes[ordinal as usize]);
        let states =
            [TraceTransactionState::Commit, TraceTransactionState::Rollback, TraceTransactionState::Unknown];
        let state = states[ordinal as usize % 3];
        match which {
            0 => TraceRecord::Pub {
                time,
                region,
                group,
                topic: topic.clone(),
                message_id,
                tags,
                keys,
                store_host: topic.clone(),
                body_len_bytes: number,
                cost_ms: number,
                kind,
                offset_message_id: topic,
                is_success: flag,
                client_host: by.map(|(_, host)| host),
            },
            1 => TraceRecord::SubBefore {
                time,
                region,
                group,
                request_id: topic,
                message_id,
                retry_times: number,
                keys,
            },
            2 => TraceRecord::SubAfter {
                request_id: topic,
                message_id,
                cost_ms: number,
                is_success: flag,
                keys,
                outcome,
                by: by.map(|(time, group)| (Timestamp(time), group)),
            },
            3 => TraceRecord::EndTransaction {
                time,
                region,
                group,
                topic: topic.clone(),
                message_id,
                tags,
                keys,
                store_host: topic,
                kind,
                transaction_id: by.map(|(time, _)| time.to_string()),
                state,
                from_check: flag,
            },
            _ => TraceRecord::Recall { time, region, group, topic, message_id, is_success: flag },
        }
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(records in proptest::collection::vec(record(), 0..8)) {
        let mut body = String::new();
        records.iter().for_each(|record| record.encode(&mut body));
        let read: Vec<TraceRecord> = TraceRecord::decode_all(&body).collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(read, records);
    }

    #[test]
    fn nothing_panics(
        junk in "[\\PC\u{1}\u{2}]{0,200}",
        kind in "(Pub|SubBefore|SubAfter|EndTransaction|Recall)",
        fields in proptest::collection::vec("[0-9a-z-]{0,4}", 0..20),
    ) {
        let _ = TraceRecord::decode_all(&junk).count();
        let line = format!("{kind}\u{1}{}", fields.join("\u{1}"));
        for record in TraceRecord::decode_all(&line).flatten() {
            prop_assert!(record.index_keys().count() >= 1);
        }
    }
}
