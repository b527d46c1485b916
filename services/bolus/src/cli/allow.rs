//! Which refusals are overridden.

use bolus_study::Allowed;
use clap::Args;

/// Which refusals are overridden.
#[derive(Debug, Args)]
pub struct AllowArgs {
    /// Label what would be refused for these reasons, separated by commas: derived, material_map, not_hounsfield,
    /// not_a_patient, not_axial, too_few_slices, spacing, gantry_tilt. The row says so.
    #[arg(long = "allow", value_name = "REASON,...", default_value = "", hide_default_value = true)]
    pub allowed: Allowed,
}
