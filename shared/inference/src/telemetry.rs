//! ONNX Runtime may tell nobody what it runs.
//!
//! Since 1.31 its builds for Linux send events about the machine, the models and the time that they take, under an identifier that they
//! keep in the user's cache. Turning that off by the library's own call comes too late: the environment has reported itself by then. Only a
//! variable that is there before the library is loaded keeps it from doing anything at all.

/// The variable, under the name of 1.31 and under the one that later versions read.
const VARIABLES: [&str; 2] = ["ORT_DISABLE_TELEMETRY", "ORT_TELEMETRY_DISABLED"];

/// Turns ONNX Runtime's telemetry off for this process and those that it starts. To be called first thing in `main`.
///
/// Does nothing once the process has a second thread, since a variable that another thread may be reading cannot be set soundly. What
/// needs the library is then refused, so that nothing is ever sent because of a call in the wrong place.
pub fn disable_telemetry() {
    if is_disabled() || !is_alone() {
        return;
    }
    for variable in VARIABLES {
        #[expect(unsafe_code, reason = "the library reads nothing but the process's environment")]
        // SAFETY: no other thread is there to read the environment meanwhile.
        unsafe {
            std::env::set_var(variable, "1");
        }
    }
}

/// Whether the library will see that it is to send nothing.
pub(crate) fn is_disabled() -> bool {
    VARIABLES.iter().all(|variable| std::env::var_os(variable).is_some_and(|value| value == "1"))
}

/// Whether this is the only thread of the process.
fn is_alone() -> bool {
    std::fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The harness runs tests on threads of their own.
    #[test]
    fn a_process_of_many_threads_is_told_from_one_that_is_alone() {
        assert!(!is_alone());
    }
}
