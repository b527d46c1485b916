//! Time that other programs on the machine do not lengthen.

use std::time::Duration;

/// The processor time that the calling thread has taken so far. Linux only.
///
/// # Panics
/// Where the kernel does not tell.
#[must_use]
pub fn thread_time() -> Duration {
    // See proc-pid-schedstat in the kernel's documentation: nanoseconds on a processor come first.
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells of each thread");
    let nanoseconds = told.split(' ').next().and_then(|field| field.parse().ok()).expect("a number comes first");
    Duration::from_nanos(nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::thread_time;

    #[test]
    fn work_takes_processor_time() {
        let start = thread_time();
        let mut sum = 0_u64;
        while thread_time() == start {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
    }
}
