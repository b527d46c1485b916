//! The header of one object, by ranged reads.

use bolus_ct::{HeaderReader, HeaderStep, Instance};
use bolus_ops::CpuPool;
use bolus_storage::ObjectRef;
use bolus_study::{Reason, ReasonCode};

use crate::budget::HEADERS;
use crate::progress::Progress;

/// A header that outgrows what was reserved for it begins anew with this many times as much.
const RESERVATION_GROWTH: u64 = 4;

/// Reads the header of one object, and no more of it than the header takes.
///
/// Memory is reserved before it is used. Where more turns out to be needed, the reservation and the reader are given up
/// and the header is read again with a larger one: who waits holds nothing, so all get their turn.
///
/// # Errors
/// The [`Reason`] why the object is no instance.
pub(crate) async fn read_instance(object: &ObjectRef, cpu: &CpuPool, progress: &Progress) -> Result<Instance, Reason> {
    let mut reserved = HeaderReader::new(object.size).memory_bound();
    loop {
        let permit = HEADERS.reserve(reserved).await;
        match read_within(object, reserved, cpu, progress).await? {
            Read::Instance(instance) => return Ok(*instance),
            Read::Outgrown(needed) => reserved = needed.max(reserved.saturating_mul(RESERVATION_GROWTH)),
        }
        drop(permit);
    }
}

enum Read {
    Instance(Box<Instance>),
    /// So many bytes of memory would be needed.
    Outgrown(u64),
}

async fn read_within(object: &ObjectRef, reserved: u64, cpu: &CpuPool, progress: &Progress) -> Result<Read, Reason> {
    let mut reader = HeaderReader::new(object.size);
    loop {
        let needed = reader.memory_bound();
        if needed > reserved {
            return Ok(Read::Outgrown(needed));
        }
        let bytes = object.read_range(reader.wanted()).await.map_err(|error| error.reason())?;
        progress.bytes_read.add(bytes.len() as u64);
        let step = cpu.run(move || reader.feed(&bytes)).await;
        match step.map_err(|error| Reason::new(ReasonCode::BadDicom, error.to_string()))?? {
            HeaderStep::Instance(instance) => return Ok(Read::Instance(instance)),
            HeaderStep::More(later) => reader = *later,
        }
    }
}
