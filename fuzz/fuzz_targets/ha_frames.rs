#![no_main]

use eruca_message::{LogOffset, Timestamp};
use eruca_replication::classic::{CopiedLog, Header, SlaveSession, decode_report};
use libfuzzer_sys::fuzz_target;

#[derive(Default)]
struct Log(Vec<u8>);

impl CopiedLog for Log {
    type Error = ();

    fn append(&mut self, _at: LogOffset, bytes: &[u8]) -> Result<(), ()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

fuzz_target!(|data: &[u8]| {
    let _ = decode_report(data);
    if let Ok(Some(header)) = Header::decode(data) {
        assert_eq!(Some(&header.encode()[..]), data.get(..12), "what was read is written again");
    }
    let Some((cut, data)) = data.split_first() else { return };
    let take = |cut: usize| {
        let (mut session, mut log) = (SlaveSession::open(LogOffset(0), Timestamp(0)), Log::default());
        let ended = data.chunks(cut).try_for_each(|piece| session.receive(piece, &mut log, Timestamp(0)));
        (ended.is_ok(), log.0)
    };
    let (whole, pieces) = (take(data.len().max(1)), take(usize::from(*cut).max(1)));
    assert_eq!(whole.0, pieces.0, "it does not matter where the network cuts");
    assert!(!whole.0 || whole.1 == pieces.1);
});
