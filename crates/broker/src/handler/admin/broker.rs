//! The broker itself: its configuration, what it does, and what it should clean up.

use std::{path::PathBuf, sync::Arc};

use eruca_config::{RemoteChangeError, java, remote_changes, store_changes};
use eruca_message::Clock;
use eruca_protocol::{
    RemotingCommand, ResponseCode,
    body::{self, DataVersion, KVTable},
    request::ViewBrokerStatsDataRequest,
};
use eruca_remoting::Reply;
use eruca_store::MessageStore;

use super::runtime_info::RuntimeInfo;
use crate::{HandlerError, settings::Settings, stats::BrokerStats, topics::TopicTable};

/// Keys that nobody changes remotely, whatever `configBlackList` says.
const PROTECTED: [&str; 3] = ["brokerConfigPath", "configBlackList", "rocketmqHome"];

/// Administrates the broker.
#[derive(Debug)]
pub(super) struct BrokerAdmin {
    pub(super) store: Arc<MessageStore>,
    pub(super) topics: Arc<TopicTable>,
    pub(super) settings: Arc<Settings>,
    pub(super) stats: Arc<BrokerStats>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) runtime_info: RuntimeInfo,
    /// The file that was given at start: changes are written to it. Without one they last until the next start.
    pub(super) config_file: Option<PathBuf>,
}

impl BrokerAdmin {
    /// `GET_BROKER_CONFIG`.
    pub(super) fn config(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let text = self.settings.now().to_properties().to_text();
        let mut reply = request.reply(ResponseCode::SUCCESS).with_body(text.into_bytes());
        let version = body::to_json(&DataVersion::new(self.stats.started_at));
        reply.ext_fields.push("version", &String::from_utf8_lossy(&version));
        Ok(Reply::Now(reply))
    }

    /// `UPDATE_BROKER_CONFIG`: keys that may be changed while the broker runs; all of them, or with an error none.
    pub(super) fn update_config(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let mut config = (*self.settings.now()).clone();
        let changes = remote_changes(&request.body, &PROTECTED, &config.config_black_list, &java::BROKER);
        let changes = changes.map_err(|error| match error {
            RemoteChangeError::Protected => HandlerError::no_permission(error.to_string()),
            _ => HandlerError::system_error(error.to_string()),
        })?;
        let refused = |error: eruca_config::UpdateError| HandlerError::invalid_parameter(error.to_string());
        config.update_all(&changes).map_err(refused)?;
        if let Some(path) = &self.config_file {
            store_changes(path, &changes).map_err(|error| {
                HandlerError::system_error(format!(
                    "{} cannot be written: {error}; nothing was changed",
                    path.display()
                ))
            })?;
        }
        self.settings.update(&changes).map_err(refused)?;
        for (key, value) in changes.iter() {
            tracing::info!(key, value, "configuration changed by an administrator");
        }
        if changes.get("brokerPermission").is_some() {
            // The name servers must know.
            self.topics.changes().notify_one();
        }
        Ok(Reply::Now(request.reply(ResponseCode::SUCCESS)))
    }

    /// `GET_BROKER_RUNTIME_INFO`.
    pub(super) fn runtime_info(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let content = KVTable { table: self.runtime_info.table() };
        Ok(Reply::Now(request.reply(ResponseCode::SUCCESS).with_body(body::to_json(&content))))
    }

    /// `VIEW_BROKER_STATS_DATA`: one number over the last minute, hour and day.
    pub(super) fn stats(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let ViewBrokerStatsDataRequest { stats_name, stats_key } = request.header()?;
        let data = stats_name.parse().ok().and_then(|name| self.stats.data(name, &stats_key));
        let data = data.ok_or_else(|| {
            HandlerError::system_error(format!("The stats <{stats_name}> <{stats_key}> not exist"))
        })?;
        Ok(Reply::Now(request.reply(ResponseCode::SUCCESS).with_body(body::to_json(&data))))
    }

    /// `DELETE_EXPIRED_COMMITLOG`: deletes expired segments now, at whatever hour; where there are very many, the rest soon.
    pub(super) fn delete_expired(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let report = self.store.delete_expired_now(self.clock.now());
        tracing::info!(
            segments = report.segments_deleted,
            bytes = report.bytes_deleted,
            "expired messages deleted by an administrator"
        );
        Ok(Reply::Now(request.reply(ResponseCode::SUCCESS)))
    }

    /// `CLEAN_EXPIRED_CONSUMEQUEUE`: queues are trimmed together with the log, so that little is left to do. Java deletes a
    /// queue of which all messages have expired, whose offsets begin at 0 again then; here it keeps them.
    pub(super) fn clean_queues(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        self.store.trim_queues();
        Ok(Reply::Now(request.reply(ResponseCode::SUCCESS)))
    }
}

#[cfg(test)]
mod tests {
    use eruca_protocol::RequestCode;

    use super::*;
    use crate::{
        delay::DelaySchedule,
        handler::test_parts::{TestParts, answer},
    };

    fn admin(parts: &TestParts, config_file: Option<PathBuf>) -> BrokerAdmin {
        let config = parts.directory.path().join("config");
        let delay = DelaySchedule::open(&config, Arc::clone(&parts.store), parts.clock.clone()).unwrap();
        BrokerAdmin {
            store: Arc::clone(&parts.store),
            topics: Arc::clone(&parts.topics),
            settings: Arc::clone(&parts.settings),
            stats: Arc::clone(&parts.stats),
            clock: parts.clock.clone(),
            runtime_info: RuntimeInfo {
                store: Arc::clone(&parts.store),
                consumers: Arc::clone(&parts.consumers),
                delay: Arc::new(delay),
                timers: parts.timers(),
                transactions: parts.transactions(),
                settings: Arc::clone(&parts.settings),
                stats: Arc::clone(&parts.stats),
                stuck: parts.stuck(),
                role: Arc::new(crate::role::RoleState::master()),
                replicas: parts.replicas(),
                clock: parts.clock.clone(),
            },
            config_file,
        }
    }

    fn update(admin: &BrokerAdmin, text: &str) -> (ResponseCode, String) {
        let request = RemotingCommand::request_without_header(RequestCode::UPDATE_BROKER_CONFIG)
            .with_body(text.to_owned());
        let reply = answer(&request, admin.update_config(&request));
        (reply.response_code(), reply.remark.unwrap_or_default())
    }

    #[test]
    fn what_may_be_changed_is_changed_and_kept() {
        let parts = TestParts::new();
        let file = parts.directory.path().join("broker.conf");
        std::fs::write(&file, "# mine\ntraceOn=true\n").unwrap();
        let admin = admin(&parts, Some(file.clone()));
        let done = update(&admin, "traceOn=false\nsendMessageThreadPoolNums=9\n");
        assert_eq!(done, (ResponseCode::SUCCESS, String::new()));
        assert!(!parts.settings.now().trace_on);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "# mine\ntraceOn=false\n");
        let request = RemotingCommand::request_without_header(RequestCode::GET_BROKER_CONFIG);
        let reply = answer(&request, admin.config(&request));
        let text = String::from_utf8(reply.body.to_vec()).unwrap();
        assert!(text.contains("brokerName=b\n") && text.contains("traceOn=false\n"), "{text}");
        assert!(reply.ext_fields.get("version").unwrap().contains("\"counter\":0"));
    }

    #[test]
    fn what_must_not_be_changed_is_refused_by_name() {
        let parts = TestParts::new();
        let admin = admin(&parts, None);
        for (text, code, said) in [
            ("listenPort=1", ResponseCode::INVALID_PARAMETER, "'listenPort' is read at start only"),
            ("traceOn=false\nnoSuchKey=1", ResponseCode::INVALID_PARAMETER, "'noSuchKey' is unknown"),
            ("traceOn=maybe", ResponseCode::INVALID_PARAMETER, "must be true or false"),
            ("brokerConfigPath=/x", ResponseCode::NO_PERMISSION, "black list"),
            ("configBlackList=", ResponseCode::NO_PERMISSION, "black list"),
        ] {
            let (refused, remark) = update(&admin, text);
            assert!(refused == code && remark.contains(said), "{text}: {refused} {remark}");
        }
        assert!(parts.settings.now().trace_on, "nothing of a refused change is made");
    }

    #[test]
    fn counters_are_shown_in_javas_shape() {
        let parts = TestParts::new();
        let admin = admin(&parts, None);
        parts.stats.put("T", 60, 6_000);
        parts.clock.advance_ms(60_000);
        let ask = |name: &str, key: &str| {
            let header = ViewBrokerStatsDataRequest { stats_name: name.into(), stats_key: key.into() };
            let request = RemotingCommand::request(&header);
            answer(&request, admin.stats(&request))
        };
        let item = r#"{"avgpt":0.0,"sum":60,"tps":1.0}"#;
        assert_eq!(
            std::str::from_utf8(&ask("TOPIC_PUT_NUMS", "T").body).unwrap(),
            format!(r#"{{"statsDay":{item},"statsHour":{item},"statsMinute":{item}}}"#)
        );
        let reply = ask("TOPIC_PUT_NUMS", "U");
        assert_eq!(reply.remark.as_deref(), Some("The stats <TOPIC_PUT_NUMS> <U> not exist"));
        assert_eq!(ask("NO_SUCH", "T").response_code(), ResponseCode::SYSTEM_ERROR);
    }
}
