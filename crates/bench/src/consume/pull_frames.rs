//! Pull requests and what comes back.

use bytes::BytesMut;
use eruca_protocol::{
    FrameDecoder, FrameError, HeaderEncoding, RemotingCommand, ResponseCode,
    request::{PullMessageRequest, PullMessageResponse},
};

/// Bits of a pull's sysFlag: wait for a message; the filter is given with the pull.
const FLAG_SUSPEND: i32 = 2;
const FLAG_SUBSCRIPTION: i32 = 4;
/// How long the broker holds a pull that finds nothing.
const SUSPEND_MS: i64 = 15_000;
/// Bytes of a frame before its header.
const PREFIX_LEN: usize = 8;

/// What all pulls of a load have in common.
#[derive(Debug, Clone)]
pub(crate) struct PullShape {
    pub(crate) group: String,
    pub(crate) tag: String,
    pub(crate) batch: i32,
    pub(crate) waits: bool,
    pub(crate) encoding: HeaderEncoding,
}

impl PullShape {
    /// Appends a pull of `queue_id` from `offset` on.
    pub(crate) fn append(
        &self,
        topic: &str,
        queue_id: i32,
        offset: i64,
        opaque: i32,
        out: &mut Vec<u8>,
    ) -> Result<(), FrameError> {
        let header = PullMessageRequest {
            consumer_group: self.group.clone(),
            topic: topic.to_owned(),
            queue_id,
            queue_offset: offset,
            max_msg_nums: self.batch,
            sys_flag: FLAG_SUBSCRIPTION | if self.waits { FLAG_SUSPEND } else { 0 },
            suspend_timeout_millis: if self.waits { SUSPEND_MS } else { 0 },
            subscription: Some(self.tag.clone()),
            expression_type: Some("TAG".to_owned()),
            ..PullMessageRequest::default()
        };
        let mut command = RemotingCommand::request(&header);
        (command.encoding, command.opaque) = (self.encoding, opaque);
        let mut frame = BytesMut::new();
        command.encode(&mut frame)?;
        out.extend_from_slice(&frame);
        Ok(())
    }
}

/// What a pull brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pulled {
    /// Messages, and where the next ones begin.
    Messages { count: u64, next_offset: i64 },
    /// Nothing here, go on there.
    Elsewhere { next_offset: i64 },
    /// Nothing new.
    Nothing,
    /// The broker does not serve the pull.
    Refused { code: i32, remark: String },
}

impl Pulled {
    /// Reads a whole frame. Bodies are not copied: messages are only counted.
    pub(crate) fn read(frame: &[u8]) -> Result<Pulled, String> {
        let header_len = match frame.get(4..PREFIX_LEN) {
            Some(&[_, high, middle, low]) => u32::from_be_bytes([0, high, middle, low]) as usize,
            _ => return Err("a frame without a header".to_owned()),
        };
        let (head, body) = frame
            .split_at_checked(PREFIX_LEN + header_len)
            .ok_or_else(|| format!("a header of {header_len} bytes in a frame of {}", frame.len()))?;
        let mut head = BytesMut::from(head);
        if let Some(length) = head.get_mut(..4) {
            length.copy_from_slice(&(4 + header_len as u32).to_be_bytes());
        }
        let command = FrameDecoder::default()
            .decode(&mut head)
            .map_err(|error| error.to_string())?
            .ok_or("half a frame")?;
        let next_offset = || {
            let header: PullMessageResponse = command.header().map_err(|error| error.to_string())?;
            Ok::<_, String>(header.next_begin_offset)
        };
        Ok(match command.response_code() {
            ResponseCode::SUCCESS => {
                Pulled::Messages { count: count_records(body)?, next_offset: next_offset()? }
            }
            ResponseCode::PULL_RETRY_IMMEDIATELY | ResponseCode::PULL_OFFSET_MOVED => {
                Pulled::Elsewhere { next_offset: next_offset()? }
            }
            ResponseCode::PULL_NOT_FOUND => Pulled::Nothing,
            code => Pulled::Refused { code: code.0, remark: command.remark.clone().unwrap_or_default() },
        })
    }
}

/// How many records lie one after the other in `body`: each begins with its own length.
fn count_records(body: &[u8]) -> Result<u64, String> {
    let (mut rest, mut count) = (body, 0);
    while !rest.is_empty() {
        let len = rest.first_chunk::<4>().map(|len| u32::from_be_bytes(*len) as usize);
        rest = len
            .filter(|len| *len >= 4)
            .and_then(|len| rest.get(len..))
            .ok_or_else(|| format!("record {count} of an answer does not fit its {} bytes", body.len()))?;
        count += 1;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn answer(code: ResponseCode, body: &[u8]) -> Vec<u8> {
        let request = RemotingCommand::request_without_header(eruca_protocol::RequestCode::PULL_MESSAGE);
        let header = PullMessageResponse { next_begin_offset: 42, ..PullMessageResponse::default() };
        let mut reply = request.reply_with(&header).with_body(body.to_vec()).with_remark("why");
        reply.code = code.0;
        let mut frame = BytesMut::new();
        reply.encode(&mut frame).unwrap();
        frame.to_vec()
    }

    #[test]
    fn records_are_counted_by_their_lengths() {
        let body = [&[0, 0, 0, 6, 1, 2][..], &[0, 0, 0, 4], &[0, 0, 0, 5, 9]].concat();
        let read = Pulled::read(&answer(ResponseCode::SUCCESS, &body));
        assert_eq!(read, Ok(Pulled::Messages { count: 3, next_offset: 42 }));
        let cut = Pulled::read(&answer(ResponseCode::SUCCESS, &body[..14])).unwrap_err();
        assert_eq!(cut, "record 2 of an answer does not fit its 14 bytes");
    }

    #[test]
    fn every_answer_says_how_to_go_on() {
        let read = |code| Pulled::read(&answer(code, b"")).unwrap();
        assert_eq!(read(ResponseCode::PULL_NOT_FOUND), Pulled::Nothing);
        assert_eq!(read(ResponseCode::PULL_OFFSET_MOVED), Pulled::Elsewhere { next_offset: 42 });
        assert_eq!(read(ResponseCode::PULL_RETRY_IMMEDIATELY), Pulled::Elsewhere { next_offset: 42 });
        let refused = read(ResponseCode::SYSTEM_ERROR);
        assert_eq!(refused, Pulled::Refused { code: 1, remark: "why".to_owned() });
    }

    #[test]
    fn a_pull_names_queue_offset_and_filter() {
        let shape = PullShape {
            group: "g".to_owned(),
            tag: "a || b".to_owned(),
            batch: 32,
            waits: true,
            encoding: HeaderEncoding::Binary,
        };
        let mut out = Vec::new();
        shape.append("T", 3, 77, 1_000_000_001, &mut out).unwrap();
        let command = FrameDecoder::default().decode(&mut BytesMut::from(&out[..])).unwrap().unwrap();
        let header: PullMessageRequest = command.header().unwrap();
        assert_eq!((header.queue_id, header.queue_offset, header.max_msg_nums), (3, 77, 32));
        assert_eq!((header.sys_flag, header.subscription.as_deref()), (6, Some("a || b")));
        assert_eq!(command.opaque, 1_000_000_001);
    }

    proptest! {
        #[test]
        fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = Pulled::read(&bytes);
            let _ = count_records(&bytes);
        }
    }
}
