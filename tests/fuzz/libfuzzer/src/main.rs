//! One target under libFuzzer: `BOLUS_FUZZ_TARGET` names it.

#![no_main]

use std::sync::OnceLock;

use bolus_fuzz::{TARGETS, Target, peak_bytes, reset_peak};

fn target() -> Target {
    static CHOSEN: OnceLock<Target> = OnceLock::new();
    *CHOSEN.get_or_init(|| {
        // The library's hook ends the process at every panic; those of a decoder are caught, and are no finding.
        std::panic::set_hook(Box::new(|_| {}));
        let name = std::env::var("BOLUS_FUZZ_TARGET").unwrap_or_default();
        let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        let found = TARGETS.iter().find(|target| target.name == name).copied();
        found.unwrap_or_else(|| panic!("BOLUS_FUZZ_TARGET is one of {}", names.join(", ")))
    })
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let target = target();
    reset_peak();
    let before = peak_bytes().map(|(_, now)| now);
    (target.run)(data);
    if let (Some(before), Some((peak, _))) = (before, peak_bytes()) {
        let grown = peak.saturating_sub(before);
        assert!(grown <= target.memory_bytes, "{grown} bytes taken, at most {}", target.memory_bytes);
    }
});
