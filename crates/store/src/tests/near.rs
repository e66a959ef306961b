//! Records read with those behind them.

use eruca_message::{LogOffset, encode_record};

use super::bench::Bench;
use crate::{
    Appended, ReadError, RecordWindow,
    disk::{Fault, FaultKind, SimOp},
    watermark::LogTip,
};

fn filled() -> (Bench, Vec<Appended>) {
    let bench = Bench::new();
    let sent = (0..60u8).map(|i| bench.send("T", 0, &vec![i; 50 + usize::from(i) * 10])).collect();
    (bench, sent)
}

fn len_of(sent: &Appended) -> u32 {
    (sent.log_offset_end.0 - sent.log_offset.0) as u32
}

#[test]
fn in_whatever_order_each_record_is_what_it_is_alone() {
    let (bench, sent) = filled();
    let mut window = RecordWindow::default();
    for step in [1, 7, 59] {
        for place in (0..sent.len()).map(|i| i * step % sent.len()) {
            let at = sent[place].log_offset;
            let alone = bench.store().record_at(at).unwrap().unwrap();
            let near = bench.store().record_near(at, len_of(&sent[place]), &mut window).unwrap().unwrap();
            let mut encoded = Vec::new();
            encode_record(&near.fields, &mut encoded).unwrap();
            assert_eq!(encoded, alone, "message {place}, step {step}");
        }
    }
}

#[test]
fn what_is_no_record_is_none_and_what_is_damaged_is_told() {
    let (bench, sent) = filled();
    let mut window = RecordWindow::default();
    let mut ask = |at: u64, len: u32| {
        let found = bench.store().record_near(LogOffset(at), len, &mut window);
        found.map(|record| record.is_some())
    };
    let (first, second) = (&sent[0], &sent[1]);
    assert!(ask(0, len_of(first)).unwrap());
    assert!(!ask(0, len_of(first) + 1).unwrap() && !ask(1, len_of(first)).unwrap());
    assert!(!ask(0, u32::MAX).unwrap() && !ask(u64::MAX, 100).unwrap());
    assert!(ask(second.log_offset.0, len_of(second)).unwrap());
    let end = sent[59].log_offset_end.0;
    assert!(!ask(end, 100).unwrap(), "nothing is there yet");
    bench.disk.rot(&bench.segment(0), second.log_offset.0 + 88);
    let mut window = RecordWindow::default();
    let found = bench.store().record_near(second.log_offset, len_of(second), &mut window);
    assert!(matches!(found, Err(ReadError::Damaged { at, .. }) if at == second.log_offset));
}

#[test]
fn a_part_that_cannot_be_read_does_not_hide_what_is_before_it() {
    let (bench, sent) = filled();
    let mut window = RecordWindow::default();
    let near = |place: usize, window: &mut RecordWindow| {
        bench
            .store()
            .record_near(sent[place].log_offset, len_of(&sent[place]), window)
            .map(|found| found.is_some())
    };
    assert!(near(0, &mut window).unwrap());
    let fail = || {
        let kind = FaultKind::Fail(std::io::ErrorKind::Other);
        bench.disk.inject(Fault { op: SimOp::Read, after: 0, kind });
    };
    fail();
    assert!(near(1, &mut window).unwrap(), "read again, by itself");
    fail();
    assert!(near(2, &mut window).unwrap());
    let mut window = RecordWindow::default();
    fail();
    assert!(matches!(near(40, &mut window), Err(ReadError::Disk(_))));
    assert!(near(40, &mut window).unwrap());
}

#[test]
fn a_record_is_there_as_soon_as_its_queue_entry_is_and_none_is_read_ahead_that_may_be_on_its_way() {
    let (bench, sent) = filled();
    let progress = &bench.store().progress;
    let whole = progress.tip();
    // As it is between the entries of a batch and the end of the log.
    let told = sent[1].log_offset_end.0;
    progress.cut_to(LogTip { end: told, ..whole });
    progress.set_appended(whole.end);
    let mut window = RecordWindow::default();
    for one in &sent[..4] {
        let found = bench.store().record_near(one.log_offset, len_of(one), &mut window).unwrap();
        assert!(found.is_some(), "an entry means it, at {}", one.log_offset.0);
        assert!(window.end() <= told.max(one.log_offset_end.0), "bytes that may change are not kept");
    }
    progress.set_written(whole);
}
