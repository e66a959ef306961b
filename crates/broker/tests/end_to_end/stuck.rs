//! Consumers that hang.

use std::{sync::Mutex, time::Instant};

use eruca_message::ManualClock;
use eruca_protocol::{
    RequestCode,
    body::{self, ConsumerData, HeartbeatData, SubscriptionData},
};

use super::*;

/// Collects what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// The first line with all of these.
    fn line(&self, parts: &[&str]) -> Option<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().find(|line| parts.iter().all(|part| line.contains(part))).map(str::to_owned)
    }
}

#[test]
fn a_queue_whose_consumer_hangs_is_told_in_the_log_and_by_the_broker_until_it_goes_on() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(SystemClock.now()));
    let config =
        BrokerConfig { stuck_consumer_seconds: 30, default_topic_queue_nums: 1, ..config(dir.path(), "") };
    let broker = start_with(config, clock.clone());
    let (producer, consumer) = (Peer::of(&broker), Peer::of(&broker));
    producer.ask(send_request("T", 0, "one"));
    let heartbeat = || {
        let subscription = SubscriptionData { topic: "T".to_owned(), ..SubscriptionData::default() };
        let group = ConsumerData {
            group_name: "g".to_owned(),
            subscription_data_set: vec![subscription],
            ..ConsumerData::default()
        };
        let data = HeartbeatData {
            client_id: "hangs@1".to_owned(),
            consumer_data_set: vec![group],
            ..HeartbeatData::default()
        };
        let request = RemotingCommand::request_without_header(RequestCode::HEART_BEAT);
        consumer.ask(request.with_body(body::to_json(&data)))
    };
    let rows = || {
        let reply =
            producer.ask(RemotingCommand::request_without_header(RequestCode::GET_BROKER_RUNTIME_INFO));
        let table: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        let row = |name: &str| table["table"][name].as_str().unwrap_or_default().to_owned();
        (row("stuckConsumerQueues"), row("stuckConsumerQueueList"))
    };
    let pass_until = |what: &str, holds: &dyn Fn() -> bool| {
        let end = Instant::now() + BOUND;
        while !holds() {
            assert!(Instant::now() < end, "{what}: {:?}", rows());
            // Its heartbeats come, whatever its listener does.
            clock.advance_ms(1_000);
            assert_eq!(heartbeat().response_code(), ResponseCode::SUCCESS);
            std::thread::park_timeout(Duration::from_millis(5));
        }
    };
    assert_eq!(heartbeat().response_code(), ResponseCode::SUCCESS);
    assert_eq!(bodies(&consumer.ask(pull_request("T", 0, 0))), ["one"]);
    producer.ask(send_request("T", 0, "two"));
    assert_eq!(rows().0, "0");

    pass_until("the queue is stuck", &|| rows().0 == "1");
    let (_, list) = rows();
    assert!(list.starts_with("g T 0 (") && list.ends_with(" s, 2 behind)"), "{list}");
    let told = log.line(&["WARN", "is not pulled", "group=g", "topic=T", "queue_id=0"]).unwrap();
    assert!(told.contains("messages_behind=2") && told.contains("last_puller=\"127.0.0.1:"), "{told}");

    let goes_on = || {
        consumer.ask(pull_request("T", 2, 0));
        rows().0 == "0"
    };
    pass_until("the queue is pulled again", &goes_on);
    assert_eq!(rows().1, "");
    assert!(log.line(&["INFO", "is pulled again", "group=g", "topic=T", "queue_id=0"]).is_some());
    broker.shutdown();
}
