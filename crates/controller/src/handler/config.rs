//! The controller's own configuration.

use std::sync::{Arc, PoisonError};

use eruca_config::{java, keep_remote_changes, remote_changes};
use eruca_protocol::{RemotingCommand, ResponseCode};
use tracing::info;

use super::refusal::Answered;
use crate::{ControllerKeys, core::Core};

/// Keys that nobody changes remotely, whatever `configBlackList` says.
const PROTECTED: [&str; 3] = ["configBlackList", "configStorePath", "rocketmqHome"];

pub(super) fn list(core: &Core, request: &RemotingCommand) -> RemotingCommand {
    let text = core.keys().to_properties().to_text();
    request.reply(ResponseCode::SUCCESS).with_body(text.into_bytes())
}

pub(super) fn update(core: &Core, request: &RemotingCommand) -> Answered {
    let mut keys_now = core.keys.write().unwrap_or_else(PoisonError::into_inner);
    let changes = remote_changes(&request.body, &PROTECTED, &keys_now.config_black_list, &java::CONTROLLER)?;
    let mut keys = ControllerKeys::clone(&keys_now);
    keys.update_all(&changes)?;
    keep_remote_changes(keys.config_store_path.as_deref(), &changes)?;
    *keys_now = Arc::new(keys);
    drop(keys_now);
    for (key, value) in changes.iter() {
        info!(key, value, "configuration changed");
    }
    Ok(request.reply(ResponseCode::SUCCESS))
}
