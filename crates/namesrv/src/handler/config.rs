//! The name server's own configuration.

use std::sync::Arc;

use eruca_config::{java, keep_remote_changes, remote_changes};
use eruca_protocol::{RemotingCommand, RequestCode, ResponseCode};
use tracing::info;

use super::answer::Answer;
use crate::{
    NamesrvKeys,
    namesrv::{SharedKeys, read, write},
};

/// Keys that nobody changes remotely, whatever `configBlackList` says.
const PROTECTED: [&str; 4] = ["configBlackList", "configStorePath", "kvConfigPath", "rocketmqHome"];

pub(crate) struct ConfigHandler {
    pub(crate) keys: SharedKeys,
}

impl ConfigHandler {
    pub(crate) fn handle(&self, request: &RemotingCommand) -> Answer {
        match request.request_code() {
            RequestCode::UPDATE_NAMESRV_CONFIG => self.update(request),
            _ => Ok(self.list(request)),
        }
    }

    fn list(&self, request: &RemotingCommand) -> RemotingCommand {
        let text = read(&self.keys).to_properties().to_text();
        request.reply(ResponseCode::SUCCESS).with_body(text.into_bytes())
    }

    fn update(&self, request: &RemotingCommand) -> Answer {
        let mut keys_now = write(&self.keys);
        let changes = remote_changes(&request.body, &PROTECTED, &keys_now.config_black_list, &java::NAMESRV)?;
        let mut keys = NamesrvKeys::clone(&keys_now);
        keys.update_all(&changes)?;
        keep_remote_changes(keys.config_store_path.as_deref(), &changes)?;
        *keys_now = Arc::new(keys);
        drop(keys_now);
        for (key, value) in changes.iter() {
            info!(key, value, "configuration changed");
        }
        Ok(request.reply(ResponseCode::SUCCESS))
    }
}
