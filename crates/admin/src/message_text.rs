//! A message as text, in the Java tool's two forms: one line per message, or one line per field.

use std::{
    io::{self, Write},
    net::{IpAddr, SocketAddr},
};

use eruca_client::{PullStatus, SendResult, SendStatus};
use eruca_message::{MessageQueue, StoredMessage, properties};

use crate::{
    java_order::{self, PROPERTY_BUCKETS},
    table,
    time_text::LocalTime,
};

/// The queue as Java's `MessageQueue.toString` writes it.
pub(crate) fn queue(queue: &MessageQueue) -> String {
    let MessageQueue { topic, broker_name, queue_id } = queue;
    format!("MessageQueue [topic={topic}, brokerName={broker_name}, queueId={queue_id}]")
}

/// `host` as Java's `InetSocketAddress.toString` writes an address without a name, but for the slash in front.
pub(crate) fn host(host: &SocketAddr) -> String {
    match host.ip() {
        IpAddr::V4(ip) => format!("{ip}:{}", host.port()),
        // Java does not shorten runs of zeros.
        IpAddr::V6(ip) => {
            let groups: Vec<String> = ip.segments().iter().map(|group| format!("{group:x}")).collect();
            format!("[{}]:{}", groups.join(":"), host.port())
        }
    }
}

/// The message's properties in Java's order.
pub(crate) fn properties(message: &StoredMessage) -> String {
    let mut entries: Vec<(&str, &str)> = message.message.properties.iter().collect();
    java_order::sort_by_key(&mut entries, PROPERTY_BUCKETS, |(name, _)| name);
    table::map(entries)
}

/// The body as text; bytes that are not UTF-8 are replaced.
pub(crate) fn body(message: &StoredMessage) -> String {
    String::from_utf8_lossy(&message.message.body).into_owned()
}

/// How a pull ended, in Java's words.
pub(crate) fn pull_status(status: PullStatus) -> &'static str {
    match status {
        PullStatus::Found => "FOUND",
        PullStatus::NoNewMessage => "NO_NEW_MSG",
        PullStatus::NoMatchedMessage => "NO_MATCHED_MSG",
        PullStatus::OffsetMoved => "OFFSET_ILLEGAL",
    }
}

/// How safely a message is stored, in Java's words.
pub(crate) fn send_status(status: SendStatus) -> &'static str {
    match status {
        SendStatus::Ok => "SEND_OK",
        SendStatus::FlushDiskTimeout => "FLUSH_DISK_TIMEOUT",
        SendStatus::FlushSlaveTimeout => "FLUSH_SLAVE_TIMEOUT",
        SendStatus::SlaveNotAvailable => "SLAVE_NOT_AVAILABLE",
    }
}

/// What a send brought (Java: `SendResult.toString`).
pub(crate) fn send_result(sent: &SendResult) -> String {
    format!(
        "SendResult [sendStatus={}, msgId={}, offsetMsgId={}, messageQueue={}, queueOffset={}, recallHandle={}]",
        send_status(sent.status),
        sent.message_id,
        sent.offset_message_id,
        queue(&sent.queue),
        sent.queue_offset,
        sent.recall_handle.as_deref().unwrap_or("null"),
    )
}

/// Prints the message's id, all its fields and, if `with_body`, its body as text.
pub(crate) fn print_line(out: &mut dyn Write, message: &StoredMessage, with_body: bool) -> io::Result<()> {
    let body = if with_body { body(message) } else { "NOT PRINT BODY".to_owned() };
    writeln!(out, "MSGID: {} {} BODY: {body}", message.message_id(), one_line(message))
}

/// The message on one line with all its fields (Java: `MessageExt.toString`).
pub(crate) fn one_line(message: &StoredMessage) -> String {
    // Java has signed bytes.
    let bytes: Vec<String> = message.message.body.iter().map(|byte| byte.cast_signed().to_string()).collect();
    format!(
        "MessageExt [brokerName={}, queueId={}, storeSize={}, queueOffset={}, sysFlag={}, bornTimestamp={}, \
         bornHost=/{}, storeTimestamp={}, storeHost=/{}, msgId={}, commitLogOffset={}, bodyCRC={}, \
         reconsumeTimes={}, preparedTransactionOffset={}, toString()=Message{{topic='{}', flag={}, properties={}, \
         body=[{}], transactionId='{}'}}]",
        message.broker_name,
        message.queue_id,
        message.store_size_bytes,
        message.queue_offset.0,
        message.sys_flag,
        message.born_timestamp.0,
        host(&message.born_host),
        message.store_timestamp.0,
        host(&message.store_host),
        message.offset_message_id(),
        message.log_offset.0,
        message.body_crc.cast_signed(),
        message.reconsume_times,
        message.prepared_transaction_offset,
        message.message.topic,
        message.message.flag,
        properties(message),
        bytes.join(", "),
        transaction_id(message).unwrap_or("null"),
    )
}

fn transaction_id(message: &StoredMessage) -> Option<&str> {
    let properties = &message.message.properties;
    let is_prepared = properties.get(properties::TRANSACTION_PREPARED).is_some_and(|flag| flag == "true");
    is_prepared.then(|| properties.get(properties::UNIQUE_KEY)).flatten()
}

/// The message as a line per field, without its body.
pub(crate) fn fields(message: &StoredMessage, local_time: &LocalTime) -> Vec<(&'static str, String)> {
    let bracketed = |text: Option<&str>| format!("[{}]", text.unwrap_or("null"));
    vec![
        ("Topic:", message.message.topic.clone()),
        ("Tags:", bracketed(message.message.tag())),
        ("Keys:", bracketed(message.message.keys())),
        ("Queue ID:", message.queue_id.to_string()),
        ("Queue Offset:", message.queue_offset.0.to_string()),
        ("CommitLog Offset:", message.log_offset.0.to_string()),
        ("Reconsume Times:", message.reconsume_times.to_string()),
        ("Born Timestamp:", local_time.to_millis(message.born_timestamp)),
        ("Store Timestamp:", local_time.to_millis(message.store_timestamp)),
        ("Born Host:", host(&message.born_host)),
        ("Store Host:", host(&message.store_host)),
        ("System Flag:", message.sys_flag.to_string()),
        ("Properties:", properties(message)),
    ]
}

/// `id`, of a message or a client, as a file's name. Whoever chose the id, it must not lead elsewhere.
pub(crate) fn file_name(id: &str) -> String {
    let is_safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '#' | '@');
    let name: String = id.chars().take(200).map(|c| if is_safe(c) { c } else { '_' }).collect();
    // Without slashes only these two lead elsewhere.
    if name == "." || name == ".." { "_".repeat(name.len()) } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_no_path() {
        assert_eq!(file_name("FD00AC"), "FD00AC");
        assert_eq!(file_name("../../etc/passwd"), ".._.._etc_passwd");
        assert_eq!(file_name("192.0.2.2@i_g"), "192.0.2.2@i_g");
        assert_eq!(file_name(".."), "__");
    }
}
