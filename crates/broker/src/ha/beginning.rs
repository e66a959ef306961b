//! Where the copy of a slave without messages begins: with the first message that its master has.
//!
//! A slave that has nothing asks for offset 0, and a Java master sends it its last segment then: whatever is older would be missing
//! when that slave becomes the master. So the slave fetches the first record by itself, as administrators look at a message, and asks
//! for what follows it. `syncFromLastFile=true` leaves it to the master, and so does a controller, whose protocol knows the question.

use std::time::Duration;

use eruca_message::LogOffset;
use eruca_store::{CopyError, MessageStore};

use crate::slave_sync::{AskError, Member};

/// Pause before a master that does not answer is asked again, as after a connection of the copy that ended.
const PAUSE: Duration = Duration::from_secs(5);

/// Why the first message is not here.
#[derive(Debug, thiserror::Error)]
enum BeginError {
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error(transparent)]
    Copy(#[from] CopyError),
    #[error("what the master has at offset {begin} is no whole message ({bytes} bytes)")]
    InPieces { begin: u64, bytes: usize },
}

/// Takes the first message of the master whose remoting address is `addr` into `store`, which has none. Asks until it answers; does
/// nothing where that has no messages, or does not give them.
pub(super) async fn begin(store: &MessageStore, addr: &str) {
    let master = Member::at(addr.to_owned());
    let mut has_told = false;
    loop {
        match take_first(store, &master).await {
            Ok(()) => break,
            Err(BeginError::Ask(AskError::Invoke(error))) => {
                if !has_told {
                    tracing::warn!(master = addr, %error, "the master does not say where its log begins; it is asked again every 5 s");
                }
                has_told = true;
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => {
                tracing::warn!(
                    master = addr, %error,
                    "the first message of the master cannot be had: a Java master gives its last segment alone, and without the \
                     older ones this slave must not become the master; to have them begin it with a copy of the master's directory"
                );
                break;
            }
        }
    }
    master.client.close();
}

async fn take_first(store: &MessageStore, master: &Member) -> Result<(), BeginError> {
    let (begin, end) = master.log_range().await?;
    if begin >= end {
        return Ok(());
    }
    let record = master.record(begin).await?;
    store.begin_copy()?;
    let now = store.append_copy(LogOffset(begin), &record)?;
    if now.0 != begin + record.len() as u64 {
        return Err(BeginError::InPieces { begin, bytes: record.len() });
    }
    tracing::info!(
        master = master.addr,
        begin,
        end,
        "the log of the master is copied from its first message on"
    );
    Ok(())
}

#[cfg(test)]
#[path = "beginning_test.rs"]
mod test;
