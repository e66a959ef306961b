//! The controller's own configuration.

use std::{
    path::Path,
    sync::{Arc, PoisonError},
};

use eruca_config::{Properties, java, store_changes};
use eruca_protocol::{RemotingCommand, ResponseCode};
use tracing::info;

use super::refusal::{Answered, Refusal};
use crate::{ControllerKeys, core::Core};

/// Keys that nobody changes remotely, whatever `configBlackList` says.
const PROTECTED: [&str; 3] = ["configBlackList", "configStorePath", "rocketmqHome"];

pub(super) fn list(core: &Core, request: &RemotingCommand) -> RemotingCommand {
    let text = core.keys().to_properties().to_text();
    request.reply(ResponseCode::SUCCESS).with_body(text.into_bytes())
}

pub(super) fn update(core: &Core, request: &RemotingCommand) -> Answered {
    let asked = Properties::parse_bytes(&request.body)
        .map_err(|error| Refusal::new(ResponseCode::SYSTEM_ERROR, error.to_string()))?;
    let mut keys_now = core.keys.write().unwrap_or_else(PoisonError::into_inner);
    let black_list: Vec<&str> = keys_now.config_black_list.split(';').map(str::trim).collect();
    if asked.iter().any(|(key, _)| PROTECTED.contains(&key) || black_list.contains(&key)) {
        return Err(Refusal::new(ResponseCode::NO_PERMISSION, "Can not update config in black list."));
    }
    // Knobs of the JVM change nothing here, but scripts that set them must not fail.
    let changes: Properties = asked.iter().filter(|(key, _)| !java::CONTROLLER.is_tuning(key)).collect();
    let mut keys = ControllerKeys::clone(&keys_now);
    keys.update_all(&changes)?;
    if let Some(path) = &keys.config_store_path {
        store_changes(Path::new(path), &changes).map_err(|error| {
            let remark = format!("configStorePath: {path} cannot be written: {error}; nothing was changed");
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
