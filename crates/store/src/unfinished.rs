//! Records of which the properties name queue offsets, so that they are finished under the append lock: those that shall
//! be in several queues, and inner batches.

use std::{fmt::Write, sync::Arc};

use eruca_message::{RecordError, properties};

use crate::{
    commit_log::Extra,
    consume_queue::{BatchQueue, ConsumeQueue},
    dispatch::QueueName,
};

/// The longest decimal queue offset, and a comma.
const OFFSET_TEXT_LEN_MAX: usize = 21;

/// What a record lacks.
#[derive(Debug)]
pub(crate) enum Unfinished {
    /// The property [`properties::INNER_MULTI_QUEUE_OFFSET`].
    MultiDispatch(MultiDispatch),
    /// The property [`properties::INNER_BASE`].
    InnerBatch(Arc<BatchQueue>),
}

/// The queues of a message beside its own.
#[derive(Debug)]
pub(crate) struct MultiDispatch {
    /// Each once.
    queues: Vec<Arc<ConsumeQueue>>,
    /// For every name in the property: which of `queues` it is, or that it has no entry.
    names: Vec<Option<usize>>,
}

impl MultiDispatch {
    /// From the names in the property; `find` gives the queue of one.
    pub(crate) fn new(
        names: &[QueueName<'_>],
        mut find: impl FnMut(&str, i32) -> Arc<ConsumeQueue>,
    ) -> MultiDispatch {
        let mut queues: Vec<Arc<ConsumeQueue>> = Vec::new();
        let places = names.iter().map(|name| {
            if !name.has_entry {
                return None;
            }
            // The same name twice is one entry.
            let known = queues
                .iter()
                .position(|queue| (&**queue.topic(), queue.queue_id()) == (name.name, name.queue_id));
            Some(known.unwrap_or_else(|| {
                queues.push(find(name.name, name.queue_id));
                queues.len() - 1
            }))
        });
        let names = places.collect();
        MultiDispatch { queues, names }
    }
}

impl Unfinished {
    /// Bytes that finishing may add to the properties.
    pub(crate) fn added_len_max(&self) -> usize {
        let (name, offsets) = match self {
            Unfinished::MultiDispatch(multi) => (properties::INNER_MULTI_QUEUE_OFFSET, multi.names.len()),
            Unfinished::InnerBatch(_) => (properties::INNER_BASE, 1),
        };
        // Separators, also the one that the last property may lack.
        name.len() + offsets * OFFSET_TEXT_LEN_MAX + 3
    }

    /// Gives the record its queue offsets and writes them into it. `base` is the first offset of an inner batch. Under
    /// the append lock only. The caller has checked that the properties have room.
    pub(crate) fn finish(&self, record: &mut Vec<u8>, base: u64) -> Result<Extra, RecordError> {
        let mut extra = Extra::default();
        let mut encoded = Vec::new();
        match self {
            Unfinished::InnerBatch(_) => {
                properties::encode_property(&mut encoded, properties::INNER_BASE, &base.to_string());
            }
            Unfinished::MultiDispatch(multi) => {
                extra.queues =
                    multi.queues.iter().map(|queue| (Arc::clone(queue), queue.assign(1))).collect();
                let mut text = String::new();
                for (index, name) in multi.names.iter().enumerate() {
                    let offset = name.and_then(|at| extra.queues.get(at)).map_or(0, |(_, offset)| *offset);
                    let comma = if index == 0 { "" } else { "," };
                    // Writing to a string cannot fail.
                    let _ = write!(text, "{comma}{offset}");
                }
                properties::encode_property(&mut encoded, properties::INNER_MULTI_QUEUE_OFFSET, &text);
            }
        }
        if let Err(error) = eruca_message::append_properties(record, &encoded) {
            extra.queues.iter().for_each(|(queue, offset)| queue.take_back(*offset));
            return Err(error);
        }
        Ok(extra)
    }
}
