//! What a user names, as objects and bytes: folders, files, S3 and archives behind one way of listing and reading.
//!
//! 1. [`Location::parse`] reads a path or URL. 2. [`list()`] names every object there, with its size and identity.
//! 3. [`ObjectRef::read_range`] reads bytes and notices where the object is no longer the one listed.
//! 4. [`archive_kind`] and [`expand_archive`] turn a `.zip`, `.tar` or `.tar.gz` into objects like any other.
//!
//! [`ObjectLog`] keeps references to objects out of memory. [`open_store`] gives the [`object_store::ObjectStore`] itself to whoever keeps a table there.
//!
//! Invariants: never a file that is neither listed nor refused by name; never memory that grows with an object's size
//! beyond the range asked for; never a byte of an object that has changed since it was listed; never a path on this
//! machine made from a name in an archive. Nothing here knows DICOM.

mod archive;
mod error;
mod list;
mod local;
mod location;
mod object;
mod object_log;
mod prefix;
mod s3;
mod spool;
mod store;
mod walk;

pub use archive::{ArchiveKind, ArchiveLimits, Expansion, archive_kind, expand_archive};
pub use error::{ErrorKind, StorageError};
pub use list::{find, list};
pub use location::Location;
pub use object::ObjectRef;
pub use object_log::{Numbered, ObjectLog};
pub use prefix::common_prefix;
pub use spool::Spool;
pub use store::{OpenedStore, open_store, open_store_for_writing};
pub use walk::{OrderedListing, SkipFolder, list_in_order};
