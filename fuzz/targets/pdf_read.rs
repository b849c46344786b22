//! Any bytes as a PDF: every revision, every page, every object, every stream.
#![no_main]

#[path = "../src/limits.rs"]
mod limits;

use libfuzzer_sys::fuzz_target;
use yinxin::document::pdf::{self, Entry, Object, ObjectId};

/// Streams that the target reads of one file.
const STREAMS: usize = 64;

fuzz_target!(|bytes: &[u8]| {
    let limits = limits::small();
    let Ok(file) = pdf::open(bytes, &limits) else { return };
    let mut streams = 0;
    for (at, revision) in file.revisions().iter().enumerate() {
        let view = file.at(at);
        let _ = (view.pages(), view.page(1), view.catalog());
        for (number, entry) in &revision.entries {
            let generation = if let Entry::At { generation, .. } = entry { *generation } else { 0 };
            let id = ObjectId { number: *number, generation };
            if let Some(span) = view.object_span(id) {
                assert!(span.start <= span.end && span.end <= bytes.len());
            }
            let Ok(Object::Stream(stream)) = view.resolve(id) else { continue };
            streams += 1;
            if streams <= STREAMS
                && let Ok(octets) = view.stream_bytes(&stream)
            {
                assert!(octets.len() <= limits.max_decoded_bytes);
            }
        }
    }
});
