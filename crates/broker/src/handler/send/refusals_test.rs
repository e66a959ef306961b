//! What a refused sender is told: the thing, its value, the limit, what helps.

use eruca_config::Properties as ConfigProperties;
use eruca_message::names::SCHEDULE_TOPIC;
use eruca_protocol::{RemotingCommand, ResponseCode, body::TopicConfig, request::SendMessageRequest};

use super::send_message_test::{Sender, batch, header, message, request};

/// The beginning of what Java says, whatever is wrong; clients may look for it.
const JAVA: &str = "the message is illegal, maybe msg body or properties length not matched. msg body length limit 4194304B, msg \
                    properties length limit 32KB.";

/// A request, the code that it is answered with, how the remark begins, and what it says further on.
struct Refusal(RemotingCommand, ResponseCode, &'static str, &'static [&'static str]);

fn sent_to_retry(group: &str) -> RemotingCommand {
    request(&SendMessageRequest { reconsume_times: Some(1), ..header(&format!("%RETRY%{group}"), 0, "") })
}

fn batch_for(topic: &str, body: Vec<u8>) -> RemotingCommand {
    request(&SendMessageRequest { batch: Some(true), ..header(topic, 0, "") }).with_body(body)
}

fn refusals() -> Vec<Refusal> {
    const ILLEGAL: ResponseCode = ResponseCode::MESSAGE_ILLEGAL;
    const PARAMETER: ResponseCode = ResponseCode::INVALID_PARAMETER;
    const FORBIDDEN: ResponseCode = ResponseCode::NO_PERMISSION;
    let inner_flag = SendMessageRequest { sys_flag: 0x80, ..header("T", 0, "") };
    let half_flag = SendMessageRequest { sys_flag: 4, ..header("T", 0, "") };
    let long = "t".repeat(128);
    let properties = |names: &str| format!("{names}big={}", "p".repeat(32_767));
    vec![
        Refusal(
            message("T", 0, "").with_body(&b""[..]),
            ILLEGAL,
            JAVA,
            &["the message body is empty", "1 to maxMessageSize=4194304 bytes", "send a body"],
        ),
        Refusal(
            message("T", 0, "").with_body(vec![0; (4 << 20) + 1]),
            ILLEGAL,
            JAVA,
            &["the message body has 4194305 bytes", "maxMessageSize is 4194304", "send less or compress"],
        ),
        Refusal(
            message("T", 0, &properties("UNIQ_KEY=K WAIT=true ")),
            ILLEGAL,
            JAVA,
            &["the message's properties have 32855 bytes", "the limit is 32767", "move it to the body"],
        ),
        Refusal(
            message("T", 0, &properties("TRAN_MSG=true UNIQ_KEY=K ")),
            ILLEGAL,
            JAVA,
            &["the half message's properties have", "the limit is 32703", "move it to the body"],
        ),
        Refusal(message("T", 0, "INNER_NUM=3 "), ILLEGAL, JAVA, &["INNER_NUM", "leave it out"]),
        Refusal(
            request(&inner_flag),
            ILLEGAL,
            JAVA,
            &["inner batch", "topic T", "send its messages one by one"],
        ),
        Refusal(request(&half_flag), ILLEGAL, "sysFlag=4", &["TRAN_MSG=true", "clear the bits 12"]),
        Refusal(
            message("a b", 0, ""),
            PARAMETER,
            "the topic name 'a b'",
            &["character ' '", "allowed are letters"],
        ),
        Refusal(message(" ", 0, ""), PARAMETER, "the topic name is empty", &["give it a name"]),
        Refusal(
            message(&long, 0, ""),
            PARAMETER,
            "the topic name 'ttt",
            &["128 bytes", "limit is 127", "shorter"],
        ),
        Refusal(
            message(SCHEDULE_TOPIC, 0, ""),
            FORBIDDEN,
            "Sending message to topic[SCHEDULE_TOPIC_XXXX] is forbidden.",
            &["system's own", "another topic"],
        ),
        Refusal(
            message("T", 99, ""),
            PARAMETER,
            "request queueId[99] is illegal, TopicConfig [topicName=T",
            &["Producer: 10.0.0.1:4000", "the queues 0 to 3", "-1 for any"],
        ),
        Refusal(
            message("ReadOnly", -1, ""),
            PARAMETER,
            "topic[ReadOnly] has no write queue",
            &["writeQueueNums is 0", "-w"],
        ),
        Refusal(
            request(&SendMessageRequest { default_topic: "None".to_owned(), ..header("New", 0, "") }),
            ResponseCode::TOPIC_NOT_EXIST,
            "topic[New] not exist, apply first please!",
            &["updateTopic -t New"],
        ),
        Refusal(
            sent_to_retry("no name"),
            ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST,
            "subscription group not exist, no name",
            &["the name is not allowed", "updateSubGroup -g no name"],
        ),
        Refusal(message("T", 0, "DELAY=soon "), ILLEGAL, "the property DELAY is 'soon'", &["from 0 to 18"]),
        Refusal(
            message("T", 0, "TIMER_DELAY_MS=soon "),
            ILLEGAL,
            "timer message illegal: the property TIMER_DELAY_MS is 'soon'",
            &["milliseconds", "give a whole number"],
        ),
        Refusal(
            message("T", 0, "TIMER_DELAY_SEC=259201 "),
            ILLEGAL,
            "timer message illegal, the delay time should not be bigger than the max delay 259200000ms",
            &["asks for 259201000ms", "timerMaxDelaySec=259200", "ask for less, or set that key higher"],
        ),
        Refusal(
            message("T", 0, "TIMER_DELIVER_MS=5 TIMER_DEL_UNIQKEY=K "),
            ILLEGAL,
            "timer message illegal, the delay time should not be bigger than the max delay",
            &["was due 999995ms ago", "recall sooner"],
        ),
        Refusal(
            batch_for("T", b"no batch".to_vec()),
            ILLEGAL,
            "batch body is broken at byte 0 of 8",
            &["an entry has"],
        ),
        Refusal(
            batch_for("%RETRY%known", batch(&["one"])),
            ILLEGAL,
            "batch request does not support retry group %RETRY%known",
            &["one by one"],
        ),
        Refusal(
            batch_for("T", batch(&["x".repeat(2 << 20).as_str(), "y".repeat(2 << 20).as_str()])),
            ILLEGAL,
            JAVA,
            &["has 4194384 bytes", "maxMessageSize is 4194304", "send less"],
        ),
    ]
}

#[test]
fn a_refusal_says_what_is_wrong_with_the_value_the_limit_and_what_helps() {
    let sender = Sender::new();
    sender.parts.groups.get_or_create("known").unwrap();
    for topic in ["%RETRY%known", "%RETRY%no name", SCHEDULE_TOPIC] {
        sender.parts.topic(topic, 1);
    }
    let read_only = TopicConfig { write_queue_nums: 0, ..TopicConfig::new("ReadOnly", 4) };
    sender.parts.topics.put(read_only).unwrap();
    for Refusal(request, code, begins, parts) in refusals() {
        let (answered, remark) = sender.refused(&request);
        assert_eq!(answered, code, "{remark}");
        assert!(remark.starts_with(begins), "{begins}: {remark}");
        for part in parts {
            assert!(remark.contains(part), "{part}: {remark}");
        }
    }
}

#[test]
fn settings_that_refuse_are_named() {
    let sender = Sender::new();
    sender.parts.topics.put(TopicConfig { order: true, ..TopicConfig::new("Ordered", 1) }).unwrap();
    let set = |text: &str| sender.parts.settings.update(&ConfigProperties::parse(text).unwrap()).unwrap();
    let refused = |topic, properties, parts: &[&str]| {
        let (_, remark) = sender.refused(&message(topic, 0, properties));
        for part in parts {
            assert!(remark.contains(part), "{part}: {remark}");
        }
    };
    set("brokerPermission=4");
    refused("Ordered", "", &["brokerPermission=4", "set it to 6"]);
    set("rejectTransactionMessage=true");
    refused("T", "TRAN_MSG=true ", &["rejectTransactionMessage is true", "set it to false"]);
    set("startAcceptSendRequestTimeStamp=1000001");
    refused("T", "", &["startAcceptSendRequestTimeStamp=1000001", "it is 1000000", "wait"]);
}
