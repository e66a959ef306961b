//! The JSON tables in `config`, as a broker would read them.

use std::{fs, io::ErrorKind, path::Path};

use eruca_protocol::body::{
    self, ConsumerOffsetSerializeWrapper, DelayOffsetSerializeWrapper, SubscriptionGroupWrapper,
    TopicConfigSerializeWrapper,
};

/// What one file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TableFound {
    /// Its name.
    pub(super) name: &'static str,
    /// What it holds, in words; or what is wrong.
    pub(super) content: Result<String, String>,
    /// The `.bak` was read, because the file itself cannot be.
    pub(super) from_backup: bool,
    /// It has a journal of Eruca's beside it, with newer changes.
    pub(super) has_journal: bool,
}

type Describe = fn(&[u8]) -> Result<String, String>;

/// The tables that a broker reads at start; those that are not there are left out.
pub(super) fn tables(root: &Path) -> Vec<TableFound> {
    let all: [(&'static str, Describe); 5] = [
        ("topics.json", topics),
        ("subscriptionGroup.json", groups),
        ("consumerOffset.json", offsets),
        ("lmqConsumerOffset.json", offsets),
        ("delayOffset.json", delays),
    ];
    all.into_iter().filter_map(|(name, describe)| table(&root.join("config"), name, describe)).collect()
}

fn table(dir: &Path, name: &'static str, describe: Describe) -> Option<TableFound> {
    let read = |name: &str| match fs::read(dir.join(name)) {
        Ok(bytes) if bytes.trim_ascii().is_empty() => Some(Err("it is empty".to_owned())),
        Ok(bytes) => Some(describe(&bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => Some(Err(error.to_string())),
    };
    let has_journal = dir.join(name.replace(".json", ".journal")).exists();
    let (own, backup) = (read(name), || read(&format!("{name}.bak")));
    let found = |content, from_backup| Some(TableFound { name, content, from_backup, has_journal });
    match own {
        Some(Ok(content)) => found(Ok(content), false),
        other => match (other, backup()) {
            (None, None) => None,
            (_, Some(Ok(content))) => found(Ok(content), true),
            (Some(Err(why)), _) => found(Err(why), false),
            (_, Some(Err(why))) => found(Err(why), true),
            (Some(Ok(_)), None) => None,
        },
    }
}

fn parse<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    body::from_json(bytes).map_err(|error| error.to_string())
}

fn topics(bytes: &[u8]) -> Result<String, String> {
    let table: TopicConfigSerializeWrapper = parse(bytes)?;
    Ok(format!("{} topics", table.topic_config_table.len()))
}

fn groups(bytes: &[u8]) -> Result<String, String> {
    let table: SubscriptionGroupWrapper = parse(bytes)?;
    Ok(format!("{} consumer groups", table.subscription_group_table.len()))
}

fn offsets(bytes: &[u8]) -> Result<String, String> {
    let table: ConsumerOffsetSerializeWrapper = parse(bytes)?;
    let groups: std::collections::BTreeSet<&str> =
        table.offset_table.keys().filter_map(|key| Some(key.split_once('@')?.1)).collect();
    let queues: usize = table.offset_table.values().map(std::collections::BTreeMap::len).sum();
    let light = table.lmq_offset_table.map(|light| format!(", {} of light message queues", light.len()));
    Ok(format!("{queues} offsets of {} groups{}", groups.len(), light.unwrap_or_default()))
}

fn delays(bytes: &[u8]) -> Result<String, String> {
    let table: DelayOffsetSerializeWrapper = parse(bytes)?;
    Ok(format!("offsets of {} delay levels", table.offset_table.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_described_and_a_damaged_one_is_named() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(tables(dir.path()), []);
        let config = dir.path().join("config");
        fs::create_dir(&config).unwrap();
        let json = r#"{"dataVersion":{"counter":1},"offsetTable":{"T@g":{0:5,1:6},"U@g":{0:1}}}"#;
        fs::write(config.join("consumerOffset.json"), json).unwrap();
        fs::write(config.join("topics.json"), "{").unwrap();
        fs::write(config.join("delayOffset.json"), "").unwrap();
        fs::write(config.join("delayOffset.json.bak"), r#"{"offsetTable":{1:12}}"#).unwrap();
        fs::write(config.join("consumerOffset.journal"), "").unwrap();
        let found = tables(dir.path());
        let names: Vec<_> = found.iter().map(|table| table.name).collect();
        assert_eq!(names, ["topics.json", "consumerOffset.json", "delayOffset.json"]);
        assert!(found[0].content.is_err());
        assert_eq!(found[1].content.as_deref(), Ok("3 offsets of 1 groups"));
        assert!(found[1].has_journal && !found[1].from_backup && found[2].from_backup);
    }
}
