//! Tables by name on the way of every message.

use std::collections::HashMap;

/// A table by the names of topics and groups: they are short, and the standard library's hash costs more than the rest of
/// a look. As with that one, each table has a seed of its own, so that nobody can choose names which collide.
pub type NameMap<K, V> = HashMap<K, V, foldhash::fast::RandomState>;
