//! Enumerations, by Java's names.

use std::fmt;
use std::str::FromStr;

/// A name that an enumeration does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{name}' is no {what}, it must be one of {allowed}")]
pub struct UnknownName {
    /// What was given.
    pub name: String,
    /// The enumeration.
    pub what: &'static str,
    /// Its names.
    pub allowed: &'static str,
}

macro_rules! java_enum {
    (
        $(#[$meta:meta])*
        pub enum $name:ident { $( $(#[$variant_meta:meta])* $variant:ident = $java:literal, )* }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub enum $name { $( $(#[$variant_meta])* #[doc = concat!("`", $java, "`")] $variant, )* }

        impl $name {
            /// All of them, in Java's order.
            pub const ALL: &'static [$name] = &[$($name::$variant),*];

            /// Java's name.
            pub fn name(self) -> &'static str {
                match self { $($name::$variant => $java,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }

        impl FromStr for $name {
            type Err = UnknownName;

            /// Takes Java's name, or the number of its place as some peers send it.
            fn from_str(text: &str) -> Result<Self, UnknownName> {
                let by_name = Self::ALL.iter().find(|variant| variant.name() == text);
                let by_place = || Self::ALL.get(text.parse::<usize>().ok()?);
                by_name.or_else(by_place).copied().ok_or_else(|| UnknownName {
                    name: text.chars().take(40).collect(),
                    what: stringify!($name),
                    allowed: concat!($($java, " ",)*).trim_ascii_end(),
                })
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

java_enum! {
    /// Who asks for messages (Java: `ConsumeType`).
    pub enum ConsumeType {
        /// The application pulls.
        Actively = "CONSUME_ACTIVELY",
        /// The client pulls and calls the application.
        #[default]
        Passively = "CONSUME_PASSIVELY",
        /// The client pops and calls the application.
        Pop = "CONSUME_POP",
    }
}

java_enum! {
    /// Who of a group gets a message (Java: `MessageModel`).
    pub enum MessageModel {
        /// Every member.
        Broadcasting = "BROADCASTING",
        /// One member.
        #[default]
        Clustering = "CLUSTERING",
        /// The members that subscribe to the message's lite topic.
        LiteSelective = "LITE_SELECTIVE",
    }
}

java_enum! {
    /// What becomes of a client's subscriptions to lite topics (Java: `LiteSubscriptionAction`).
    pub enum LiteSubscriptionAction {
        /// These come.
        #[default]
        PartialAdd = "PARTIAL_ADD",
        /// These go.
        PartialRemove = "PARTIAL_REMOVE",
        /// These are all.
        CompleteAdd = "COMPLETE_ADD",
        /// All go.
        CompleteRemove = "COMPLETE_REMOVE",
    }
}

java_enum! {
    /// What the value of an offset option means (Java: `OffsetOption.Type`).
    pub enum OffsetOptionType {
        /// A rule.
        #[default]
        Policy = "POLICY",
        /// An offset.
        Offset = "OFFSET",
        /// So many messages back.
        TailN = "TAIL_N",
        /// A time, which brokers do not serve.
        Timestamp = "TIMESTAMP",
    }
}

java_enum! {
    /// How a group's members get messages (Java: `MessageRequestMode`).
    pub enum MessageRequestMode {
        /// Each queue belongs to one member, which pulls it.
        #[default]
        Pull = "PULL",
        /// Members pop from queues that they share.
        Pop = "POP",
    }
}

java_enum! {
    /// Where a group without an offset starts (Java: `ConsumeFromWhere`).
    pub enum ConsumeFromWhere {
        /// Behind the last message.
        #[default]
        LastOffset = "CONSUME_FROM_LAST_OFFSET",
        /// As [`ConsumeFromWhere::LastOffset`]; out of use.
        LastOffsetAndFromMinWhenBootFirst = "CONSUME_FROM_LAST_OFFSET_AND_FROM_MIN_WHEN_BOOT_FIRST",
        /// As [`ConsumeFromWhere::LastOffset`]; out of use.
        MinOffset = "CONSUME_FROM_MIN_OFFSET",
        /// As [`ConsumeFromWhere::LastOffset`]; out of use.
        MaxOffset = "CONSUME_FROM_MAX_OFFSET",
        /// At the first message.
        FirstOffset = "CONSUME_FROM_FIRST_OFFSET",
        /// At the first message since a given time.
        Timestamp = "CONSUME_FROM_TIMESTAMP",
    }
}

java_enum! {
    /// How many tags a message of a topic has (Java: `TopicFilterType`).
    pub enum TopicFilterType {
        /// At most one.
        #[default]
        SingleTag = "SINGLE_TAG",
        /// Several; never used.
        MultiTag = "MULTI_TAG",
    }
}

java_enum! {
    /// How the delays between attempts grow (Java: `GroupRetryPolicyType`).
    pub enum GroupRetryPolicyType {
        /// By a factor.
        Exponential = "EXPONENTIAL",
        /// By a list.
        #[default]
        Customized = "CUSTOMIZED",
    }
}

java_enum! {
    /// What the application said to a message that it was given directly (Java: `CMResult`).
    pub enum CMResult {
        /// Consumed.
        #[default]
        Success = "CR_SUCCESS",
        /// Again later.
        Later = "CR_LATER",
        /// Rolled back.
        Rollback = "CR_ROLLBACK",
        /// Committed.
        Commit = "CR_COMMIT",
        /// It threw.
        ThrowException = "CR_THROW_EXCEPTION",
        /// It said nothing.
        ReturnNull = "CR_RETURN_NULL",
    }
}
