//! Compiled expressions, so that a client which says its expression with every pull does not have it compiled every time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use eruca_filter::{SqlError, SqlFilter};

/// So many bytes of expressions are kept, twice.
const KEPT_MAX_BYTES: usize = 1 << 20;
/// What is kept of one beside its text, about.
const ENTRY_BYTES: usize = 256;

/// What became of an expression.
pub(crate) type Compiled = Result<Arc<SqlFilter>, SqlError>;

/// The expressions that were compiled of late, and those that were refused.
#[derive(Debug, Default)]
pub struct CompiledFilters(Mutex<Generations>);

/// When the young ones are too many, they are the old ones, and those of before are forgotten; what is used is young.
#[derive(Debug, Default)]
struct Generations {
    young: HashMap<Box<str>, Compiled>,
    young_bytes: usize,
    old: HashMap<Box<str>, Compiled>,
}

impl CompiledFilters {
    /// Compiles an expression, or finds it compiled.
    pub(crate) fn get(&self, expression: &str) -> Compiled {
        if let Some(known) = self.lock().find(expression) {
            return known;
        }
        let compiled = SqlFilter::compile(expression).map(Arc::new);
        // One that is too long to be compiled is refused faster than it is found.
        if !matches!(compiled, Err(SqlError::TooLong { .. })) {
            self.lock().keep(expression, &compiled);
        }
        compiled
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Generations> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    fn find(&mut self, expression: &str) -> Option<Compiled> {
        if let Some(known) = self.young.get(expression) {
            return Some(known.clone());
        }
        let known = self.old.remove(expression)?;
        self.keep(expression, &known);
        Some(known)
    }

    fn keep(&mut self, expression: &str, compiled: &Compiled) {
        let bytes = expression.len() + ENTRY_BYTES;
        if self.young_bytes + bytes > KEPT_MAX_BYTES {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        if self.young.insert(expression.into(), compiled.clone()).is_none() {
            self.young_bytes += bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_is_compiled_once_and_others_are_forgotten() {
        let filters = CompiledFilters::default();
        let used = filters.get("a > 5").unwrap();
        for n in 0..50_000 {
            filters.get(&format!("a > {n} AND b = '{}'", "x".repeat(n % 300))).unwrap();
            assert!(Arc::ptr_eq(&used, &filters.get("a > 5").unwrap()));
        }
        let kept = filters.lock();
        let bytes: usize =
            kept.young.keys().chain(kept.old.keys()).map(|text| text.len() + ENTRY_BYTES).sum();
        assert!(bytes <= 2 * KEPT_MAX_BYTES && kept.young_bytes <= KEPT_MAX_BYTES);
    }

    #[test]
    fn what_is_wrong_is_said_every_time() {
        let filters = CompiledFilters::default();
        let first = filters.get("a >").unwrap_err();
        assert_eq!(filters.get("a >").unwrap_err(), first);
        assert!(matches!(filters.get(&"x".repeat(1 << 20)), Err(SqlError::TooLong { .. })));
        assert_eq!(filters.lock().young.len(), 1);
    }
}
