//! The newest sends of all topics that store each message once.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::BuildHasher,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicIsize, Ordering},
    },
};

use eruca_message::{LogOffset, Timestamp};
use eruca_protocol::body::TopicConfig;
use eruca_store::MessageStore;

use super::{
    find::{Candidate, Earlier, check, search_index},
    recent::{Known, RecentSends},
};
use crate::reply::HandlerError;

/// The topic attribute: for so many seconds after a send the same message is not stored again. 0 or none: always.
pub const IDEMPOTENT_WINDOW_SECONDS: &str = "idempotent.window.seconds";
/// Ids that are remembered in memory, of all topics together; about 70 bytes each. The index of keys knows the rest.
const REMEMBERED_MAX: isize = 1_000_000;
/// Ids that a topic may always remember.
const REMEMBERED_PER_TOPIC_MIN: usize = 1_000;

/// Sends of topics that store each message once.
#[derive(Debug)]
pub struct IdempotentSends {
    store: Arc<MessageStore>,
    opened: Timestamp,
    hasher: RandomState,
    topics: Mutex<HashMap<String, Arc<Mutex<RecentSends>>>>,
    remembered: AtomicIsize,
}

/// One topic's sends, for as long as nobody else may send to it: between the look and the append nothing may come.
#[derive(Debug)]
pub struct TopicSends<'a> {
    all: &'a IdempotentSends,
    recent: MutexGuard<'a, RecentSends>,
    topic: &'a str,
    window_ms: i64,
    now: Timestamp,
}

impl IdempotentSends {
    /// Sends to `store`, which is as it was left: what is in it was not sent in this process.
    pub fn new(store: Arc<MessageStore>, now: Timestamp) -> Self {
        IdempotentSends {
            store,
            opened: now,
            hasher: RandomState::new(),
            topics: Mutex::default(),
            remembered: AtomicIsize::new(0),
        }
    }

    /// For how many milliseconds `topic` stores a message once; `None` for an ordinary topic.
    pub fn window_ms(topic: &TopicConfig) -> Option<i64> {
        // Nearly all topics have no attributes.
        if topic.attributes.is_empty() {
            return None;
        }
        let seconds: i64 = topic.attributes.get(IDEMPOTENT_WINDOW_SECONDS)?.parse().ok()?;
        (seconds > 0).then(|| seconds.saturating_mul(1_000))
    }

    /// The sends of a topic; `with` gets them alone.
    pub fn of_topic<T>(
        &self,
        topic: &str,
        window_ms: i64,
        now: Timestamp,
        with: impl FnOnce(&mut TopicSends<'_>) -> T,
    ) -> T {
        let recent = {
            let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
            match topics.get(topic) {
                Some(recent) => Arc::clone(recent),
                None => {
                    let recent = Arc::new(Mutex::new(RecentSends::new(self.opened)));
                    Arc::clone(topics.entry(topic.to_owned()).or_insert(recent))
                }
            }
        };
        let recent = recent.lock().unwrap_or_else(PoisonError::into_inner);
        with(&mut TopicSends { all: self, recent, topic, window_ms, now })
    }
}

impl TopicSends<'_> {
    /// The same message, where it was stored in the window already. It is in the kernel then: it may be acknowledged, or,
    /// where the disk is waited for, its end.
    ///
    /// # Errors
    /// What was sent before could not be written.
    pub fn earlier(&self, unique_key: &str, body: &[u8]) -> Result<Option<Earlier>, HandlerError> {
        let store = &self.all.store;
        let wanted = Candidate { topic: self.topic, unique_key, body };
        match self.recent.find(self.hash(unique_key), self.now, self.window_ms) {
            Known::No => Ok(None),
            Known::At(at) => {
                if at.0 >= store.watermarks().written.0 {
                    // Of this very network read, or of another thread's.
                    store.settle_early()?;
                }
                Ok(check(store, at, &wanted))
            }
            Known::NotSince(since) => {
                let begin = Timestamp(self.now.0.saturating_sub(self.window_ms));
                Ok(search_index(store, &wanted, begin, since))
            }
        }
    }

    /// A message was appended at `at`.
    pub fn note(&mut self, unique_key: &str, at: LogOffset) {
        let hash = self.hash(unique_key);
        let remembered = self.all.remembered.load(Ordering::Relaxed);
        // Where all topics together have too many, each of them that is sent to lets go of its own oldest ones.
        let limit = match remembered < REMEMBERED_MAX {
            true => REMEMBERED_MAX as usize,
            false => REMEMBERED_PER_TOPIC_MIN,
        };
        let change = self.recent.note(hash, at, self.now, self.window_ms, limit);
        self.all.remembered.fetch_add(change, Ordering::Relaxed);
    }

    fn hash(&self, unique_key: &str) -> u64 {
        self.all.hasher.hash_one(unique_key)
    }
}
