//! Traces of this client, as they lie in the trace topic.

use eruca_message::trace::{TraceOutcome, TraceRecord};

use super::*;

#[tokio::test]
#[ignore = "needs a cluster, see main.rs"]
async fn what_this_client_does_is_found_in_the_trace_topic() {
    let (topic, group) = (fresh("traced"), fresh("tracing"));
    let producer =
        Producer::builder().name_servers(name_servers()).group(&group).trace(true).build().await.unwrap();
    let sent = sent_by(&producer, Message::new(&topic, "x").with_keys(fresh("key"))).await;
    producer.shutdown().await;
    let seen = Seen::default();
    let consumer = noting(consumer(&group, &topic).trace(true), &seen).start().await.unwrap();
    until("it is consumed", async || is_times(1, seen.all().len())).await;
    consumer.shutdown().await;
    let lost = (producer.traces_lost(), consumer.traces_lost());
    if kills::are_on() && lost != (0, 0) {
        // What the broker did not take is counted, and that is all.
        return;
    }
    assert_eq!(lost, (0, 0));
    let admin = admin().await;
    until("all is traced", async || is_times(3, traces_of(&admin, &sent.message_id).await.len())).await;
    let records = traces_of(&admin, &sent.message_id).await;
    assert!(
        records.iter().any(|record| matches!(record, TraceRecord::Pub { is_success: true, .. })),
        "{records:?}"
    );
    assert!(records.iter().any(|record| matches!(
        record,
        TraceRecord::SubAfter { outcome: TraceOutcome::Success, is_success: true, .. }
    )));
}
