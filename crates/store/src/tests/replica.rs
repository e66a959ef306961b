//! A store that is a copy of another one.

use std::io::ErrorKind;

use eruca_message::{LogOffset, QueueOffset};

use super::bench::{Bench, Heard, shared_config, small_config};
use crate::{
    CopyError, StoreConfig, WriteStopped,
    disk::{Fault, FaultKind, SimDisk, SimOp},
};

fn master(messages: u32) -> Bench {
    let bench = Bench::new();
    for number in 0..messages {
        send(&bench, number);
    }
    bench
}

fn send(bench: &Bench, number: u32) {
    let topic = ["T", "U", "V"][number as usize % 3];
    bench.send(topic, number as i32 % 2, &vec![number as u8; 20 + number as usize * 37 % 700]);
}

pub(super) fn slave(config: StoreConfig, seed: u64) -> Bench {
    let bench = Bench::with(config, SimDisk::new(seed));
    bench.store().set_replica(true).unwrap();
    bench
}

/// The log of `bench` from `from` on, as it lies.
pub(super) fn raw(bench: &Bench, from: u64) -> Vec<u8> {
    let (mut bytes, mut at) = (Vec::new(), from);
    loop {
        match bench.store().read_raw_log(LogOffset(at), 1000, &mut bytes).unwrap() {
            0 => return bytes,
            len => at += len as u64,
        }
    }
}

/// Copies all that `slave` lacks, in pieces of `piece` bytes.
pub(super) fn copy(master: &Bench, slave: &Bench, piece: usize) -> Result<(), CopyError> {
    let from = slave.store().begin_copy()?;
    copy_from(master, slave, from.0, piece)
}

pub(super) fn copy_from(master: &Bench, slave: &Bench, from: u64, piece: usize) -> Result<(), CopyError> {
    let mut at = from;
    for bytes in raw(master, from).chunks(piece) {
        slave.store().append_copy(LogOffset(at), bytes)?;
        at += bytes.len() as u64;
    }
    Ok(())
}

fn assert_same(master: &Bench, slave: &Bench) {
    let (min, max) = slave.store().log_range();
    assert_eq!(max, master.store().log_range().1);
    assert!(raw(master, min.0) == raw(slave, min.0), "the logs are the same");
    for (topic, queues) in slave.store().topics_with_queues() {
        for queue in queues {
            let range = slave.store().queue_range(&topic, queue);
            assert_eq!(range.max, master.store().queue_range(&topic, queue).max, "{topic} {queue}");
            let all = master.messages(&topic, queue);
            let copied = slave.messages(&topic, queue);
            assert_eq!(copied[..], all[all.len() - copied.len()..], "{topic} {queue}");
            let begins_with_log = all.first().is_none_or(|first| first.log_offset.0 >= min.0);
            assert_eq!(begins_with_log, copied.len() == all.len(), "{topic} {queue}");
        }
    }
}

#[test]
fn a_copy_is_the_same_however_the_bytes_are_cut() {
    for piece in [1, 7, 100, 1000, 1 << 20] {
        let (master, slave) = (master(120), slave(small_config(), 3));
        copy(&master, &slave, piece).unwrap();
        assert_same(&master, &slave);
        assert_eq!(slave.store().topics_with_queues(), master.store().topics_with_queues());
        send(&master, 120);
        copy(&master, &slave, piece).unwrap();
        assert_same(&master, &slave);
    }
}

#[test]
fn a_record_in_pieces_is_held_back_and_readers_are_told_of_whole_ones() {
    let (master, slave) = (master(2), slave(small_config(), 3));
    let heard = std::sync::Arc::new(Heard::default());
    assert!(slave.store().set_arrival_listener(heard.clone()));
    let bytes = raw(&master, 0);
    let second = u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize;
    slave.store().begin_copy().unwrap();
    let end = slave.store().append_copy(LogOffset(0), &bytes[..second + 5]).unwrap();
    assert_eq!((end.0, heard.0.lock().unwrap().len()), (second as u64, 1));
    assert_eq!(slave.store().log_range().1.0, second as u64);
    let end = slave.store().append_copy(LogOffset(second as u64 + 5), &bytes[second + 5..]).unwrap();
    assert_eq!((end.0, heard.0.lock().unwrap().len()), (bytes.len() as u64, 2));
    let told = heard.0.lock().unwrap()[1].clone();
    assert_eq!(
        (&*told.topic, told.queue_id, told.queue_offset, told.queue_offset_max.0),
        ("U", 1, QueueOffset(0), 1)
    );
}

#[test]
fn a_copy_takes_no_messages_of_its_own_and_a_master_no_copies() {
    let (master, slave) = (master(1), slave(small_config(), 3));
    assert!(slave.append("T", 0, b"x").unwrap_err().to_string().contains("send to the master"));
    assert!(matches!(master.store().begin_copy(), Err(CopyError::NotAReplica)));
    assert!(matches!(slave.store().append_copy(LogOffset(0), b""), Err(CopyError::NotBegun)));
    copy(&master, &slave, 1 << 20).unwrap();
    slave.store().set_replica(false).unwrap();
    assert!(matches!(slave.store().append_copy(LogOffset(0), b"x"), Err(CopyError::Elsewhere { .. })));
    // It goes on where the master ended.
    let appended = slave.send("T", 0, b"mine");
    assert_eq!((appended.queue_offset.0, appended.log_offset), (1, master.store().log_range().1));
    assert_eq!(slave.bodies("T", 0).len(), 2);
}

#[test]
fn what_is_no_record_of_its_place_is_refused_and_nothing_of_it_is_there() {
    let (master, slave) = (master(40), slave(small_config(), 3));
    let bytes = raw(&master, 0);
    let first = u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize;
    let second = first + u32::from_be_bytes(bytes[first..first + 4].try_into().unwrap()) as usize;
    let mut torn = bytes.clone();
    torn[second - 40] ^= 1;
    let zeros = [&bytes[..first], &[0; 100]].concat();
    let foreign = [&bytes[..first], &bytes[..first]].concat();
    let mut large = bytes[..first + 8].to_vec();
    large[first..first + 4].copy_from_slice(&4000i32.to_be_bytes());
    let limited = Bench::with(StoreConfig { max_message_size_bytes: 1, ..small_config() }, SimDisk::new(1));
    limited.store().set_replica(true).unwrap();
    for (bytes, said) in [(&torn, "no whole record"), (&zeros, "zeros"), (&foreign, "of this place")] {
        slave.store().begin_copy().unwrap();
        let from = slave.store().log_range().1.0 as usize;
        let error = slave.store().append_copy(LogOffset(from as u64), &bytes[from..]).unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
        assert_eq!(slave.store().log_range().1.0 as usize, from, "nothing of what is wrong is taken");
        assert!(matches!(slave.store().append_copy(LogOffset(0), b""), Err(CopyError::NotBegun)));
    }
    copy(&master, &slave, 777).unwrap();
    assert_same(&master, &slave);
    let at = slave.store().begin_copy().unwrap();
    let error = slave.store().append_copy(LogOffset(at.0 + 1), b"x").unwrap_err();
    assert!(matches!(error, CopyError::Elsewhere { .. }), "{error}");
}

#[test]
fn an_empty_store_begins_where_the_master_begins_to_send() {
    let master = master(120);
    let last = master.store().log_range().1.0 / 4096 * 4096;
    assert!(last > 8192);
    for config in [small_config(), shared_config()] {
        let mut slave = slave(config, 5);
        slave.store().begin_copy().unwrap();
        assert!(matches!(
            slave.store().append_copy(LogOffset(last + 1), b"x"),
            Err(CopyError::NotASegment { size_bytes: 4096, .. })
        ));
        slave.store().begin_copy().unwrap();
        copy_from(&master, &slave, last, 333).unwrap();
        assert_same(&master, &slave);
        assert_eq!(slave.store().log_range().0.0, last);
        slave.power_cut();
        slave.store().set_replica(true).unwrap();
        copy(&master, &slave, 100).unwrap();
        assert_same(&master, &slave);
        slave.reopen();
        assert_same(&master, &slave);
    }
}

#[test]
fn a_reader_of_the_log_is_told_where_it_begins_and_ends() {
    let (master, mut bytes) = (master(3), Vec::new());
    let max = master.store().log_range().1;
    assert_eq!(master.store().read_raw_log(max, 100, &mut bytes).unwrap(), 0);
    let ahead = master.store().read_raw_log(LogOffset(max.0 + 1), 100, &mut bytes).unwrap_err();
    assert!(ahead.to_string().contains("the slave has what its master has not"), "{ahead}");
    assert_eq!(master.store().read_raw_log(LogOffset(0), 100, &mut bytes).unwrap(), 100);
}

#[test]
fn a_topic_that_the_master_deletes_and_makes_anew_begins_anew() {
    for config in [small_config(), shared_config()] {
        let (master, mut slave) = (master(60), slave(config, 3));
        copy(&master, &slave, 500).unwrap();
        slave.store().queue_flush_step().unwrap();
        assert!(master.store().delete_topic("T").unwrap());
        for body in [b"new 0", b"new 1"] {
            master.send("T", 0, body);
        }
        copy(&master, &slave, 500).unwrap();
        assert_eq!(slave.bodies("T", 0), [b"new 0", b"new 1"]);
        slave.kill();
        assert_eq!(slave.bodies("T", 0), [b"new 0", b"new 1"]);
    }
}

/// Copies in pieces, flushes now and then; ends at the first error. Up to where it was acknowledged.
fn run(master: &Bench, slave: &Bench, flushed: &mut u64) -> Option<()> {
    let store = slave.store();
    let mut at = store.begin_copy().ok()?.0;
    for (number, bytes) in raw(master, at).chunks(450).enumerate() {
        store.append_copy(LogOffset(at), bytes).ok()?;
        at += bytes.len() as u64;
        if number % 4 == 3 {
            *flushed = store.flush_step().ok()?.0;
        }
        if number % 10 == 9 {
            *flushed = store.queue_flush_step().ok()?.up_to.0;
        }
    }
    store.close().ok()
}

#[test]
fn a_slave_that_dies_at_any_step_goes_on_and_has_what_it_acknowledged() {
    let master = master(50);
    for (config, power_cut) in [(small_config(), false), (small_config(), true), (shared_config(), true)] {
        let steps = {
            let slave = slave(config.clone(), 7);
            let before = slave.disk.changes();
            run(&master, &slave, &mut 0).unwrap();
            slave.disk.changes() - before
        };
        assert!(steps > 40, "{steps}");
        for (after, keep) in (0..steps).flat_map(|after| [0, 5, 300, usize::MAX].map(|keep| (after, keep))) {
            let mut slave = slave(config.clone(), after * 31 + keep as u64 % 1000);
            slave.disk.inject(Fault { op: SimOp::Change, after, kind: FaultKind::Crash(keep) });
            let mut flushed = 0;
            assert_eq!(run(&master, &slave, &mut flushed), None, "the crash at step {after} came");
            if power_cut {
                slave.power_cut();
            } else {
                slave.kill();
            }
            assert!(slave.store().log_range().1.0 >= flushed, "step {after}");
            slave.store().set_replica(true).unwrap();
            copy(&master, &slave, 640).unwrap();
            assert_same(&master, &slave);
        }
    }
}

#[test]
fn a_full_disk_stops_the_copy_until_there_is_room() {
    let (master, slave) = (master(120), slave(small_config(), 3));
    for after in 0..40 {
        slave.disk.inject(Fault { op: SimOp::Change, after, kind: FaultKind::Fail(ErrorKind::StorageFull) });
        match copy(&master, &slave, 200) {
            Ok(()) => break,
            Err(error) => {
                assert!(matches!(error, CopyError::Stopped(WriteStopped::DiskFull { .. })), "{error:?}");
            }
        }
        assert!(slave.store().write_stopped_since().is_some());
        slave.store().space_step();
    }
    copy(&master, &slave, 200).unwrap();
    assert_same(&master, &slave);
}
