//! A component's table of keys: each key is one row, from which parsing, checking, listing and updating are made.

use std::{
    fmt::{self, Display},
    ops::{Bound, RangeBounds},
};

use crate::KeyNotice;

/// One key of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// Its name, Java's.
    pub key: &'static str,
    /// What it is for; unit included.
    pub purpose: &'static str,
    /// Whether it may be changed while the component runs.
    pub is_live: bool,
}

/// What was read from a file.
#[derive(Debug, Clone)]
pub struct Loaded<K> {
    /// The values; defaults where the file says nothing.
    pub keys: K,
    /// Keys of the file that have no effect.
    pub notices: Vec<KeyNotice>,
}

/// A value that its key does not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: '{value}' is not allowed, it must be {allowed}")]
pub struct ValueError {
    /// The key.
    pub key: &'static str,
    /// The value, cut where it is very long.
    pub value: String,
    /// What is allowed.
    pub allowed: String,
}

/// All values of a file that their keys do not take: one line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueErrors(pub Vec<ValueError>);

impl Display for ValueErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            let separator = if i == 0 { "" } else { "\n" };
            write!(f, "{separator}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ValueErrors {}

/// Why a running component does not take a new value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpdateError {
    /// No such key.
    #[error("the key '{key}' is unknown{}", hint.map(|hint| format!("; did you mean '{hint}'?")).unwrap_or_default())]
    Unknown {
        /// The key.
        key: String,
        /// The key that was probably meant.
        hint: Option<&'static str>,
    },
    /// The component reads it only when it starts.
    #[error("the key '{key}' is read at start only: change it in the configuration file and restart")]
    NeedsRestart {
        /// The key.
        key: &'static str,
    },
    /// The value is not allowed.
    #[error(transparent)]
    Value(#[from] ValueError),
}

/// A range as text: `from 1 to 100`, `from 0 up`.
pub fn range_text<T: Display>(range: &impl RangeBounds<T>) -> String {
    let end = match range.end_bound() {
        Bound::Included(end) => format!("to {end}"),
        Bound::Excluded(end) => format!("to below {end}"),
        Bound::Unbounded => "up".to_owned(),
    };
    match range.start_bound() {
        Bound::Included(start) => format!("from {start} {end}"),
        Bound::Excluded(start) => format!("above {start} {end}"),
        Bound::Unbounded => end,
    }
}

/// Declares a component's keys: `/// purpose` `field: Type = "javaName", default, [range], live;` (the last two where wanted)
///
/// The struct gets `Default`, `ROWS`, `from_properties`, `set`, `update`, `update_all` and `to_pairs`. `live` marks a
/// key that may be changed while the component runs. See the crate's example.
#[macro_export]
macro_rules! keys {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident of $java:path {
            $(
                $(#[doc = $purpose:literal])+
                $field:ident : $type:ty = $key:literal, $default:expr $(, [$range:expr])? $(, $live:ident)? ;
            )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq)]
        $vis struct $name {
            $( $(#[doc = $purpose])+ #[doc = concat!("\n\nKey `", $key, "`.")] pub $field: $type, )*
        }

        impl Default for $name {
            fn default() -> Self {
                $name { $($field: $default,)* }
            }
        }

        #[allow(dead_code, clippy::allow_attributes, reason = "not every component uses every part")]
        impl $name {
            /// The rows of all keys.
            $vis const ROWS: &'static [$crate::KeyRow] = &[
                $($crate::KeyRow {
                    key: $key,
                    purpose: concat!($($purpose),+),
                    is_live: $crate::keys!(@live $($live)?),
                },)*
            ];

            /// Reads a file's values over the defaults; keys of other components are noticed, not refused.
            ///
            /// Fails with every value that its key does not take.
            $vis fn from_properties(
                properties: &$crate::Properties,
            ) -> Result<$crate::Loaded<Self>, $crate::ValueErrors> {
                let mut keys = Self::default();
                let errors: Vec<$crate::ValueError> =
                    properties.iter().filter_map(|(key, value)| keys.set(key, value).err()).collect();
                if !errors.is_empty() {
                    return Err($crate::ValueErrors(errors));
                }
                let notices = $crate::notices(properties, &[Self::ROWS], &$java);
                Ok($crate::Loaded { keys, notices })
            }

            /// Sets one key from text, whether the component runs or not. `Ok(false)`: there is no such key.
            $vis fn set(&mut self, key: &str, value: &str) -> Result<bool, $crate::ValueError> {
                let text = value.trim();
                match key {
                    $($key => {
                        let value = <$type as $crate::ConfigValue>::parse(text)
                            $(.filter(|value| std::ops::RangeBounds::contains(&$range, value)))?;
                        self.$field = value.ok_or_else(|| $crate::ValueError {
                            key: $key,
                            value: text.chars().take(64).collect(),
                            allowed: $crate::keys!(@allowed $type $(, $range)?),
                        })?;
                    })*
                    _ => return Ok(false),
                }
                Ok(true)
            }

            /// Changes one key of a running component.
            $vis fn update(&mut self, key: &str, value: &str) -> Result<(), $crate::UpdateError> {
                let Some(row) = Self::ROWS.iter().find(|row| row.key == key) else {
                    let hint = $crate::unknown_key_hint(key, Self::ROWS.iter().map(|row| row.key));
                    return Err($crate::UpdateError::Unknown { key: key.chars().take(64).collect(), hint });
                };
                if !row.is_live {
                    return Err($crate::UpdateError::NeedsRestart { key: row.key });
                }
                self.set(key, value)?;
                Ok(())
            }

            /// Changes several keys of a running component: all of them or, with an error, none.
            $vis fn update_all(&mut self, changes: &$crate::Properties) -> Result<(), $crate::UpdateError> {
                let mut updated = self.clone();
                for (key, value) in changes.iter() {
                    updated.update(key, value)?;
                }
                *self = updated;
                Ok(())
            }

            /// Names and values of all keys that have a value, as `getBrokerConfig` and `getNamesrvConfig` list them.
            $vis fn to_pairs(&self) -> Vec<(&'static str, String)> {
                let pairs = [$(($key, $crate::ConfigValue::format(&self.$field)),)*];
                pairs.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
            }

            /// [`Self::to_pairs`] as a properties file.
            $vis fn to_properties(&self) -> $crate::Properties {
                self.to_pairs().into_iter().collect()
            }
        }
    };
    (@live live) => { true };
    (@live) => { false };
    (@allowed $type:ty, $range:expr) => { $crate::range_text(&$range) };
    (@allowed $type:ty) => { <$type as $crate::ConfigValue>::EXPECTED.to_owned() };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Properties;

    crate::keys! {
        /// Some keys.
        struct TestKeys of crate::java::NAMESRV {
            /// Port.
            listen_port: u16 = "listenPort", 9876;
            /// Percent
            /// of something.
            percent: i32 = "percent", 75, [1..=95], live;
            /// Switch.
            order_message_enable: bool = "orderMessageEnable", false, live;
            /// Where.
            config_store_path: Option<String> = "configStorePath", None;
        }
    }

    fn load(text: &str) -> Result<Loaded<TestKeys>, ValueErrors> {
        TestKeys::from_properties(&Properties::parse(text).unwrap())
    }

    #[test]
    fn values_are_read_over_defaults() {
        let loaded = load("percent= 80 \norderMessageEnable=TRUE\n").unwrap();
        let expected = TestKeys { percent: 80, order_message_enable: true, ..TestKeys::default() };
        assert_eq!((loaded.keys, loaded.notices), (expected, vec![]));
    }

    #[test]
    fn every_wrong_value_is_named_with_what_is_allowed() {
        let text = load("percent=96\norderMessageEnable=ture\nlistenPort=99999").unwrap_err().to_string();
        assert_eq!(
            text,
            "percent: '96' is not allowed, it must be from 1 to 95\n\
             orderMessageEnable: 'ture' is not allowed, it must be true or false\n\
             listenPort: '99999' is not allowed, it must be an integer from 0 to 65535"
        );
    }

    #[test]
    fn keys_without_effect_are_noticed_by_kind() {
        let loaded = load("serverWorkerThreads=8\nclusterTest=true\npercnt=3\nxyz=1").unwrap();
        assert_eq!(
            loaded.notices,
            [
                KeyNotice::Ignored { key: "serverWorkerThreads".into() },
                KeyNotice::Unsupported { key: "clusterTest".into(), value: "true".into() },
                KeyNotice::Unknown { key: "percnt".into(), hint: Some("percent") },
                KeyNotice::Unknown { key: "xyz".into(), hint: None },
            ]
        );
        assert_eq!(loaded.notices.iter().filter(|notice| notice.is_warning()).count(), 3);
    }

    #[test]
    fn an_update_is_whole_or_not_at_all() {
        let mut keys = TestKeys::default();
        let both = Properties::parse("percent=90\nlistenPort=1").unwrap();
        assert_eq!(keys.update_all(&both), Err(UpdateError::NeedsRestart { key: "listenPort" }));
        assert_eq!(keys, TestKeys::default());
        assert!(matches!(keys.update("percent", "0"), Err(UpdateError::Value(_))));
        assert!(matches!(
            keys.update("Percent", "1"),
            Err(UpdateError::Unknown { hint: Some("percent"), .. })
        ));
        keys.update("percent", "90").unwrap();
        assert_eq!(keys.percent, 90);
    }

    #[test]
    fn listing_leaves_out_what_is_not_set() {
        let text = TestKeys::default().to_properties().to_text();
        assert_eq!(text, "listenPort=9876\npercent=75\norderMessageEnable=false\n");
    }

    #[test]
    fn ranges_as_text() {
        assert_eq!(range_text(&(1..5)), "from 1 to below 5");
        assert_eq!(range_text(&(0..)), "from 0 up");
    }
}
