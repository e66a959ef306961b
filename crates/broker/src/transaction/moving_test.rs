//! Half messages while a slave stands in for its master.

use eruca_message::{
    Clock,
    names::{TRANS_GROUP, TRANS_HALF_TOPIC},
    transaction::Half,
};

use crate::{
    delay::NextStep,
    handler::test_parts::{TestParts, message},
    transaction::table::RETRY_MS,
};

const PROPERTIES: &[u8] =
    b"UNIQ_KEY\x01FD01\x02PGROUP\x01p\x02TRAN_MSG\x01true\x02REAL_TOPIC\x01T\x02REAL_QID\x013\x02";

#[test]
fn what_does_not_get_to_another_group_stays_open_and_is_tried_again() {
    let parts = TestParts::new();
    let transactions = parts.transactions();
    let half = message(TRANS_HALF_TOPIC, 0, "half", PROPERTIES);
    transactions.prepare(&half, &Half::of_properties(PROPERTIES).unwrap()).unwrap();
    parts.store.settle().unwrap();
    transactions.after_settle(true);
    parts.store.flush_step().unwrap();

    parts.store.set_replica(true).unwrap();
    transactions.take_up();
    transactions.set_on_duty(true);
    let (now, end) = (parts.clock.now(), parts.store.log_range().1);
    // There is no way to another group.
    for _ in 0..2 {
        assert_eq!(transactions.check_step(now), NextStep::At(now.add_ms(RETRY_MS)));
    }
    assert_eq!(transactions.counts().open, 1);
    assert_eq!(parts.store.log_range().1, end, "a slave appends nothing");
    assert_eq!(parts.offsets.committed(TRANS_GROUP, TRANS_HALF_TOPIC, 0), Some(0), "it is not settled");
}
