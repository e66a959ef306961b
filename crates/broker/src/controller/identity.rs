//! The broker's number in its group, on the disk (Java: `BrokerMetadata`, `TempBrokerMetadata`).
//!
//! ```text
//! brokerIdentity        clusterName#brokerName#brokerId
//! brokerIdentity-temp   clusterName#brokerName#brokerId#registerCheckCode
//! ```

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use eruca_replication::auto_switch::Identity;

use crate::persist::{PersistError, replace};

/// The two files.
#[derive(Debug)]
pub(crate) struct IdentityFiles {
    own: PathBuf,
    candidate: PathBuf,
    cluster_name: String,
    broker_name: String,
}

impl IdentityFiles {
    /// At `path` (`storePathBrokerIdentity`), for a broker of this name.
    pub(crate) fn new(path: PathBuf, cluster_name: String, broker_name: String) -> Self {
        let mut candidate = path.clone().into_os_string();
        candidate.push("-temp");
        IdentityFiles { own: path, candidate: candidate.into(), cluster_name, broker_name }
    }

    /// What is there.
    ///
    /// # Errors
    /// A file cannot be read, or is that of another broker.
    pub(crate) fn read(&self) -> Result<Identity, PersistError> {
        if let Some(text) = read(&self.own)? {
            let [id] = self.fields(&self.own, &text)?;
            return self.id(&self.own, id).map(Identity::Own);
        }
        let Some(text) = read(&self.candidate)? else { return Ok(Identity::None) };
        let [id, check_code] = self.fields(&self.candidate, &text)?;
        let id = self.id(&self.candidate, id)?;
        Ok(Identity::Candidate { id, check_code: check_code.to_owned() })
    }

    /// Writes it; when this returns it survives a power cut.
    ///
    /// # Errors
    /// The disk refuses.
    pub(crate) fn keep(&self, identity: &Identity) -> Result<(), PersistError> {
        let name = format!("{}#{}", self.cluster_name, self.broker_name);
        match identity {
            Identity::None => remove(&self.candidate),
            Identity::Candidate { id, check_code } => {
                make_directory(&self.candidate)?;
                replace(&self.candidate, format!("{name}#{id}#{check_code}").as_bytes())
            }
            Identity::Own(id) => {
                make_directory(&self.own)?;
                replace(&self.own, format!("{name}#{id}").as_bytes())?;
                remove(&self.candidate)
            }
        }
    }

    /// The fields behind the names.
    fn fields<'t, const N: usize>(&self, path: &Path, text: &'t str) -> Result<[&'t str; N], PersistError> {
        let damaged = |reason: String| PersistError::Damaged { path: path.to_owned(), reason };
        let fields: Vec<&str> = text.trim_end().splitn(2 + N, '#').collect();
        let Some(([cluster, name], rest)) = fields.split_first_chunk::<2>() else {
            return Err(damaged("it is not of the form clusterName#brokerName#brokerId".to_owned()));
        };
        if *cluster != self.cluster_name || *name != self.broker_name {
            return Err(damaged(format!(
                "it is that of broker {name} of cluster {cluster}, this one is {} of {}: set brokerName and brokerClusterName \
                 as they were, or give this broker a directory of its own",
                self.broker_name, self.cluster_name
            )));
        }
        rest.try_into().map_err(|_| damaged(format!("it has {} fields, {} are right", fields.len(), 2 + N)))
    }

    fn id(&self, path: &Path, text: &str) -> Result<i64, PersistError> {
        text.parse().map_err(|_| PersistError::Damaged {
            path: path.to_owned(),
            reason: format!("'{}' is no broker id", text.chars().take(40).collect::<String>()),
        })
    }
}

fn make_directory(path: &Path) -> Result<(), PersistError> {
    let directory = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(directory).map_err(PersistError::io("create", directory))
}

/// `None` where there is none. An empty one is what a crash left of Java's, which writes it in place.
fn read(path: &Path) -> Result<Option<String>, PersistError> {
    match fs::read_to_string(path) {
        Ok(text) if text.trim().is_empty() => Ok(None),
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(PersistError::io("read", path)(error)),
    }
}

fn remove(path: &Path) -> Result<(), PersistError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(PersistError::io("remove", path)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn javas_files_are_read_and_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/brokerIdentity");
        let files = |name: &str| IdentityFiles::new(path.clone(), "C".to_owned(), name.to_owned());
        let mine = files("b");
        assert_eq!(mine.read().unwrap(), Identity::None);
        let candidate = Identity::Candidate { id: 2, check_code: "10.0.0.1:10911;17".to_owned() };
        mine.keep(&candidate).unwrap();
        let temp = dir.path().join("deep/brokerIdentity-temp");
        assert_eq!(fs::read_to_string(&temp).unwrap(), "C#b#2#10.0.0.1:10911;17");
        assert_eq!(mine.read().unwrap(), candidate);
        mine.keep(&Identity::Own(2)).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "C#b#2");
        assert!(!temp.exists());
        assert_eq!(mine.read().unwrap(), Identity::Own(2));
        let other = files("c").read().unwrap_err().to_string();
        assert!(other.contains("that of broker b of cluster C, this one is c of C"), "{other}");
        for bad in ["C#b", "C#b#x", "C", "C#b#9#1#2"] {
            fs::write(&path, bad).unwrap();
            assert!(mine.read().is_err(), "{bad}");
        }
    }
}
