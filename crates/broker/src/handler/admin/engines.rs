//! What administrators set about reads of old messages, timers and static topics: `updateColdDataFlowCtrGroupConfig` and its
//! kin, `setCommitLogReadAheadMode`, `switchTimerEngine`, `updateStaticTopic`.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use eruca_config::Properties;
use eruca_protocol::{
    RemotingCommand, ResponseCode,
    body::{self, ColdDataFlowCtrInfo},
};
use eruca_remoting::Reply;
use eruca_store::MessageStore;

use crate::{HandlerError, settings::Settings};

/// Most groups with a threshold of their own.
const GROUPS_MAX: usize = 10_000;
/// `MADV_NORMAL`.
const READ_AHEAD: &str = "0";
/// `MADV_RANDOM`.
const NO_READ_AHEAD: &str = "1";
/// The timer engine of wheel and log.
const FILE_ENGINE: &str = "F";
/// The timer engine on RocksDB.
const ROCKSDB_ENGINE: &str = "R";

/// Keeps thresholds as a Java broker whose `coldDataFlowControlEnable` is false: set, told, and in memory only. Nobody is slowed
/// down by them: a read of old messages waits on a thread of its own.
#[derive(Debug)]
pub(super) struct EnginesHandler {
    store: Arc<MessageStore>,
    settings: Arc<Settings>,
    thresholds: Mutex<BTreeMap<String, i64>>,
}

impl EnginesHandler {
    /// A handler without thresholds.
    pub(super) fn new(store: Arc<MessageStore>, settings: Arc<Settings>) -> Self {
        EnginesHandler { store, settings, thresholds: Mutex::default() }
    }

    /// `UPDATE_COLD_DATA_FLOW_CTR_CONFIG`: `group=bytes` lines; all of them or, with an error, none.
    pub(super) fn set_thresholds(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let asked = Properties::parse_bytes(&request.body)
            .map_err(|error| HandlerError::system_error(format!("string2Properties error: {error}")))?;
        let mut new = BTreeMap::new();
        for (group, bytes) in asked.iter() {
            let threshold = bytes.trim().parse::<i64>().map_err(|_| {
                HandlerError::invalid_parameter(format!(
                    "the threshold of group {group} is {bytes:?}, it must be a number of bytes"
                ))
            })?;
            new.insert(group.to_owned(), threshold);
        }
        let mut thresholds = self.thresholds();
        let added = new.keys().filter(|group| !thresholds.contains_key(*group)).count();
        if thresholds.len() + added > GROUPS_MAX {
            return Err(HandlerError::system_error(format!(
                "{} groups have a threshold, {GROUPS_MAX} may have one: remove some with removeColdDataFlowCtrGroupConfig",
                thresholds.len()
            )));
        }
        tracing::info!(
            ?new,
            "thresholds for reads of old messages set by an administrator; no group is slowed down by them"
        );
        thresholds.extend(new);
        Ok(Reply::Now(request.reply(ResponseCode::SUCCESS)))
    }

    /// `REMOVE_COLD_DATA_FLOW_CTR_CONFIG`: the body is a group.
    pub(super) fn remove_threshold(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        self.thresholds().remove(&*String::from_utf8_lossy(&request.body));
        Ok(Reply::Now(request.reply(ResponseCode::SUCCESS)))
    }

    /// `GET_COLD_DATA_FLOW_CTR_INFO`.
    pub(super) fn told(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let config = self.settings.now();
        let info = ColdDataFlowCtrInfo {
            config_table: self.thresholds().clone(),
            cg_cold_read_threshold: config.cg_cold_read_threshold,
            global_cold_read_threshold: config.global_cold_read_threshold,
            // What was read is not counted.
            ..ColdDataFlowCtrInfo::default()
        };
        Ok(Reply::Now(request.reply(ResponseCode::SUCCESS).with_body(body::to_json(&info))))
    }

    /// `SET_COMMITLOG_READ_MODE`: whether the disk is asked for more of the log than was read, until the next start.
    pub(super) fn set_read_ahead(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let mode = request.ext_fields.get("READ_AHEAD_MODE").unwrap_or_default();
        let is_on = match mode {
            READ_AHEAD => true,
            NO_READ_AHEAD => false,
            _ => {
                return Err(HandlerError::invalid_parameter(format!(
                    "set commitlog readahead mode param value error: READ_AHEAD_MODE is {mode:?}, it must be 0 (read ahead) or \
                     1 (do not)"
                )));
            }
        };
        let mut change = Properties::new();
        change.set("dataReadAheadEnable", if is_on { "true" } else { "false" });
        self.settings.update(&change).map_err(|error| HandlerError::system_error(error.to_string()))?;
        self.store.set_read_ahead(is_on);
        tracing::info!(is_on, "reading ahead in the log set by an administrator");
        let mut reply = request.reply(ResponseCode::SUCCESS);
        reply.remark = Some(format!("set commitlog readahead mode success, mode: {mode}"));
        Ok(Reply::Now(reply))
    }

    /// `SWITCH_TIMER_ENGINE`: there is one engine here.
    pub(super) fn switch_timers(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        if !self.settings.now().timer_wheel_enable {
            return Err(HandlerError::system_error(
                "broker timerWheelEnable is false: set it to true and start again",
            ));
        }
        match request.ext_fields.get("E_T").unwrap_or_default() {
            FILE_ENGINE => Ok(Reply::Now(request.reply(ResponseCode::SUCCESS))),
            ROCKSDB_ENGINE => Err(HandlerError::system_error(
                "there is no timer engine on RocksDB here: messages with a time of delivery stay in the file wheel (F), which \
                 holds as many of them; nothing was changed, and nothing has to be",
            )),
            other => Err(HandlerError::invalid_parameter(format!(
                "the timer engine E_T is {other:?}, it must be F (file wheel)"
            ))),
        }
    }

    /// `UPDATE_AND_CREATE_STATIC_TOPIC`: there are none here.
    pub(super) fn static_topic(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let topic = request.ext_fields.get("topic").unwrap_or_default();
        Err(HandlerError::new(
            ResponseCode::REQUEST_CODE_NOT_SUPPORTED,
            format!(
                "static topics are not part of this version, {topic} was neither created nor changed: create an ordinary topic \
                 (updateTopic) on each broker; to take a broker away, stop writes to it (wipeWritePerm) and let consumers \
                 finish (consumerProgress) before it is stopped"
            ),
        ))
    }

    fn thresholds(&self) -> MutexGuard<'_, BTreeMap<String, i64>> {
        self.thresholds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use eruca_protocol::RequestCode;

    use super::*;
    use crate::handler::test_parts::{TestParts, answer};

    fn handler(parts: &TestParts) -> EnginesHandler {
        EnginesHandler::new(parts.store.clone(), parts.settings.clone())
    }

    fn request(code: RequestCode, fields: &[(&str, &str)], body: &str) -> RemotingCommand {
        let mut request = RemotingCommand::request_without_header(code).with_body(body.as_bytes().to_vec());
        fields.iter().for_each(|(name, value)| request.ext_fields.push(name, value));
        request
    }

    fn shown(handler: &EnginesHandler) -> String {
        let asked = request(RequestCode::GET_COLD_DATA_FLOW_CTR_INFO, &[], "");
        String::from_utf8(answer(&asked, handler.told(&asked)).body.to_vec()).unwrap()
    }

    #[test]
    fn thresholds_are_set_told_and_removed_in_javas_shape() {
        let parts = TestParts::new();
        let handler = handler(&parts);
        let set = |text: &str| {
            let asked = request(RequestCode::UPDATE_COLD_DATA_FLOW_CTR_CONFIG, &[], text);
            answer(&asked, handler.set_thresholds(&asked))
        };
        assert_eq!(set("g=1000\nh=5\n").response_code(), ResponseCode::SUCCESS);
        let told = r#"{"runtimeTable":{},"configTable":{"g":1000,"h":5},"cgColdReadThreshold":3145728,"globalColdReadThreshold":104857600,"globalAcc":0}"#;
        assert_eq!(shown(&handler), told);
        let refused = set("g=7\ni=many\n");
        assert_eq!(refused.response_code(), ResponseCode::INVALID_PARAMETER);
        assert!(refused.remark.unwrap().contains("group i"));
        assert_eq!(shown(&handler), told, "none of them");
        let asked = request(RequestCode::REMOVE_COLD_DATA_FLOW_CTR_CONFIG, &[], "g");
        assert_eq!(answer(&asked, handler.remove_threshold(&asked)).response_code(), ResponseCode::SUCCESS);
        assert!(shown(&handler).contains(r#""configTable":{"h":5}"#));
    }

    #[test]
    fn reading_ahead_is_a_setting() {
        let parts = TestParts::new();
        let handler = handler(&parts);
        let set = |mode: &str| {
            let asked = request(RequestCode::SET_COMMITLOG_READ_MODE, &[("READ_AHEAD_MODE", mode)], "");
            answer(&asked, handler.set_read_ahead(&asked))
        };
        let done = set("1");
        assert_eq!(done.remark.as_deref(), Some("set commitlog readahead mode success, mode: 1"));
        assert!(!parts.settings.now().data_read_ahead_enable);
        assert_eq!(set("2").response_code(), ResponseCode::INVALID_PARAMETER);
        assert_eq!(set("0").response_code(), ResponseCode::SUCCESS);
        assert!(parts.settings.now().data_read_ahead_enable);
    }

    #[test]
    fn what_is_not_there_is_refused_with_the_remedy() {
        let parts = TestParts::new();
        let handler = handler(&parts);
        let switch = |engine: &str| {
            let asked = request(RequestCode::SWITCH_TIMER_ENGINE, &[("E_T", engine)], "");
            answer(&asked, handler.switch_timers(&asked))
        };
        assert_eq!(switch("F").response_code(), ResponseCode::SUCCESS);
        let refused = switch("R");
        assert_eq!(refused.response_code(), ResponseCode::SYSTEM_ERROR);
        assert!(refused.remark.unwrap().contains("file wheel (F)"));
        assert_eq!(switch("").response_code(), ResponseCode::INVALID_PARAMETER);
        let asked = request(RequestCode::UPDATE_AND_CREATE_STATIC_TOPIC, &[("topic", "T")], "");
        let refused = answer(&asked, handler.static_topic(&asked));
        assert_eq!(refused.response_code(), ResponseCode::REQUEST_CODE_NOT_SUPPORTED);
        assert!(refused.remark.unwrap().contains("updateTopic"));
    }
}
