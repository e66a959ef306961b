//! What a broker would do with a directory, found out without writing.

use std::path::PathBuf;

use eruca_message::{LogOffset, Timestamp};

use super::{
    directory::{InspectError, StoreDirectory},
    queue_log::QueueLogSurvey,
    queues::QueueFileKind,
};
use crate::{
    commit_log::{Found, Walk},
    config::StoreConfig,
    disk::DiskError,
    recovery::{Foreign, choose_start, foreign, is_middle},
    segment::file_path,
};

/// Damaged places that a survey names.
const DAMAGES_MAX: usize = 100;
/// Queues with a problem that a survey names.
const QUEUE_PROBLEMS_MAX: usize = 20;

/// What keeps a broker from starting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The thing, its value and the limit.
    pub what: String,
    /// What helps.
    pub remedy: String,
}

/// A size that files were made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SizeFound {
    /// The key that says it.
    pub key: &'static str,
    /// Size of the files in bytes; `None` where there are none.
    pub found: Option<u64>,
    /// What the configuration says.
    pub configured: u64,
}

impl SizeFound {
    /// Whether the key has to be set to another value.
    pub fn differs(&self) -> bool {
        self.found.is_some_and(|found| found != self.configured)
    }
}

/// What was found out about a directory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Survey {
    /// Whether the last run closed the store in order: there is no `abort`.
    pub was_closed: bool,
    /// Which program seems to have written it, by what it left.
    pub written_by: &'static str,
    /// Files of the log.
    pub segments: usize,
    /// Start of the log, and its end as recovery would see it.
    pub log: (LogOffset, LogOffset),
    /// Store times of the first record and of the last one that recovery would read.
    pub stored: (Option<Timestamp>, Option<Timestamp>),
    /// From where recovery would read the log.
    pub recovery_from: LogOffset,
    /// Records that it would read.
    pub recovery_records: u64,
    /// What is wrong behind the end of the log: it would be cut off.
    pub torn_tail: Option<String>,
    /// Damage in the part that recovery would read: from, to, why.
    pub damages: Vec<(LogOffset, LogOffset, String)>,
    /// Topics with queues.
    pub topics: u64,
    /// Ordinary queues and batch queues.
    pub queues: (u64, u64),
    /// Entries in them.
    pub entries: u64,
    /// The log that very many queues share, where there is one.
    pub queue_log: Option<QueueLogSurvey>,
    /// Index files by key.
    pub index_files: usize,
    /// Sizes of files, and whether they are those of the configuration.
    pub sizes: Vec<SizeFound>,
    /// What would keep a broker from starting.
    pub problems: Vec<Problem>,
    /// What this version leaves aside, and why nothing is lost by it or what is.
    pub notes: Vec<Foreign>,
}

/// Queues whose files have one size.
struct QueueSize {
    bytes: u64,
    queues: u64,
    /// Directory of one of them.
    first: PathBuf,
}

impl StoreDirectory {
    /// Finds out what a broker with these settings would do. `progress` is told the bytes of the log that were read.
    ///
    /// # Errors
    /// Where a file cannot be read; everything else is in the survey.
    pub fn survey(
        &self,
        config: &StoreConfig,
        mut progress: impl FnMut(u64),
    ) -> Result<Survey, InspectError> {
        let exists = |path: PathBuf| self.disk.exists(&path).map_err(DiskError::at("look for", &path));
        let mut survey = Survey {
            was_closed: !exists(self.root.join("abort"))?,
            written_by: self.written_by()?,
            segments: self.files.len(),
            ..Survey::default()
        };
        for found in foreign(&*self.disk, &self.root)? {
            match found.refused {
                true => survey.problems.push(Problem {
                    what: format!(
                        "{} holds {}, which this version does not read",
                        found.path.display(),
                        found.what
                    ),
                    remedy: found.remedy.to_owned(),
                }),
                false => survey.notes.push(found),
            }
        }
        self.survey_queues(config, &mut survey)?;
        self.survey_log_files(config, &mut survey);
        survey.queue_log = self.survey_queue_log()?;
        self.survey_log(&mut survey, &mut progress)?;
        let index_dir = self.root.join("index");
        let index = self.disk.list(&index_dir).map_err(DiskError::at("list", &index_dir))?;
        survey.index_files = index.iter().filter(|entry| !entry.is_dir).count();
        Ok(survey)
    }

    fn written_by(&self) -> Result<&'static str, InspectError> {
        let config = self.root.join("config");
        let names = self.disk.list(&config).map_err(DiskError::at("list", &config))?;
        if names.iter().any(|entry| entry.name.ends_with(".journal")) {
            return Ok("Eruca");
        }
        let has = |name: &str| names.iter().any(|entry| entry.name == name);
        let knows_queue_offset = self.checkpoint.is_some_and(|known| known.queue_log_offset.0 > 0);
        let has_five = has("topicQueueMapping.json") || has("timercheck") || has("consumerOrderInfo.json");
        Ok(match (knows_queue_offset, has_five) {
            (true, _) => "the Java broker, 5.4 or later",
            (false, true) => "the Java broker, 5.0 to 5.3",
            (false, false) => "the Java broker, 4.x",
        })
    }

    fn survey_queues(&self, config: &StoreConfig, survey: &mut Survey) -> Result<(), InspectError> {
        let (mut sizes, mut batch_sizes): (Vec<QueueSize>, Vec<QueueSize>) = (Vec::new(), Vec::new());
        let mut topic = String::new();
        let mut problems = Vec::new();
        self.queues::<InspectError>(|queue| {
            let is_batch = queue.kind == QueueFileKind::Batch;
            survey.topics += u64::from(queue.topic != topic);
            let count = if is_batch { &mut survey.queues.1 } else { &mut survey.queues.0 };
            *count += 1;
            survey.entries += queue.entries;
            let dir = queue.dir.display();
            if let Some(size) = queue.file_size_bytes {
                // Few sizes, whatever the number of queues.
                let sizes = if is_batch { &mut batch_sizes } else { &mut sizes };
                match sizes.iter_mut().find(|known| known.bytes == size) {
                    Some(known) => known.queues += 1,
                    None => sizes.push(QueueSize { bytes: size, queues: 1, first: queue.dir.clone() }),
                }
            } else {
                let remedy = "move the file that differs away: the queue is made anew from the log";
                problems.push((format!("{dir} has files of different sizes"), remedy));
            }
            if let Some(missing) = &queue.missing_file {
                let remedy = "bring it back from a copy, or move the queue's directory away: it is made anew from the log";
                problems.push((format!("{} is missing: the files before and after it are there", missing.display()), remedy));
            }
            problems.truncate(QUEUE_PROBLEMS_MAX);
            topic = queue.topic;
            Ok(())
        })?;
        let kinds = [
            (&sizes, "mappedFileSizeConsumeQueue", config.queue_file_size_bytes),
            (&batch_sizes, "mapperFileSizeBatchConsumeQueue", config.batch_queue_file_size_bytes),
        ];
        for (sizes, key, configured) in kinds {
            let most = sizes.iter().max_by_key(|size| (size.queues, size.bytes));
            let found = most.map(|size| size.bytes);
            survey.sizes.push(SizeFound { key, found, configured });
            survey.problems.extend(wrong_size(key, found, configured));
            for other in sizes.iter().filter(|size| Some(size.bytes) != found) {
                let QueueSize { bytes, queues, first } = other;
                let what = format!(
                    "the files of {queues} queues, {} the first, have {bytes} bytes, most have {}",
                    first.display(),
                    found.unwrap_or(0)
                );
                problems.push((what, "move the queue away: it is made anew from the log"));
            }
        }
        survey
            .problems
            .extend(problems.into_iter().map(|(what, remedy)| Problem { what, remedy: remedy.to_owned() }));
        Ok(())
    }

    fn survey_log_files(&self, config: &StoreConfig, survey: &mut Survey) {
        let key = "mappedFileSizeCommitLog";
        let (found, configured) = (self.segment_size_bytes, config.segment_size_bytes);
        survey.sizes.insert(0, SizeFound { key, found, configured });
        survey.problems.extend(wrong_size(key, found, configured));
        let Some(size) = found else { return };
        let last = self.files.last().map(|file| file.start);
        for file in self.files.iter().filter(|file| file.len_bytes != size) {
            if file.len_bytes == 0 && Some(file.start) == last {
                // The trace of an interrupted creation, which recovery removes.
                continue;
            }
            survey.problems.push(Problem {
                what: format!(
                    "{} has {} bytes, the others have {size}",
                    file_path(&self.commit_log_dir, file.start).display(),
                    file.len_bytes
                ),
                remedy: "bring it back from a copy, or move it away if it is damaged".to_owned(),
            });
        }
        for (run, next) in self.runs.iter().zip(self.runs.iter().skip(1)) {
            let missing = run.all().last().map_or(0, |segment| segment.end());
            survey.problems.push(Problem {
                what: format!(
                    "{} is missing: there are files before it, and again from {} on",
                    file_path(&self.commit_log_dir, missing).display(),
                    next.min()
                ),
                remedy: "bring it back from a copy, or move the files before it away to go on without them"
                    .to_owned(),
            });
        }
    }

    /// Reads what recovery would read, and stops where it would.
    fn survey_log(&self, survey: &mut Survey, progress: &mut impl FnMut(u64)) -> Result<(), InspectError> {
        let Some(run) = self.runs.last() else { return Ok(()) };
        let log_start = self.log_start();
        let has_queues = survey.queues != (0, 0);
        let from = match (&survey.queue_log, has_queues) {
            (Some(QueueLogSurvey::Fits { log_end, .. }), _) => log_end.0,
            (Some(QueueLogSurvey::Unusable { .. }), _) => run.min(),
            (None, true) => choose_start(run, self.checkpoint.as_ref(), survey.was_closed)?.at,
            (None, false) => run.min(),
        };
        survey.recovery_from = LogOffset(from);
        survey.stored.0 = self.segments()?.first().and_then(|segment| segment.first_stored);
        let (was_closed, checkpoint) = (survey.was_closed, self.checkpoint);
        let is_middle = |at, stored| is_middle(was_closed, checkpoint, at, stored);
        let end = crate::commit_log::walk_log::<InspectError>(run, from, is_middle, |found| {
            progress(super::directory::end_of(&found).saturating_sub(from));
            let damage = match found {
                Found::Record(record) => {
                    survey.recovery_records += 1;
                    survey.stored.1 = Some(record.fields.store_timestamp);
                    return Ok(Walk::On);
                }
                Found::Damaged { at, len_bytes, error, .. } => {
                    (LogOffset(at), LogOffset(at + len_bytes), error.to_string())
                }
                Found::Unreadable { at, end } => {
                    (LogOffset(at), LogOffset(end), "no record starts here".to_owned())
                }
            };
            if survey.damages.len() < DAMAGES_MAX {
                survey.damages.push(damage);
            }
            Ok(Walk::On)
        })?;
        survey.log = (log_start, LogOffset(end.at));
        survey.torn_tail = end.torn;
        Ok(())
    }
}

fn wrong_size(key: &str, found: Option<u64>, configured: u64) -> Option<Problem> {
    let found = found.filter(|found| *found != configured)?;
    Some(Problem {
        what: format!("the files were made with {key}={found}, the configuration says {configured}"),
        remedy: format!("set {key}={found}"),
    })
}
