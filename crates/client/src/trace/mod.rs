//! Traces of messages: what this client did with which message, as messages of the trace topic (Java: `AsyncTraceDispatcher`).
//!
//! What is traced is decided where it happens (`producer::trace`, `consumer::trace`); here it waits (`tracer`) until it is put
//! into messages (`batch`) and sent.

mod batch;
mod tracer;

pub(crate) use tracer::{Tracer, TracerOf};

/// The topic of traces where no other one is set.
pub(crate) const DEFAULT_TRACE_TOPIC: &str = "RMQ_SYS_TRACE_TOPIC";
