//! Members of a group that ask for different messages, as while a new version of them is rolled out.
//!
//! One member pulls a queue: what it does not want nobody else would get. So before a pull passes over a message that others of its group
//! want, the message goes into the group's retry topic, as one that was sent back: to a queue that a member pulls who wants it, or in ten
//! seconds to any, from where it is handed on in the same way. The retry topic gets as many queues as the group has members. What comes
//! so may come twice, where the queue is pulled anew, and out of order.

use std::{cell::Cell, collections::HashMap};

use eruca_message::{
    QueueOffset, Record,
    names::{is_retry_topic, retry_topic},
    properties::{self, DELAY_TIME_LEVEL, RETRY_TOPIC},
};
use eruca_protocol::body::TopicConfig;
use eruca_store::{AppendMessage, EntryFilter, ReadLimits, ReadOutcome, ReadStatus, Wait};

use super::pull_message::{Plan, PullMessageHandler};
use crate::{
    clients::{HANDED_OVER, WantedBy, Wishes},
    filter::{MessageFilter, WORK_MAX},
    handler::send_back::as_handed_over,
    reply::HandlerError,
    topics::perm,
};

/// Where nobody is known to pull it who wants it: 10 s by default.
const WAIT_LEVEL: &str = "3";
/// A queue that nobody pulled for so long is nobody's. A pull waits for 15 or 20 s.
const PULLED_WITHIN_MS: i64 = 60_000;
/// Most queues that the retry topic of such a group is given.
const QUEUES_MAX: usize = 64;
/// Reads for one pull; what they do not come to is left to the next one.
const ROUNDS_MAX: usize = 8;

/// Chooses what is for others, of messages or of such that were sent back.
pub(super) struct ForOthers<'p> {
    wishes: &'p [Wishes],
    is_retry: bool,
    work_left: Cell<usize>,
}

impl<'p> ForOthers<'p> {
    pub(super) fn new(plan: &'p Plan) -> Self {
        let is_retry = is_retry_topic(&plan.topic);
        ForOthers { wishes: &plan.others, is_retry, work_left: Cell::new(WORK_MAX) }
    }
}

impl ForOthers<'_> {
    fn wanted_by(&self, of_message: &[u8]) -> WantedBy {
        let wishes = match self.is_retry {
            false => self.wishes.first(),
            true => {
                let origin = properties::find_str(of_message, RETRY_TOPIC);
                self.wishes.iter().find(|wishes| Some(wishes.topic.as_str()) == origin)
            }
        };
        let Some(wishes) = wishes else { return WantedBy::Member };
        self.work_left.set(self.work_left.get().saturating_sub(wishes.work(of_message.len())));
        wishes.wanted_by(of_message)
    }
}

impl EntryFilter for ForOthers<'_> {
    fn matches_entry(&self, _tags_code: i64) -> bool {
        true
    }

    fn matches_properties(&self, of_message: &[u8]) -> bool {
        self.wanted_by(of_message) == WantedBy::Others
    }

    fn needs_properties(&self) -> bool {
        true
    }

    fn is_spent(&self) -> bool {
        self.work_left.get() == 0
    }
}

/// The rest: what the member wants, and what failed before and nobody else wants. What was handed over and nobody wants any more, as
/// those who did have gone, is passed over.
pub(super) struct NotForOthers<'p>(pub(super) ForOthers<'p>);

impl EntryFilter for NotForOthers<'_> {
    fn matches_entry(&self, _tags_code: i64) -> bool {
        true
    }

    fn matches_properties(&self, of_message: &[u8]) -> bool {
        match self.0.wanted_by(of_message) {
            WantedBy::Member => true,
            WantedBy::Others => false,
            WantedBy::Nobody => properties::find(of_message, HANDED_OVER).is_none(),
        }
    }

    fn needs_properties(&self) -> bool {
        true
    }

    fn is_spent(&self) -> bool {
        self.0.is_spent()
    }
}

/// Where a group's messages go that are handed over.
struct RetryTopic {
    name: String,
    queues: i32,
    /// Queues whose pullers are known, with what they want, by the topic that a message is from.
    pulled: HashMap<String, Vec<(i32, MessageFilter)>>,
}

impl PullMessageHandler {
    /// Hands over what `read` passed over and others want. The read, ended earlier where not all of it could be looked through; `None`
    /// where the disk would have to be waited for.
    ///
    /// # Errors
    /// What is to be handed over cannot be stored: the pull must not pass over it.
    pub(super) fn hand_over(
        &self,
        plan: &Plan,
        mut read: ReadOutcome,
        wait: Wait,
    ) -> Result<Option<ReadOutcome>, HandlerError> {
        let has_looked = matches!(read.status, ReadStatus::Found | ReadStatus::NoMatchedMessage);
        // A slave stores nothing.
        let differ = plan.others.iter().any(|wishes| !wishes.all.is_empty());
        if !differ || !has_looked || !self.role.is_master() {
            return Ok(Some(read));
        }
        let (mut at, end) = (plan.from(), read.next_offset);
        let (mut retry, mut handed_over) = (None, 0);
        for _ in 0..ROUNDS_MAX {
            if at >= end {
                break;
            }
            let scanned = usize::try_from(end.0 - at.0).unwrap_or(usize::MAX);
            let limits = ReadLimits { max_messages: 256, max_bytes: 1 << 20, max_entries_scanned: scanned };
            let filter = ForOthers::new(plan);
            let left = self.store.read_waiting(&plan.topic, plan.queue_id, at, &limits, &filter, wait);
            let Some(left) = left else {
                if at == plan.from() {
                    return Ok(None);
                }
                break;
            };
            for record in records_before(&left.records, end) {
                let retry = match &mut retry {
                    Some(retry) => retry,
                    None => retry.insert(self.retry_topic(plan)?),
                };
                self.give_to_others(plan, &record, retry)?;
                handed_over += 1;
            }
            let goes_on = matches!(left.status, ReadStatus::Found | ReadStatus::NoMatchedMessage);
            at = if goes_on && left.next_offset > at { left.next_offset } else { end };
        }
        if handed_over > 0 {
            // Once the pull is answered its client may commit what it passed over.
            self.store.settle_early().map_err(HandlerError::from)?;
            self.topics.settle();
            tracing::debug!(group = %plan.group, topic = %plan.topic, plan.queue_id, handed_over, "messages handed over");
        }
        if at < end {
            let (count, bytes) = records_before(&read.records, at)
                .fold((0, 0), |(count, bytes), record| (count + 1, bytes + record.total_len));
            read.message_count = count;
            read.records = read.records.slice(..bytes);
            read.next_offset = at;
            if count == 0 {
                read.status = ReadStatus::NoMatchedMessage;
            }
        }
        Ok(Some(read))
    }

    fn give_to_others(
        &self,
        plan: &Plan,
        record: &Record<'_>,
        retry: &mut RetryTopic,
    ) -> Result<(), HandlerError> {
        let mut properties = as_handed_over(record);
        let origin = properties.get(RETRY_TOPIC).unwrap_or(record.fields.topic).to_owned();
        let RetryTopic { name, queues, pulled } = retry;
        let pulled =
            pulled.entry(origin).or_insert_with_key(|origin| self.pulled(plan, name, *queues, origin));
        let wanted = |(_, filter): &&(i32, MessageFilter)| filter.matches(record.fields.properties);
        let queue_id = pulled.iter().find(wanted).map(|(queue_id, _)| *queue_id);
        properties.set(DELAY_TIME_LEVEL, if queue_id.is_some() { "0" } else { WAIT_LEVEL });
        // Anywhere: which queue of these is pulled by whom will be known then.
        let any = i32::try_from(record.fields.log_offset.0 % u64::from(queues.unsigned_abs())).unwrap_or(0);
        let properties = properties.to_bytes();
        let message = AppendMessage {
            store_host: self.store_host,
            prepared_transaction_offset: 0,
            ..AppendMessage::moved(record, name, queue_id.unwrap_or(any), &properties)
        };
        self.parking.append(&self.store, &message, self.clock.now())?;
        Ok(())
    }

    /// The group's retry topic, of which each member is to have a queue.
    fn retry_topic(&self, plan: &Plan) -> Result<RetryTopic, HandlerError> {
        let name = retry_topic(&plan.group);
        let members = self.consumers.callers(&plan.group).len().clamp(1, QUEUES_MAX);
        let members = i32::try_from(members).unwrap_or(1);
        let config = self.topics.ensure(&name, members);
        if !perm::is_writeable(config.perm) {
            return Err(HandlerError::no_permission(format!(
                "members of group {} ask for different messages, and the topic[{name}], by which they would get them, is not \
                 writeable: its perm is {}; make it writeable, or let all members subscribe alike",
                plan.group,
                perm::text(config.perm)
            )));
        }
        let queues = config.read_queue_nums.min(config.write_queue_nums);
        if queues < members {
            let (read_queue_nums, write_queue_nums) =
                (config.read_queue_nums.max(members), config.write_queue_nums.max(members));
            let wider = TopicConfig { read_queue_nums, write_queue_nums, ..(*config).clone() };
            self.topics.put(wider).map_err(|error| HandlerError::system_error(error.to_string()))?;
            tracing::info!(
                topic = name,
                queues = members,
                "the retry topic has a queue for each member of its group"
            );
        }
        Ok(RetryTopic { name, queues: queues.max(members), pulled: HashMap::new() })
    }

    /// Queues of the retry topic whose pullers are known, with what they want of `origin`.
    fn pulled(&self, plan: &Plan, topic: &str, queues: i32, origin: &str) -> Vec<(i32, MessageFilter)> {
        let now = self.clock.now();
        let pulled = (0..queues).filter_map(|queue_id| {
            let pull = self.offsets.last_pull(&plan.group, topic, queue_id)?;
            let is_known = now.ms_since(pull.at) < PULLED_WITHIN_MS;
            let wish = is_known.then(|| self.consumers.wish_at(&plan.group, origin, pull.by)).flatten()?;
            Some((queue_id, wish))
        });
        pulled.collect()
    }
}

/// The records of a queue that lie before an offset.
fn records_before(records: &[u8], end: QueueOffset) -> impl Iterator<Item = Record<'_>> {
    let records = Record::decode_all(records).map_while(Result::ok);
    records.take_while(move |record| record.fields.queue_offset < end)
}
