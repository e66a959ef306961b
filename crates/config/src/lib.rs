//! Java `.properties` and `.conf` files: reader, typed keys, hints for unknown keys.
//!
//! Read in this order: the text (`properties`), one value (`value`), a component's table of keys (`keys`), and what a
//! user is told about keys that mean nothing here (`notice`, `hint`, `java`). `file` replaces small files safely,
//! `remote` says what may be changed over the network.
//!
//! ```
//! eruca_config::keys! {
//!     /// Keys of a kettle.
//!     pub struct KettleKeys of eruca_config::java::NAMESRV {
//!         /// TCP port of the kettle.
//!         listen_port: u16 = "listenPort", 9876;
//!         /// Degrees at which it whistles.
//!         whistle_at: i32 = "whistleAt", 100, [1..=100], live;
//!     }
//! }
//!
//! let text = eruca_config::Properties::parse("whistleAt = 70\nwhistelAt = 80\n")?;
//! let loaded = KettleKeys::from_properties(&text)?;
//! assert_eq!((loaded.keys.listen_port, loaded.keys.whistle_at), (9876, 70));
//! assert_eq!(
//!     loaded.notices[0].to_string(),
//!     "the key 'whistelAt' is unknown and ignored; did you mean 'whistleAt'?"
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod file;
mod hint;
pub mod java;
mod keys;
mod notice;
mod properties;
mod remote;
mod value;

pub use file::{read_replaced, replace_file, store_changes};
pub use hint::unknown_key_hint;
pub use keys::{KeyRow, Loaded, UpdateError, ValueError, ValueErrors, range_text};
pub use notice::{KeyNotice, notices};
pub use properties::{ParseError, Properties};
pub use remote::{RemoteChangeError, keep_remote_changes, remote_changes};
pub use value::ConfigValue;
