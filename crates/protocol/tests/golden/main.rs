//! What Java peers sent, read and written to the same bytes.

mod bodies;
mod capture;
mod frames;
mod headers;
