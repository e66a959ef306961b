//! The header of a send, read without copying: sends are the broker's hottest request.

use eruca_protocol::{ExtFields, HeaderError, RemotingCommand, RequestCode};

/// Header of a send (Java: `SendMessageRequestHeader`, and its V2 with one letter for each name).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SendHeader<'a> {
    pub(super) producer_group: &'a str,
    pub(super) topic: &'a str,
    pub(super) default_topic: &'a str,
    pub(super) default_topic_queue_nums: i32,
    pub(super) queue_id: i32,
    pub(super) sys_flag: i32,
    pub(super) born_timestamp: i64,
    pub(super) flag: i32,
    pub(super) properties: &'a str,
    pub(super) reconsume_times: i32,
    pub(super) unit_mode: bool,
    pub(super) max_reconsume_times: Option<i32>,
    pub(super) is_batch: bool,
}

/// What a V2 letter stands for.
fn long_name(letter: u8) -> &'static str {
    match letter {
        b'a' => "producerGroup",
        b'b' => "topic",
        b'c' => "defaultTopic",
        b'd' => "defaultTopicQueueNums",
        b'e' => "queueId",
        b'f' => "sysFlag",
        b'g' => "bornTimestamp",
        b'h' => "flag",
        b'i' => "properties",
        b'j' => "reconsumeTimes",
        b'k' => "unitMode",
        b'l' => "maxReconsumeTimes",
        b'm' => "batch",
        _ => "",
    }
}

impl<'a> SendHeader<'a> {
    /// Reads the header; the code decides which names it has.
    pub(super) fn decode(request: &'a RemotingCommand) -> Result<SendHeader<'a>, HeaderError> {
        let is_v2 =
            !matches!(request.request_code(), RequestCode::SEND_MESSAGE | RequestCode::SEND_REPLY_MESSAGE);
        let mut header = Self::from_fields(&request.ext_fields, is_v2)?;
        header.is_batch |= request.request_code() == RequestCode::SEND_BATCH_MESSAGE;
        Ok(header)
    }

    fn from_fields(fields: &'a ExtFields, is_v2: bool) -> Result<SendHeader<'a>, HeaderError> {
        let (mut group, mut topic, mut default_topic) = (None, None, None);
        let (mut queue_nums, mut queue_id, mut sys_flag) = (None, None, None);
        let (mut born, mut flag, mut properties) = (None, None, "");
        let (mut reconsume, mut unit_mode, mut max_reconsume, mut is_batch) = (None, false, None, false);
        for (name, value) in fields.iter() {
            let name = match (is_v2, name.as_bytes()) {
                (true, [letter]) => long_name(*letter),
                (true, _) => continue,
                (false, _) => name,
            };
            match name {
                "producerGroup" => group = Some(value),
                "topic" => topic = Some(value),
                "defaultTopic" => default_topic = Some(value),
                "defaultTopicQueueNums" => queue_nums = Some(number("defaultTopicQueueNums", value)?),
                "queueId" => queue_id = Some(number("queueId", value)?),
                "sysFlag" => sys_flag = Some(number("sysFlag", value)?),
                "bornTimestamp" => born = Some(number("bornTimestamp", value)?),
                "flag" => flag = Some(number("flag", value)?),
                "properties" => properties = value,
                "reconsumeTimes" => reconsume = optional("reconsumeTimes", value)?,
                "unitMode" => unit_mode = value.eq_ignore_ascii_case("true"),
                "maxReconsumeTimes" => max_reconsume = optional("maxReconsumeTimes", value)?,
                "batch" => is_batch = value.eq_ignore_ascii_case("true"),
                _ => {}
            }
        }
        let missing = |field| HeaderError::Missing { field };
        Ok(SendHeader {
            producer_group: group.ok_or(missing("producerGroup"))?,
            topic: topic.ok_or(missing("topic"))?,
            default_topic: default_topic.ok_or(missing("defaultTopic"))?,
            default_topic_queue_nums: queue_nums.ok_or(missing("defaultTopicQueueNums"))?,
            queue_id: queue_id.ok_or(missing("queueId"))?,
            sys_flag: sys_flag.ok_or(missing("sysFlag"))?,
            born_timestamp: born.ok_or(missing("bornTimestamp"))?,
            flag: flag.ok_or(missing("flag"))?,
            properties,
            reconsume_times: reconsume.unwrap_or(0),
            unit_mode,
            max_reconsume_times: max_reconsume,
            is_batch,
        })
    }
}

fn number<T: std::str::FromStr>(field: &'static str, value: &str) -> Result<T, HeaderError> {
    value.parse().map_err(|_| HeaderError::Invalid {
        field,
        value: value.chars().take(64).collect(),
        expected: "an integer",
    })
}

/// Java writes the text "null" here and there for an absent number.
fn optional(field: &'static str, value: &str) -> Result<Option<i32>, HeaderError> {
    if value == "null" { Ok(None) } else { number(field, value).map(Some) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_say_the_same() {
        let mut long = RemotingCommand::request_without_header(RequestCode::SEND_MESSAGE);
        let mut short = RemotingCommand::request_without_header(RequestCode::SEND_MESSAGE_V2);
        for (letter, value) in [
            (b'a', "g"),
            (b'b', "t"),
            (b'c', "TBW102"),
            (b'd', "4"),
            (b'e', "-1"),
            (b'f', "1"),
            (b'g', "1795415324053"),
            (b'h', "7"),
            (b'i', "WAIT\u{1}true\u{2}"),
            (b'j', "3"),
            (b'k', "true"),
            (b'l', "16"),
            (b'm', "false"),
        ] {
            long.ext_fields.push(long_name(letter), value);
            short.ext_fields.push(std::str::from_utf8(&[letter]).unwrap(), value);
        }
        let header = SendHeader::decode(&short).unwrap();
        assert_eq!(header, SendHeader::decode(&long).unwrap());
        assert_eq!((header.queue_id, header.max_reconsume_times, header.unit_mode), (-1, Some(16), true));
        short.code = RequestCode::SEND_BATCH_MESSAGE.0;
        assert!(SendHeader::decode(&short).unwrap().is_batch);
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let mut request = RemotingCommand::request_without_header(RequestCode::SEND_MESSAGE_V2);
        assert_eq!(SendHeader::decode(&request), Err(HeaderError::Missing { field: "producerGroup" }));
        request.ext_fields.push("d", "four");
        assert!(matches!(
            SendHeader::decode(&request),
            Err(HeaderError::Invalid { field: "defaultTopicQueueNums", .. })
        ));
    }
}
