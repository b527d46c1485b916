//! What a program does before it can label: it opens the lake, finds and checks bundles, settles how networks are run, and reads
//! the patient key.
//!
//! Invariant: errors name the object and the reason; what the program calls the mend, an option or a key, it says itself.

mod bundles;
mod engine;
mod error;
mod key;
mod lake;

pub use bundles::{find_bundles, locate_bundle, only_bundle};
pub use engine::EngineSettings;
pub use error::SetupError;
pub use key::read_patient_key;
pub use lake::{open_lake, open_or_create_lake, open_shared_lake};
