//! Messages that wait for a time, as their files show them.

use super::directory::{InspectError, StoreDirectory};
use crate::timer::{TimerSurvey, TimerUnit, look};

impl StoreDirectory {
    /// Reads the timer log: hands each unit to `take`, with its position and whether its slot is still to come, until `take` has
    /// enough. What was read comes to; `None` where no message ever waited.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn timers(
        &self,
        take: impl FnMut(u64, &TimerUnit, bool) -> bool,
    ) -> Result<Option<TimerSurvey>, InspectError> {
        Ok(look(&self.disk, &self.root, take)?)
    }
}
