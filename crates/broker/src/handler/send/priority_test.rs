//! Messages with a priority, in the queues that stand for priorities.

use eruca_protocol::ResponseCode;

use super::send_message_test::{Sender, message};
use crate::handler::test_parts::TestParts;

/// Where a message with these properties goes that was sent to queue 2 of four, and whether it keeps its priority.
fn stored(properties: &str) -> (String, Option<String>) {
    let sender = Sender::over(TestParts::new());
    let reply = sender.send(&message("T", 2, properties));
    assert_eq!(reply.response_code(), ResponseCode::SUCCESS, "{reply:?}");
    let queue_id = reply.ext_fields.get("queueId").unwrap().to_owned();
    let lies_in = sender.parts.read("T", queue_id.parse().unwrap());
    let kept = lies_in.first().and_then(|stored| stored.message.properties.get("_SYS_MSG_PRIORITY_"));
    (queue_id, kept.map(str::to_owned))
}

#[test]
fn a_priority_says_the_queue() {
    for (priority, queue_id) in [("0", "0"), ("1", "1"), ("3", "3"), ("4", "3"), ("2147483647", "3")] {
        let properties = format!("_SYS_MSG_PRIORITY_={priority} WAIT=true ");
        assert_eq!(stored(&properties), (queue_id.to_owned(), Some(priority.to_owned())));
    }
}

#[test]
fn what_is_no_priority_leaves_the_queue() {
    for none in ["-1", "high", "2147483648"] {
        let properties = format!("_SYS_MSG_PRIORITY_={none} WAIT=true ");
        assert_eq!(
            stored(&properties),
            ("2".to_owned(), Some(none.to_owned())),
            "as in Java it stays as it is"
        );
    }
}

#[test]
fn order_goes_before_priority() {
    assert_eq!(stored("_SYS_MSG_PRIORITY_=3 __SHARDINGKEY=k "), ("2".to_owned(), None));
}
