//! Traces of this client, as they lie in the trace topic.

use eruca_client::{IndexKind, Timestamp};
use eruca_message::trace::{TraceOutcome, TraceRecord};

use super::*;

const TRACE_TOPIC: &str = "RMQ_SYS_TRACE_TOPIC";

/// What the trace topic says of the message.
pub(crate) async fn records(admin: &Admin, id: &str) -> Vec<TraceRecord> {
    let Ok(route) = admin.examine_topic_route_info(TRACE_TOPIC).await else { return Vec::new() };
    let mut records = Vec::new();
    for addr in route.broker_datas.iter().filter_map(|group| group.broker_addrs.get(&0)) {
        let times = (Timestamp(0), Timestamp(i64::MAX));
        // "Not found" is an answer of brokers that have nothing, too.
        let found =
            admin.query_message(addr, TRACE_TOPIC, id, 64, times, IndexKind::Key).await.unwrap_or_default();
        for message in found {
            let body = text(&message);
            let read = TraceRecord::decode_all(&body).map(Result::unwrap);
            records.extend(read.filter(|record| record.message_id() == id));
        }
    }
    records
}

#[tokio::test]
#[ignore = "needs a cluster, see main.rs"]
async fn what_this_client_does_is_found_in_the_trace_topic() {
    let (topic, group) = (fresh("traced"), fresh("tracing"));
    let producer =
        Producer::builder().name_servers(name_servers()).group(&group).trace(true).build().await.unwrap();
    let sent = producer.send(Message::new(&topic, "x").with_keys(fresh("key"))).await.unwrap();
    producer.shutdown().await;
    let seen = Seen::default();
    let consumer = noting(consumer(&group, &topic).trace(true), &seen).start().await.unwrap();
    until("it is consumed", async || seen.all().len() == 1).await;
    consumer.shutdown().await;
    assert_eq!((producer.traces_lost(), consumer.traces_lost()), (0, 0));
    let admin = admin().await;
    until("all is traced", async || records(&admin, &sent.message_id).await.len() == 3).await;
    let records = records(&admin, &sent.message_id).await;
    assert!(
        records.iter().any(|record| matches!(record, TraceRecord::Pub { is_success: true, .. })),
        "{records:?}"
    );
    assert!(records.iter().any(|record| matches!(
        record,
        TraceRecord::SubAfter { outcome: TraceOutcome::Success, is_success: true, .. }
    )));
}
