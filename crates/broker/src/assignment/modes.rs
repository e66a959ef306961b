//! Whether a group pulls or pops a topic: `config/messageRequestMode.json`.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{PoisonError, RwLock},
};

use eruca_message::names::is_retry_topic;
use eruca_protocol::body::{
    self, MessageRequestMode, MessageRequestModeSerializeWrapper, SetMessageRequestModeRequestBody,
};

use crate::persist::{Change, PersistError, TableFile, note_put};

type Modes = BTreeMap<String, BTreeMap<String, SetMessageRequestModeRequestBody>>;

/// What administrators set, by topic and group (Java: `MessageRequestModeManager`).
#[derive(Debug)]
pub struct MessageRequestModes {
    modes: RwLock<Modes>,
    file: TableFile,
}

impl MessageRequestModes {
    /// Opens the file in `directory`, the store's `config`.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn open(directory: &Path) -> Result<Self, PersistError> {
        let (file, loaded) = TableFile::open(directory, "messageRequestMode", |bytes| {
            body::from_json::<MessageRequestModeSerializeWrapper>(bytes).map_err(|error| error.to_string())
        })?;
        let mut modes = loaded.table.unwrap_or_default().message_request_mode_map;
        for change in &loaded.changes {
            if let Some(Change::Put(mode)) = Change::read(change) {
                set(&mut modes, mode);
            }
        }
        Ok(MessageRequestModes { modes: RwLock::new(modes), file })
    }

    /// The mode of `group` in `topic`; where none was set, `default` and its share. Retry topics are pulled.
    pub fn of(
        &self,
        topic: &str,
        group: &str,
        default: MessageRequestMode,
        default_share: i32,
    ) -> SetMessageRequestModeRequestBody {
        let modes = self.modes.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(mode) = modes.get(topic).and_then(|groups| groups.get(group)) {
            return mode.clone();
        }
        let mode = if is_retry_topic(topic) { MessageRequestMode::Pull } else { default };
        SetMessageRequestModeRequestBody {
            topic: topic.to_owned(),
            consumer_group: group.to_owned(),
            mode,
            pop_share_queue_num: if mode == MessageRequestMode::Pop { default_share } else { 0 },
        }
    }

    /// Sets a mode, durably: when this returns, it survives a power loss.
    ///
    /// # Errors
    /// The disk refuses it.
    pub fn put(&self, mode: SetMessageRequestModeRequestBody) -> Result<(), PersistError> {
        {
            let mut modes = self.modes.write().unwrap_or_else(PoisonError::into_inner);
            note_put(&self.file, &mode);
            set(&mut modes, mode);
        }
        self.file.sync()
    }

    /// Takes over what a slave's master has that differs. (Nothing takes a mode away.)
    pub(crate) fn follow(&self, master: MessageRequestModeSerializeWrapper) {
        let mut modes = self.modes.write().unwrap_or_else(PoisonError::into_inner);
        for (topic, groups) in master.message_request_mode_map {
            for (group, mut mode) in groups {
                (mode.topic, mode.consumer_group) = (topic.clone(), group);
                let known = modes.get(&topic).and_then(|groups| groups.get(&mode.consumer_group));
                if known != Some(&mode) {
                    note_put(&self.file, &mode);
                    set(&mut modes, mode);
                }
            }
        }
        drop(modes);
        self.file.settle();
    }

    /// All modes.
    pub fn snapshot(&self) -> MessageRequestModeSerializeWrapper {
        let modes = self.modes.read().unwrap_or_else(PoisonError::into_inner);
        MessageRequestModeSerializeWrapper { message_request_mode_map: modes.clone() }
    }

    /// Writes the file if it is out of date. For the schedule.
    ///
    /// # Errors
    /// It cannot be written; the next time it is tried again.
    pub fn persist_step(&self) -> Result<(), PersistError> {
        if !self.file.is_dirty() {
            return Ok(());
        }
        let content = {
            let modes = self.modes.read().unwrap_or_else(PoisonError::into_inner);
            self.file.begin()?;
            MessageRequestModeSerializeWrapper { message_request_mode_map: modes.clone() }
        };
        self.file.write_json(&body::to_json_pretty(&content))
    }
}

fn set(modes: &mut Modes, mode: SetMessageRequestModeRequestBody) {
    modes.entry(mode.topic.clone()).or_default().insert(mode.consumer_group.clone(), mode);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(topic: &str, share: i32) -> SetMessageRequestModeRequestBody {
        SetMessageRequestModeRequestBody {
            topic: topic.into(),
            consumer_group: "g".into(),
            mode: MessageRequestMode::Pop,
            pop_share_queue_num: share,
        }
    }

    #[test]
    fn javas_file_is_read_and_written_and_a_kill_loses_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let json = "{\n\t\"messageRequestModeMap\":{\n\t\t\"T\":{\n\t\t\t\"g\":{\n\t\t\t\t\"consumerGroup\":\"g\",\n\t\t\t\t\"mode\":\"POP\",\n\t\t\t\t\"popShareQueueNum\":8,\n\t\t\t\t\"topic\":\"T\"\n\t\t\t}\n\t\t}\n\t}\n}";
        let path = dir.path().join("messageRequestMode.json");
        std::fs::write(&path, json).unwrap();
        let of =
            |modes: &MessageRequestModes, topic: &str| modes.of(topic, "g", MessageRequestMode::Pull, -1);
        let modes = MessageRequestModes::open(dir.path()).unwrap();
        assert_eq!(of(&modes, "T"), mode("T", 8));
        assert_eq!(of(&modes, "U").mode, MessageRequestMode::Pull);
        assert_eq!(modes.of("U", "g", MessageRequestMode::Pop, -1), mode("U", -1));
        assert_eq!(modes.of("%RETRY%g", "g", MessageRequestMode::Pop, -1).mode, MessageRequestMode::Pull);
        modes.put(mode("U", 2)).unwrap();
        drop(modes);
        let modes = MessageRequestModes::open(dir.path()).unwrap();
        assert_eq!(of(&modes, "U"), mode("U", 2));
        modes
            .put(SetMessageRequestModeRequestBody { mode: MessageRequestMode::Pull, ..mode("U", 0) })
            .unwrap();
        modes.persist_step().unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().contains("\"mode\":\"PULL\""));
        assert_eq!(of(&MessageRequestModes::open(dir.path()).unwrap(), "U").mode, MessageRequestMode::Pull);
    }
}
