//! The name server's own configuration.

use std::{path::Path, sync::Arc};

use eruca_config::{Properties, java, store_changes};
use eruca_protocol::{RemotingCommand, RequestCode, ResponseCode};
use tracing::info;

use super::answer::{Answer, Refusal};
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
        let asked = Properties::parse_bytes(&request.body)
            .map_err(|error| Refusal::new(ResponseCode::SYSTEM_ERROR, error.to_string()))?;
        let mut keys_now = write(&self.keys);
        let black_list: Vec<&str> = keys_now.config_black_list.split(';').map(str::trim).collect();
        let is_protected = |key: &str| PROTECTED.contains(&key) || black_list.contains(&key);
        if asked.iter().any(|(key, _)| is_protected(key)) {
            return Err(Refusal::new(ResponseCode::NO_PERMISSION, "Can not update config in black list."));
        }
        // Knobs of the JVM change nothing here, but scripts that set them must not fail.
        let is_ours = |key: &str| !java::NAMESRV.is_tuning(key);
        let changes: Properties = asked.iter().filter(|(key, _)| is_ours(key)).collect();
        let mut keys = NamesrvKeys::clone(&keys_now);
        keys.update_all(&changes)?;
        if let Some(path) = &keys.config_store_path {
            store_changes(Path::new(path), &changes).map_err(|error| {
                let remark =
                    format!("configStorePath: {path} cannot be written: {error}; nothing was changed");
                Refusal::new(ResponseCode::SYSTEM_ERROR, remark)
            })?;
        }
        *keys_now = Arc::new(keys);
        drop(keys_now);
        for (key, value) in changes.iter() {
            info!(key, value, "configuration changed");
        }
        Ok(request.reply(ResponseCode::SUCCESS))
    }
}
