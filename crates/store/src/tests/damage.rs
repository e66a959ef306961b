//! Bit rot under the eyes of a consumer: it gets all other messages, in order, and an end.

use eruca_message::{QueueOffset, StoredMessage};

use super::bench::{Bench, message};
use crate::{AppendMessage, EntryFilter, EveryMessage, ReadLimits, ReadStatus};

/// Bytes of a record (IPv4 hosts), by name. Those that neither frame nor CRC cover are not among them.
const BYTES: [(&str, u64); 8] = [
    ("length, high", 0),
    ("length, low", 3),
    ("magic", 5),
    ("CRC", 9),
    ("place in the log", 35),
    ("body length", 87),
    ("body", 88),
    ("body, last", 88 + 99),
];

/// Takes what has a tag.
struct Tagged;
impl EntryFilter for Tagged {
    fn matches_entry(&self, _: i64) -> bool {
        true
    }
    fn needs_properties(&self) -> bool {
        true
    }
    fn matches_properties(&self, properties: &[u8]) -> bool {
        // A filter may take what it is given for sound.
        assert_eq!(properties, b"TAGS\x01tagA\x02");
        true
    }
}

/// Reads a queue to its end as a consumer does; the first byte of each body.
fn consume(bench: &Bench, queue_id: i32, max_messages: usize, filter: &dyn EntryFilter) -> Vec<u8> {
    let limits = ReadLimits { max_messages, ..ReadLimits::default() };
    let (mut next, mut bodies) = (QueueOffset(0), Vec::new());
    loop {
        let read = bench.store().read("T", queue_id, next, &limits, filter);
        if read.status == ReadStatus::OffsetOverflowOne {
            return bodies;
        }
        assert!(read.next_offset > next, "{:?} at {next} leads to {}", read.status, read.next_offset);
        next = read.next_offset;
        let messages = StoredMessage::decode_all(&read.records).unwrap();
        assert_eq!(messages.len(), read.message_count);
        bodies.extend(messages.iter().map(|stored| stored.message.body[0]));
    }
}

fn filled() -> (Bench, Vec<u64>) {
    let bench = Bench::new();
    let places = (0..30u8)
        .map(|i| {
            let mut body = [b'x'; 100];
            body[0] = i;
            bench.send("T", 0, &body).log_offset.0
        })
        .collect();
    (bench, places)
}

fn without(gone: &[u8]) -> Vec<u8> {
    (0..30).filter(|i| !gone.contains(i)).collect()
}

fn rot(bench: &Bench, place: u64, byte: u64) {
    let start = place - place % 4096;
    bench.disk.rot(&bench.segment(start), place - start + byte);
}

#[test]
fn a_record_that_rots_is_the_only_one_that_is_not_consumed() {
    for (name, byte) in BYTES {
        for victim in [0u8, 14, 29] {
            let (bench, places) = filled();
            rot(&bench, places[usize::from(victim)], byte);
            for max_messages in [1, 7, 32] {
                let bodies = consume(&bench, 0, max_messages, &EveryMessage);
                assert_eq!(bodies, without(&[victim]), "{name} of {victim}");
                assert_eq!(consume(&bench, 0, max_messages, &Tagged), without(&[victim]), "{name}, filtered");
            }
            assert_eq!(bench.store().damaged_records_passed_over(), 6, "{name}");
            // Whoever writes does not notice.
            bench.send("T", 0, b"on");
            assert_eq!(consume(&bench, 0, 32, &EveryMessage).last(), Some(&b'o'));
        }
    }
}

#[test]
fn many_that_rot_leave_the_others() {
    let (bench, places) = filled();
    let gone = [0u8, 1, 2, 9, 10, 20, 28, 29];
    for victim in gone {
        rot(&bench, places[usize::from(victim)], 90);
    }
    for max_messages in [1, 2, 5, 32] {
        assert_eq!(consume(&bench, 0, max_messages, &EveryMessage), without(&gone));
    }
    for place in places {
        rot(&bench, place, 91);
    }
    // Those of `gone` have two bad bytes now.
    assert_eq!(consume(&bench, 0, 4, &EveryMessage), []);
}

#[test]
fn rot_of_the_file_itself_is_met_after_a_restart_as_well() {
    let (mut bench, places) = filled();
    bench.store().close().unwrap();
    rot(&bench, places[3], 88);
    bench.drop_store();
    bench.open().unwrap();
    assert_eq!(consume(&bench, 0, 32, &EveryMessage), without(&[3]));
    // After a kill as well, where recovery reads the record itself.
    bench.kill();
    rot(&bench, places[17], 0);
    assert_eq!(consume(&bench, 0, 32, &EveryMessage), without(&[3, 17]));
    bench.kill();
    assert_eq!(consume(&bench, 0, 32, &EveryMessage), without(&[3, 17]));
}

#[test]
fn a_damaged_batch_is_passed_over_whole() {
    let bench = Bench::new();
    assert!(bench.store().declare_batch_topic("T"));
    let mut places = Vec::new();
    for i in 0..5u8 {
        let (body, properties): (_, &[u8]) = ([i; 50], b"INNER_NUM\x013\x02");
        let sys_flag = eruca_message::sys_flag::INNER_BATCH;
        let batch = AppendMessage { properties, sys_flag, ..message("T", 0, &body) };
        places.push(bench.store().append(&batch).unwrap().log_offset.0);
        bench.store().settle().unwrap();
    }
    let read = |from| {
        let limits = ReadLimits::default();
        let read = bench.store().read("T", 0, QueueOffset(from), &limits, &EveryMessage);
        (read.status, read.message_count, read.next_offset.0)
    };
    assert_eq!(read(0), (ReadStatus::Found, 15, 15));
    rot(&bench, places[2], 90);
    assert_eq!(read(0), (ReadStatus::Found, 12, 15));
    assert_eq!(read(6), (ReadStatus::Found, 6, 15));
    rot(&bench, places[4], 90);
    assert_eq!(read(12), (ReadStatus::MessageWasRemoving, 0, 15));
    assert_eq!(bench.store().damaged_records_passed_over(), 3);
}
