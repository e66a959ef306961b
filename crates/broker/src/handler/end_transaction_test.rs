use eruca_message::{
    Properties, StoredMessage, Timestamp,
    names::{SCHEDULE_TOPIC, TRANS_CHECK_MAX_TIME_TOPIC, TRANS_GROUP, TRANS_HALF_TOPIC, TRANS_OP_HALF_TOPIC},
};
use eruca_protocol::{Language, RequestCode, request::CheckTransactionStateRequest};
use eruca_remoting::Outbox;

use super::*;
use crate::{
    clients::ClientInfo,
    handler::test_parts::{BROKER, TestParts, answer, message},
};

const COMMIT: i32 = 8;
const ROLLBACK: i32 = 12;

/// A broker with its transactions.
struct Broker {
    parts: TestParts,
    transactions: Arc<Transactions>,
    handler: EndTransactionHandler,
}

impl Broker {
    fn new() -> Broker {
        Self::over(TestParts::new())
    }

    fn over(parts: TestParts) -> Broker {
        let transactions = parts.transactions();
        let handler = EndTransactionHandler::new(
            Arc::clone(&transactions),
            Arc::clone(&parts.store),
            Arc::clone(&parts.settings),
            parts.clock.clone(),
            Arc::new(FlushTimeouts::new(5_000)),
        );
        Broker { parts, transactions, handler }
    }

    /// Kills it, and starts it again over what is left.
    fn killed(self) -> Broker {
        let now = self.parts.clock.now();
        let Broker { parts, transactions, handler } = self;
        drop((transactions, handler));
        // What a kill leaves: nothing of this process, all that was settled.
        let parts = TestParts::in_directory(parts.stop());
        parts.clock.set(now);
        Broker::over(parts)
    }

    fn settle(&self) {
        self.transactions.before_settle();
        let settled = self.parts.store.settle();
        self.transactions.after_settle(settled.is_ok());
    }

    /// Stores a half message.
    fn half(&self, body: &str, more: &str) -> StoredMessage {
        let properties = format!(
            "UNIQ_KEY\u{1}K-{body}\u{2}PGROUP\u{1}g\u{2}TRAN_MSG\u{1}true\u{2}REAL_TOPIC\u{1}T\u{2}REAL_QID\u{1}1\u{2}{more}"
        );
        let half = Half::of_properties(properties.as_bytes()).unwrap();
        let message = eruca_store::AppendMessage {
            sys_flag: sys_flag::TRANSACTION_PREPARED,
            born_timestamp: self.parts.clock.now(),
            ..message("T", 1, body, properties.as_bytes())
        };
        let appended = self.transactions.prepare(&message, &half).unwrap();
        self.settle();
        let record = self.parts.store.record_at(appended.log_offset).unwrap().unwrap();
        StoredMessage::decode(&record).unwrap().0
    }

    fn request(half: &StoredMessage, outcome: i32, from_check: bool) -> EndTransactionRequest {
        EndTransactionRequest {
            topic: Some("T".into()),
            producer_group: "g".into(),
            tran_state_table_offset: half.queue_offset.0 as i64,
            commit_log_offset: half.log_offset.0 as i64,
            commit_or_rollback: outcome,
            from_transaction_check: Some(from_check),
            msg_id: "K".into(),
            transaction_id: None,
        }
    }

    fn send(&self, header: &EndTransactionRequest) -> RemotingCommand {
        let request = RemotingCommand::request(header);
        let (caller, _) = self.parts.connect();
        let reply = answer(&request, self.handler.end(&caller, &request));
        self.settle();
        reply
    }

    fn end(&self, half: &StoredMessage, outcome: i32) -> ResponseCode {
        self.send(&Self::request(half, outcome, false)).response_code()
    }

    fn produce(&self, group: &str) -> (Caller, Outbox) {
        let (caller, outbox) = self.parts.connect();
        let client = ClientInfo { client_id: "c".into(), language: Language::Java, version: 513 };
        self.parts.producers.heartbeat(&caller, &client, group, self.parts.clock.now()).unwrap();
        (caller, outbox)
    }

    /// Lets time pass, and the thread do its work.
    fn pass(&self, ms: i64) {
        self.parts.clock.advance_ms(ms);
        while self.transactions.check_step(self.parts.clock.now()) == crate::delay::NextStep::Now {}
    }

    fn bodies(&self, topic: &str, queue_id: i32) -> Vec<String> {
        let read = self.parts.read(topic, queue_id);
        read.into_iter().map(|message| String::from_utf8(message.message.body).unwrap()).collect()
    }

    fn offsets(&self) -> [Option<i64>; 2] {
        [TRANS_HALF_TOPIC, TRANS_OP_HALF_TOPIC]
            .map(|topic| self.parts.offsets.committed(TRANS_GROUP, topic, 0))
    }
}

/// The half messages for which producers were asked.
fn asked(outbox: &Outbox) -> Vec<(CheckTransactionStateRequest, StoredMessage)> {
    let checks = outbox.take().into_iter().map(|command| {
        assert_eq!(command.request_code(), RequestCode::CHECK_TRANSACTION_STATE);
        assert_eq!(command.ext_fields.get("bname"), Some("b"));
        let message = StoredMessage::decode(&command.body).unwrap().0;
        (command.header().unwrap(), message)
    });
    checks.collect()
}

#[test]
fn with_sync_flush_an_end_is_answered_when_the_disk_knows_of_it() {
    for outcome in [COMMIT, ROLLBACK] {
        let broker = Broker::over(TestParts::with_sync_flush());
        let half = broker.half("one", "");
        let request = RemotingCommand::request(&Broker::request(&half, outcome, false));
        let (caller, outbox) = broker.parts.connect();
        assert!(matches!(broker.handler.end(&caller, &request), Ok(Reply::Later)));
        broker.settle();
        assert!(outbox.take().is_empty(), "written is not flushed");
        broker.parts.store.flush_step().unwrap();
        assert_eq!(outbox.take()[0].response_code(), ResponseCode::SUCCESS);
        assert_eq!(broker.transactions.counts().open, 0);
    }
}

#[test]
fn an_end_that_comes_again_after_a_restart_delivers_nothing() {
    let broker = Broker::new();
    let half = broker.half("one", "");
    assert_eq!(broker.end(&half, COMMIT), ResponseCode::SUCCESS);
    let broker = broker.killed();
    assert_eq!(
        broker.end(&half, COMMIT),
        ResponseCode::ILLEGAL_OPERATION,
        "what became of it is not known any more"
    );
    assert_eq!(broker.bodies("T", 1), ["one"]);
}

/// Its message is written by another thread, and then the process dies.
#[test]
fn a_commit_without_its_note_is_noted_at_the_start() {
    for more in ["", "DELAY\u{1}3\u{2}"] {
        let broker = Broker::new();
        let half = broker.half("one", more);
        let request = RemotingCommand::request(&Broker::request(&half, COMMIT, false));
        let (caller, _) = broker.parts.connect();
        assert!(broker.handler.end(&caller, &request).is_ok());
        broker.parts.store.settle().unwrap();
        assert_eq!(broker.parts.store.queue_range(TRANS_OP_HALF_TOPIC, 0).max.0, 0);
        let broker = broker.killed();
        assert_eq!(broker.transactions.counts().open, 0);
        let [operation] = &broker.parts.read(TRANS_OP_HALF_TOPIC, 0)[..] else { panic!("one operation") };
        assert_eq!(operation.message.body, b"0,");
        let broker = broker.killed();
        assert_eq!(broker.parts.store.queue_range(TRANS_OP_HALF_TOPIC, 0).max.0, 1, "noted once");
    }
}

#[test]
fn a_committed_message_is_in_its_topic_as_javas() {
    let broker = Broker::new();
    let half = broker.half("hello", "TAGS\u{1}a\u{2}DELAYED\u{1}no\u{2}");
    assert_eq!((half.sys_flag & sys_flag::TRANSACTION_MASK, half.queue_id), (0, 0));
    assert!(broker.parts.read("T", 1).is_empty());
    assert_eq!(broker.end(&half, COMMIT), ResponseCode::SUCCESS);
    let [message] = &broker.parts.read("T", 1)[..] else { panic!("one message") };
    assert_eq!(sys_flag::transaction(message.sys_flag), COMMIT);
    assert_eq!(message.prepared_transaction_offset, half.log_offset.0 as i64);
    assert_eq!((message.born_timestamp, message.message.flag), (half.born_timestamp, half.message.flag));
    let properties: Vec<_> = message.message.properties.iter().collect();
    let expected =
        [("UNIQ_KEY", "K-hello"), ("PGROUP", "g"), ("TRAN_MSG", "true"), ("TAGS", "a"), ("DELAYED", "no")];
    assert_eq!(properties, expected);
    let entries = broker.parts.store.queue_entries("T", 1, eruca_message::QueueOffset(0), 1);
    assert_eq!(entries[0].tags_code, eruca_message::tags_code(Some("a")));
    let [op] = &broker.parts.read(TRANS_OP_HALF_TOPIC, 0)[..] else { panic!("one operation") };
    assert_eq!(op.message.body, b"0,");
    let properties: Vec<_> = op.message.properties.iter().collect();
    assert_eq!(properties, [("WAIT", "true"), ("TAGS", "d")]);
    assert_eq!((op.born_host.to_string(), op.sys_flag), (BROKER.to_owned(), 0));
}

#[test]
fn ends_that_one_read_brought_share_an_operation() {
    let broker = Broker::new();
    let halves: Vec<_> = (0..4).map(|number| broker.half(&number.to_string(), "")).collect();
    let (caller, _) = broker.parts.connect();
    for (half, outcome) in halves.iter().zip([COMMIT, ROLLBACK, 0, COMMIT]) {
        let request = RemotingCommand::request(&Broker::request(half, outcome, false));
        broker.handler.end(&caller, &request).unwrap();
    }
    broker.settle();
    assert_eq!(broker.bodies(TRANS_OP_HALF_TOPIC, 0), ["0,1,3,"]);
    assert_eq!(broker.bodies("T", 1), ["0", "3"]);
    let counts = broker.transactions.counts();
    assert_eq!((counts.open, counts.prepared, counts.committed, counts.rolled_back), (1, 4, 2, 1));
    assert_eq!(broker.transactions.open_by_topic(), [("T".to_owned(), 1)]);
}

#[test]
fn a_second_end_changes_nothing() {
    let broker = Broker::new();
    let (a, b) = (broker.half("a", ""), broker.half("b", ""));
    for _ in 0..2 {
        assert_eq!(broker.end(&a, COMMIT), ResponseCode::SUCCESS);
        assert_eq!(broker.end(&b, ROLLBACK), ResponseCode::SUCCESS);
    }
    assert_eq!(broker.end(&a, ROLLBACK), ResponseCode::ILLEGAL_OPERATION);
    assert_eq!(broker.end(&b, COMMIT), ResponseCode::ILLEGAL_OPERATION);
    assert_eq!(broker.bodies("T", 1), ["a"]);
    let broker = broker.killed();
    assert_eq!(broker.end(&b, COMMIT), ResponseCode::ILLEGAL_OPERATION, "also after a restart");
    assert_eq!(broker.bodies("T", 1), ["a"]);
}

#[test]
fn a_wrong_end_is_answered_with_what_is_wrong_and_changes_nothing() {
    let broker = Broker::new();
    let half = broker.half("a", "");
    let other = broker.parts.store("T", 0, "no half message", b"PGROUP\x01g\x02");
    let right = Broker::request(&half, COMMIT, false);
    for (header, remark) in [
        (EndTransactionRequest { producer_group: "h".into(), ..right.clone() }, "The producer group wrong"),
        (EndTransactionRequest { tran_state_table_offset: 5, ..right.clone() }, "state table offset wrong"),
        (
            EndTransactionRequest { commit_log_offset: 7, ..right.clone() },
            "Find prepared transaction message failed",
        ),
        (
            EndTransactionRequest { commit_log_offset: -7, ..right.clone() },
            "Find prepared transaction message failed",
        ),
        (EndTransactionRequest { commit_log_offset: i64::MAX, ..right.clone() }, "Find prepared"),
        (
            EndTransactionRequest { commit_log_offset: other.log_offset.0 as i64, ..right.clone() },
            "it lies in topic T",
        ),
    ] {
        let reply = broker.send(&header);
        assert_eq!(reply.response_code(), ResponseCode::SYSTEM_ERROR, "{remark}");
        assert!(reply.remark.as_deref().unwrap_or_default().contains(remark), "{:?}", reply.remark);
    }
    let reply = broker.send(&EndTransactionRequest { commit_or_rollback: 4, ..right.clone() });
    assert_eq!(reply.response_code(), ResponseCode::INVALID_PARAMETER);
    assert_eq!(broker.transactions.counts().open, 1);
    assert_eq!(broker.end(&half, COMMIT), ResponseCode::SUCCESS);
}

#[test]
fn a_record_inside_of_a_body_is_no_half_message() {
    let broker = Broker::new();
    let half = broker.half("a", "");
    let record = broker.parts.store.record_at(half.log_offset).unwrap().unwrap();
    let mut forged = record.to_vec();
    // It lies where it says, and says where it lies.
    let at = broker.parts.store.log_range().1.0 + 88;
    eruca_message::patch_offsets(&mut forged, half.queue_offset, LogOffset(at), Timestamp(1));
    let message = eruca_store::AppendMessage { body: &forged, ..message("T", 0, "", b"") };
    broker.parts.store.append(&message).unwrap();
    broker.parts.store.settle().unwrap();
    let header =
        EndTransactionRequest { commit_log_offset: at as i64, ..Broker::request(&half, COMMIT, false) };
    assert_eq!(broker.send(&header).response_code(), ResponseCode::ILLEGAL_OPERATION);
    assert!(broker.bodies("T", 1).is_empty());
}

#[test]
fn who_asked_for_immunity_must_end_within_it() {
    let broker = Broker::new();
    let half = broker.half("a", "CHECK_IMMUNITY_TIME_IN_SECONDS\u{1}10\u{2}");
    let (_caller, outbox) = broker.produce("g");
    broker.pass(10_000);
    let [(_, copy)] = &asked(&outbox)[..] else { panic!("asked when it is over") };
    broker.parts.clock.advance_ms(1);
    assert_eq!(broker.end(&half, COMMIT), ResponseCode::ILLEGAL_OPERATION);
    assert_eq!(broker.end(copy, COMMIT), ResponseCode::ILLEGAL_OPERATION);
    let reply = broker.send(&Broker::request(copy, COMMIT, true));
    assert_eq!(reply.response_code(), ResponseCode::SUCCESS);
    assert_eq!(broker.bodies("T", 1), ["a"]);
}

#[test]
fn a_silent_producer_is_asked_and_its_answer_counts_once() {
    let broker = Broker::new();
    let half = broker.half("a", "");
    let ((_a, first), (_b, second)) = (broker.produce("g"), broker.produce("g"));
    broker.pass(5_999);
    assert!(asked(&first).is_empty() && asked(&second).is_empty());
    broker.pass(1);
    broker.pass(30_000);
    let (one, other) = (asked(&first), asked(&second));
    assert_eq!((one.len(), other.len()), (1, 1), "in turn");
    let mut checks = [one, other].concat();
    checks.sort_by_key(|(header, _)| header.tran_state_table_offset);
    for ((header, message), times) in checks.iter().zip(["1", "2"]) {
        assert_eq!(header.topic.as_deref(), Some(TRANS_HALF_TOPIC));
        assert_eq!((header.msg_id.as_deref(), header.transaction_id.as_deref()), (Some("K-a"), Some("K-a")));
        assert_eq!(header.offset_msg_id, Some(message.offset_message_id()));
        assert_eq!((message.message.topic.as_str(), message.queue_id), ("T", 1));
        assert_eq!(message.message.properties.get("TRANSACTION_CHECK_TIMES"), Some(times));
        assert_eq!(header.tran_state_table_offset, message.queue_offset.0 as i64);
        assert_eq!(header.commit_log_offset, message.log_offset.0 as i64);
    }
    // The answer to the first check comes late, that to the sending even later.
    assert_eq!(
        broker.send(&Broker::request(&checks[0].1, COMMIT, true)).response_code(),
        ResponseCode::SUCCESS
    );
    assert_eq!(broker.end(&half, ROLLBACK), ResponseCode::ILLEGAL_OPERATION);
    assert_eq!(
        broker.send(&Broker::request(&checks[1].1, COMMIT, true)).response_code(),
        ResponseCode::SUCCESS
    );
    let [message] = &broker.parts.read("T", 1)[..] else { panic!("delivered once") };
    let times = message.message.properties.get("TRANSACTION_CHECK_TIMES");
    assert_eq!(times, Some("1"), "it is the record that was named");
    assert_eq!(broker.transactions.counts().checks, 2);
    broker.pass(100_000);
    assert!(asked(&first).is_empty() && asked(&second).is_empty());
}

#[test]
fn nobody_lives_and_then_somebody_does() {
    let broker = Broker::new();
    broker.half("a", "");
    broker.pass(3_600_000);
    assert_eq!(broker.transactions.counts().orphaned, 1);
    assert_eq!(broker.parts.store.queue_range(TRANS_HALF_TOPIC, 0).max.0, 1, "not copied in vain");
    let (_caller, outbox) = broker.produce("g");
    broker.pass(1_000);
    assert_eq!(asked(&outbox).len(), 1);
}

#[test]
fn who_never_answers_is_given_up_and_can_be_resumed() {
    let broker = Broker::new();
    let half = broker.half("a", "");
    let (_caller, outbox) = broker.produce("g");
    broker.pass(6_000);
    (0..20).for_each(|_| broker.pass(30_000));
    assert_eq!(asked(&outbox).len(), 15);
    let [lost] = &broker.parts.read(TRANS_CHECK_MAX_TIME_TOPIC, 0)[..] else { panic!("one message") };
    assert_eq!(lost.message.properties.get("TRANSACTION_CHECK_TIMES"), Some("15"));
    assert_eq!(lost.message.properties.get("REAL_TOPIC"), Some("T"));
    assert_eq!(broker.end(&half, COMMIT), ResponseCode::ILLEGAL_OPERATION);
    let counts = broker.transactions.counts();
    assert_eq!((counts.open, counts.given_up), (0, 1));

    let resume = |id: &str| {
        let header = ResumeCheckHalfMessageRequest { topic: None, msg_id: Some(id.to_owned()) };
        let request = RemotingCommand::request(&header);
        let reply = answer(&request, broker.handler.resume(&request));
        broker.settle();
        reply.response_code()
    };
    assert_eq!(resume("nonsense"), ResponseCode::SYSTEM_ERROR);
    assert_eq!(resume(&half.offset_message_id()), ResponseCode::ILLEGAL_OPERATION, "not open");
    let other = broker.parts.store("T", 0, "x", b"");
    let other = OffsetMessageId { store_host: BROKER.parse().unwrap(), log_offset: other.log_offset };
    assert_eq!(resume(&other.to_string()), ResponseCode::ILLEGAL_OPERATION);
    assert_eq!(resume(&lost.offset_message_id()), ResponseCode::SUCCESS);
    broker.pass(6_000);
    let [(_, again)] = &asked(&outbox)[..] else { panic!("asked again") };
    assert_eq!(again.message.properties.get("TRANSACTION_CHECK_TIMES"), Some("1"));
    assert_eq!(broker.send(&Broker::request(again, COMMIT, true)).response_code(), ResponseCode::SUCCESS);
    assert_eq!(broker.bodies("T", 1), ["a"]);
}

#[test]
fn a_delayed_transaction_is_delayed_from_its_commit_on() {
    let broker = Broker::new();
    let half = broker.half("a", "DELAY\u{1}2\u{2}");
    assert_eq!(broker.end(&half, COMMIT), ResponseCode::SUCCESS);
    assert!(broker.parts.read("T", 1).is_empty());
    let [parked] = &broker.parts.read(SCHEDULE_TOPIC, 1)[..] else { panic!("parked") };
    let properties: &Properties = &parked.message.properties;
    assert_eq!((properties.get("REAL_TOPIC"), properties.get("REAL_QID")), (Some("T"), Some("1")));
    assert_eq!((properties.get("TRAN_MSG"), parked.sys_flag & 0xC), (None, COMMIT));
}

#[test]
fn what_is_open_is_open_after_a_restart_and_offsets_tell_java() {
    let broker = Broker::new();
    let halves: Vec<_> = (0..3).map(|number| broker.half(&number.to_string(), "")).collect();
    assert_eq!(broker.end(&halves[0], COMMIT), ResponseCode::SUCCESS);
    let broker = broker.killed();
    assert_eq!(broker.transactions.counts().open, 2);
    let (_caller, outbox) = broker.produce("g");
    broker.pass(6_000);
    let copies = asked(&outbox);
    assert_eq!(copies.len(), 2);
    broker.transactions.persist();
    assert_eq!(broker.offsets(), [Some(3), Some(0)]);
    let broker = broker.killed();
    assert_eq!(broker.transactions.counts().open, 2, "the copies, and not what they were made of");
    for (_, copy) in &copies {
        assert_eq!(broker.send(&Broker::request(copy, COMMIT, true)).response_code(), ResponseCode::SUCCESS);
    }
    broker.transactions.persist();
    assert_eq!(broker.offsets()[0], Some(5));
    let broker = broker.killed();
    assert_eq!(broker.transactions.counts().open, 0);
    assert_eq!(broker.bodies("T", 1), ["0", "1", "2"]);
}

/// A master in a group, whose log may lose what only it has.
#[test]
fn offsets_tell_of_no_end_that_may_be_cut_off() {
    let broker = Broker::new();
    let half = broker.half("a", "");
    broker.parts.store.note_confirmed(Some(broker.parts.store.log_range().1));
    assert_eq!(broker.end(&half, COMMIT), ResponseCode::SUCCESS);
    broker.transactions.persist();
    assert_eq!(broker.offsets()[0], Some(0));
    broker.parts.store.note_confirmed(None);
    broker.transactions.persist();
    assert_eq!(broker.offsets()[0], Some(1));
}

#[test]
fn javas_copies_replace_what_they_were_made_of() {
    let parts = TestParts::new();
    let common = "PGROUP\u{1}g\u{2}REAL_TOPIC\u{1}T\u{2}REAL_QID\u{1}1\u{2}";
    let store = |body: &str, key: &str, more: &str| {
        let properties = format!("UNIQ_KEY\u{1}{key}\u{2}{common}{more}");
        parts.store(TRANS_HALF_TOPIC, 0, body, properties.as_bytes());
    };
    // Killed before it wrote its offsets.
    store("checked", "a", "");
    store("checked", "a", "TRANSACTION_CHECK_TIMES\u{1}1\u{2}");
    store("immune, settled by its first", "b", "");
    store("immune, settled by its first", "b", "TRAN_PREPARED_QUEUE_OFFSET\u{1}2\u{2}");
    store("sent twice by its producer", "c", "");
    store("sent twice by its producer", "c", "");
    store("no half message", "d", "REAL_QID\u{1}-1\u{2}");
    parts.store(TRANS_OP_HALF_TOPIC, 0, "2,", b"TAGS\x01d\x02");
    let broker = Broker::over(parts);
    assert_eq!(broker.transactions.counts().open, 3);
    let (_caller, outbox) = broker.produce("g");
    broker.pass(30_000);
    let mut bodies: Vec<_> = asked(&outbox)
        .into_iter()
        .map(|(_, message)| String::from_utf8(message.message.body).unwrap())
        .collect();
    bodies.sort();
    assert_eq!(bodies, ["checked", "sent twice by its producer", "sent twice by its producer"]);
}

#[test]
fn offsets_beyond_the_queues_are_brought_back() {
    let parts = TestParts::new();
    parts.offsets.commit(TRANS_GROUP, TRANS_HALF_TOPIC, 0, 1_000);
    parts.offsets.commit(TRANS_GROUP, TRANS_OP_HALF_TOPIC, 0, -5);
    let broker = Broker::over(parts);
    assert_eq!(broker.offsets(), [Some(0), Some(0)]);
    broker.half("a", "");
    assert_eq!(broker.killed().transactions.counts().open, 1);
}

#[test]
fn a_store_that_stops_leaves_transactions_open() {
    let broker = Broker::new();
    let half = broker.half("a", "");
    broker.parts.store.close().unwrap();
    assert_eq!(broker.end(&half, COMMIT), ResponseCode::SERVICE_NOT_AVAILABLE);
    // A rollback stores nothing itself.
    broker.end(&half, ROLLBACK);
    assert_eq!(broker.transactions.counts().open, 1);
}
