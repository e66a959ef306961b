//! What the rounds have in common in which a member's queues change: which queues it should have, and where it starts
//! in the new ones. Rounds repeat every second while something is wrong; it is logged when it begins and when it ends.

use std::collections::{BTreeMap, BTreeSet};

use eruca_message::MessageQueue;

use super::{allocation::Allocation, membership::Membership};
use crate::{CallError, offset_store::PersistError};

/// What was wrong in the latest round. Bounded by the brokers and topics that the member ever had to do with.
#[derive(Debug, Default)]
pub(crate) struct QueueRounds {
    silent_brokers: BTreeSet<String>,
    unallocated_topics: BTreeSet<String>,
}

/// What brokers answered to the wish to have queues for ourselves.
#[derive(Debug, Default)]
pub(crate) struct Locked {
    pub(crate) granted: BTreeSet<MessageQueue>,
    /// Brokers that gave no answer, or not this one.
    pub(crate) failed: BTreeMap<String, CallError>,
}

/// Why queues of a broker wait in this round.
struct Silence {
    error: PersistError,
    waiting_queues: usize,
}

/// What is worth a line in the log.
#[derive(Debug, PartialEq, Eq)]
enum News {
    Silent { broker_name: String, waiting_queues: usize },
    Answers { broker_name: String },
}

impl QueueRounds {
    /// The queues that `member` should have of all its topics, and whether that is certain: of a topic whose queues
    /// cannot be allocated it keeps those in `held`.
    pub(crate) async fn allocate(&mut self, member: &Membership, held: &Allocation) -> (Allocation, bool) {
        let (mut wanted, mut is_complete) = (Allocation::default(), true);
        for topic in member.topics() {
            let outcome = member.allocate(&topic).await;
            self.note_allocation(&topic, &outcome);
            if let Ok(Some(queues)) = outcome {
                wanted.extend(queues);
                continue;
            }
            // Who does not know better keeps what he has.
            wanted.extend(held.of_topic(&topic));
            // A pop retry topic is there when something has come again: it is looked for now and then.
            is_complete &=
                matches!(outcome, Err(CallError::TopicUnknown { .. })) && member.is_pop_retry_topic(&topic);
        }
        (wanted, is_complete)
    }

    fn note_allocation<T>(&mut self, topic: &str, outcome: &Result<Option<T>, CallError>) {
        match outcome {
            Ok(_) => {
                if self.unallocated_topics.remove(topic) {
                    tracing::info!(topic, "queues can be allocated again");
                }
            }
            // A retry topic comes with the first heartbeat, and others may come with their first message.
            Err(CallError::TopicUnknown { .. }) => tracing::debug!(topic, "topic has no route yet"),
            Err(error) => {
                if self.unallocated_topics.insert(topic.to_owned()) {
                    tracing::warn!(topic, %error, "queues not allocated, the present ones are kept");
                }
            }
        }
    }

    /// Finds where `member` starts in each of `queues` and gives that to `take`; whether all of them could be taken
    /// up. `locked` is `None` where queues need not be locked.
    pub(crate) async fn take_up(
        &mut self,
        member: &Membership,
        queues: Vec<MessageQueue>,
        locked: Option<Locked>,
        mut take: impl FnMut(MessageQueue, i64),
    ) -> bool {
        // A broker that does not answer costs one time-out, not one for each of its queues.
        let mut silent: BTreeMap<String, Silence> = BTreeMap::new();
        let granted = locked.map(|locked| {
            for (broker_name, error) in locked.failed {
                if error.is_silence() {
                    silent.insert(broker_name, Silence { error: error.into(), waiting_queues: 0 });
                } else {
                    tracing::warn!(broker_name, %error, "queues not locked");
                }
            }
            locked.granted
        });
        let mut answered = BTreeSet::new();
        let mut is_complete = true;
        for queue in queues {
            if let Some(silence) = silent.get_mut(&queue.broker_name) {
                silence.waiting_queues += 1;
                is_complete = false;
                continue;
            }
            if granted.as_ref().is_some_and(|granted| !granted.contains(&queue)) {
                is_complete = false;
                continue;
            }
            match member.start_offset(&queue).await {
                Ok(offset) => {
                    answered.insert(queue.broker_name.clone());
                    take(queue, offset);
                }
                Err(error) => {
                    is_complete = false;
                    if error.is_silence() {
                        silent.insert(queue.broker_name, Silence { error, waiting_queues: 1 });
                    } else {
                        tracing::warn!(%queue, %error, "no offset to start from, the queue waits");
                    }
                }
            }
        }
        self.tell(member.group(), &silent, &answered);
        is_complete
    }

    fn tell(&mut self, group: &str, silent: &BTreeMap<String, Silence>, answered: &BTreeSet<String>) {
        let waiting = silent.iter().map(|(name, silence)| (name.as_str(), silence.waiting_queues));
        for news in self.news(waiting, answered) {
            match news {
                News::Silent { broker_name, waiting_queues } => {
                    let error = silent.get(&broker_name).map(|silence| &silence.error);
                    let error = error.map(tracing::field::display);
                    tracing::warn!(
                        group,
                        broker_name,
                        waiting_queues,
                        error,
                        "broker does not answer, queues wait for it"
                    );
                }
                News::Answers { broker_name } => tracing::info!(group, broker_name, "broker answers again"),
            }
        }
    }

    /// What the outcome of a round changes. Brokers of which nothing was asked stay what they are.
    fn news<'a>(
        &mut self,
        silent: impl Iterator<Item = (&'a str, usize)>,
        answered: &BTreeSet<String>,
    ) -> Vec<News> {
        let mut news = Vec::new();
        let mut silent_now = BTreeSet::new();
        for (broker_name, waiting_queues) in silent {
            silent_now.insert(broker_name);
            if self.silent_brokers.insert(broker_name.to_owned()) {
                news.push(News::Silent { broker_name: broker_name.to_owned(), waiting_queues });
            }
        }
        for broker_name in answered {
            if !silent_now.contains(broker_name.as_str()) && self.silent_brokers.remove(broker_name) {
                news.push(News::Answers { broker_name: broker_name.clone() });
            }
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use eruca_protocol::body::{ConsumeType, MessageModel};

    use super::*;
    use crate::{
        ConsumeFrom,
        consumer::membership::MemberSettings,
        testing::{FakeCluster, session},
    };

    fn member(session: crate::client::Session) -> Membership {
        let settings = MemberSettings {
            group: "g".to_owned(),
            model: MessageModel::Clustering,
            consume_from: ConsumeFrom::First,
            ..MemberSettings::default()
        };
        Membership::new(session.into(), settings, ConsumeType::Passively, &[]).unwrap()
    }

    #[test]
    fn a_broker_that_is_away_for_several_rounds_is_news_once_and_its_return_too() {
        let mut rounds = QueueRounds::default();
        let (nobody, a) = (BTreeSet::new(), BTreeSet::from(["a".to_owned()]));
        let first = rounds.news([("a", 4)].into_iter(), &nobody);
        assert_eq!(first, [News::Silent { broker_name: "a".to_owned(), waiting_queues: 4 }]);
        for _ in 0..3 {
            assert_eq!(rounds.news([("a", 4)].into_iter(), &nobody), []);
            // Nothing was asked of it.
            assert_eq!(rounds.news([].into_iter(), &nobody), []);
        }
        // It answered for one queue, and then no more.
        assert_eq!(rounds.news([("a", 3)].into_iter(), &a), []);
        assert_eq!(rounds.news([].into_iter(), &a), [News::Answers { broker_name: "a".to_owned() }]);
        assert_eq!(rounds.news([].into_iter(), &a), []);
    }

    #[tokio::test]
    async fn queues_of_a_silent_broker_wait_and_the_others_are_taken_up() {
        let cluster = FakeCluster::start(&["a", "b"]);
        cluster.topic("t", 2);
        cluster.stop_broker("b");
        let member = member(session(&cluster).await);
        let queues: Vec<MessageQueue> = ["a", "b"]
            .into_iter()
            .flat_map(|b| (0..2).map(move |id| MessageQueue::new("t", b, id)))
            .collect();
        let mut rounds = QueueRounds::default();
        for _ in 0..2 {
            let mut taken = Vec::new();
            let is_complete = rounds
                .take_up(&member, queues.clone(), None, |queue, offset| taken.push((queue, offset)))
                .await;
            assert!(!is_complete);
            assert_eq!(taken, [(queues[0].clone(), 0), (queues[1].clone(), 0)]);
            assert_eq!(rounds.silent_brokers, BTreeSet::from(["b".to_owned()]));
        }
    }
}
