//! One fuzzer for all targets: `MAILSEED_FUZZ` names the one that is meant. See `scripts/fuzz`.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;

#[path = "targets/mod.rs"]
mod targets;

static TARGET: OnceLock<targets::Target> = OnceLock::new();

fuzz_target!(|data: &[u8]| {
    let target = TARGET.get_or_init(|| {
        let name = std::env::var("MAILSEED_FUZZ").expect("MAILSEED_FUZZ names a target");
        let mut all = targets::TARGETS.into_iter();
        let found = all.find(|(known, _)| *known == name);
        found.expect("a target of that name").1
    });
    target(data);
});
