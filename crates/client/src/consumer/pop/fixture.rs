//! What brokers of the tests answer to pops.

use eruca_protocol::{
    RemotingCommand, ResponseCode,
    request::{PopMessageRequest, PopMessageResponse},
};

use crate::decode::tests::record;

/// The messages at `offsets` of queue 1 of the topic "t"; their bodies are their offsets.
pub(crate) fn found(request: &RemotingCommand, offsets: &[u64], tag: &str) -> RemotingCommand {
    found_again(request, offsets, tag, None)
}

/// As [`found`], with how often messages were given out before, as brokers tell it of messages in order.
pub(crate) fn found_again(
    request: &RemotingCommand,
    offsets: &[u64],
    tag: &str,
    order_counts: Option<&str>,
) -> RemotingCommand {
    let texts: Vec<String> = offsets.iter().map(u64::to_string).collect();
    let asked: PopMessageRequest = request.header().unwrap();
    let header = PopMessageResponse {
        pop_time: 5,
        invisible_time: asked.invisible_time,
        revive_qid: 2,
        rest_num: 0,
        start_offset_info: Some(format!("0 1 {}", offsets[0])),
        msg_offset_info: Some(format!("0 1 {}", texts.join(","))),
        order_count_info: order_counts.map(str::to_owned),
    };
    let properties = if tag.is_empty() { String::new() } else { format!("TAGS\u{1}{tag}\u{2}") };
    let records =
        offsets.iter().map(|at| record("t", *at, 0, at.to_string().as_bytes(), properties.as_bytes()));
    request.reply_with(&header).with_body(records.collect::<Vec<_>>().concat())
}

/// None came.
pub(crate) fn nothing(request: &RemotingCommand) -> RemotingCommand {
    request.reply_error(ResponseCode::POLLING_TIMEOUT, "NO_MESSAGE_IN_QUEUE")
}
