//! Traces of this client, as they lie in the trace topic.

use eruca_message::trace::{TraceOutcome, TraceRecord};

use super::*;

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
    until("all is traced", async || traces_of(&admin, &sent.message_id).await.len() == 3).await;
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
