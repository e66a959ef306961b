#![no_main]

use eruca_protocol::body::{self, *};
use libfuzzer_sys::fuzz_target;

macro_rules! one_of {
    ($kind:expr, $bytes:expr, $($type:ident)*) => {{
        let readers = [$(read_and_write::<$type> as fn(&[u8])),*];
        readers[usize::from($kind) % readers.len()]($bytes)
    }};
}

fuzz_target!(|data: &[u8]| {
    let Some((kind, bytes)) = data.split_first() else { return };
    one_of!(*kind, bytes,
        TopicRouteData RegisterBrokerBody HeartbeatData ClusterInfo SubscriptionGroupWrapper
        ConsumerOffsetSerializeWrapper ConsumeStats ConsumeStatsList ConsumerRunningInfo ConsumerConnection
        LockBatchRequestBody KVTable TopicStatsTable GetConsumerStatusBody QueryConsumeQueueResponseBody
        LiteSubscriptionCtlRequestBody GetLiteGroupInfoResponseBody);
});

/// What is read is written to something that is read to the same.
fn read_and_write<T: serde::de::DeserializeOwned + serde::Serialize + PartialEq + std::fmt::Debug>(
    bytes: &[u8],
) {
    let Ok(read) = body::from_json::<T>(bytes) else { return };
    let written = body::to_json(&read);
    // A number beyond the range of floating point numbers is read as infinite and written as null.
    if !format!("{read:?}").contains("inf") && !format!("{read:?}").contains("NaN") {
        assert_eq!(body::from_json::<T>(&written).as_ref(), Ok(&read));
        assert_eq!(body::from_json::<T>(&body::to_json_pretty(&read)).as_ref(), Ok(&read));
    }
    assert_eq!(body::from_json::<T>(&written).map(|again| body::to_json(&again)), Ok(written));
}
