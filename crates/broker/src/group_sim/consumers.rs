//! Consumers, and how far their group is.

use std::collections::BTreeMap;

use eruca_sim::trace::Trace;

use super::{delayed, process::Process, producers};

/// What is consumed: what transactions and delays bring, and messages of the logs' own play.
pub(super) const CONSUMED: [&str; 3] = [producers::TOPIC, delayed::TOPIC, "orders"];

#[derive(Default)]
pub(super) struct Consumers {
    /// By topic: what a consumer got at each offset.
    got: BTreeMap<&'static str, BTreeMap<u64, Vec<u8>>>,
    /// How far the group is at each broker: less it is not before the broker has taken over what another one told.
    floors: BTreeMap<(usize, &'static str), i64>,
}

/// Messages by their offsets.
pub(super) type Got = Vec<(u64, Vec<u8>)>;

impl Consumers {
    /// How many messages consumers got.
    pub(super) fn messages(&self) -> usize {
        self.got.values().map(BTreeMap::len).sum()
    }

    /// A broker has taken over what its master told.
    pub(super) fn followed(&mut self, process: &Process, at: usize) {
        for topic in CONSUMED {
            self.floors.insert((at, topic), process.committed(topic).unwrap_or(0));
        }
    }

    /// A consumer goes on at this broker where its group is: what it gets.
    pub(super) fn consume(
        &mut self,
        process: &Process,
        at: usize,
        topic: &'static str,
        commits: bool,
        trace: &mut Trace,
    ) -> Result<Got, String> {
        let from = process.committed(topic).unwrap_or(0);
        let floor = self.floors.get(&(at, topic)).copied().unwrap_or(0);
        if from < floor {
            return Err(format!("{topic}: the group was at {floor} at {at}, and is at {from}"));
        }
        let from = from as u64;
        let got = self.got.entry(topic).or_default();
        if let Some(missed) = (0..from).find(|offset| !got.contains_key(offset)) {
            return Err(format!("{topic}: the group is at {from} at {at}, and never got message {missed}"));
        }
        let (messages, next) = process.read(topic, from);
        self.note(topic, &messages)?;
        if commits && next > from {
            trace.line(format_args!("{topic}: the group commits {next} at {at}"));
            process.commit(topic, next as i64);
            self.floors.insert((at, topic), next as i64);
        }
        Ok(messages)
    }

    /// A consumer got these.
    fn note(&mut self, topic: &'static str, messages: &Got) -> Result<(), String> {
        let got = self.got.entry(topic).or_default();
        for (offset, body) in messages {
            let known = got.insert(*offset, body.clone());
            if known.is_some_and(|known| known != *body) {
                return Err(format!("{topic}: offset {offset} names two messages"));
            }
        }
        Ok(())
    }

    /// Everything in a queue, from its beginning.
    pub(super) fn read_all(&mut self, process: &Process, topic: &'static str) -> Result<Got, String> {
        let (mut from, mut all) = (0, Got::new());
        loop {
            let (messages, next) = process.read(topic, from);
            if next == from {
                break;
            }
            all.extend(messages);
            from = next;
        }
        self.note(topic, &all)?;
        Ok(all)
    }
}
