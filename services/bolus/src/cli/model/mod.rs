//! Arguments of `bolus model`.

mod calibrate;
mod list;
mod pack;
mod pull;
mod show;
mod verify;

use clap::Subcommand;

pub use self::calibrate::CalibrateArgs;
pub use self::list::ListArgs;
pub use self::pack::PackArgs;
pub use self::pull::PullArgs;
pub use self::show::ShowArgs;
pub use self::verify::VerifyArgs;

/// Subcommands of `bolus model`.
#[derive(Debug, Subcommand)]
pub enum ModelCommand {
    /// List the bundles in the model folders, or at a place.
    ///
    /// Exit status: 0 all can be read, 3 some cannot, 1 nothing could be listed.
    List(ListArgs),
    /// Show what a bundle is for and all that its manifest says.
    Show(ShowArgs),
    /// Check bundles: manifest, digests, and the network against its reference.
    ///
    /// Exit status: 0 all hold, 3 some do not, 1 nothing could be checked.
    Verify(VerifyArgs),
    /// Fetch a bundle from a folder or bucket into a model folder; it appears there whole and checked, or not at all.
    Pull(PullArgs),
    /// Make a bundle of a network, a draft of the manifest, a reference input and a card.
    ///
    /// The draft is a bundle.toml of format 2 (schemas/bundle.md) in which network.sha256, reference.slices and reference.expected
    /// may be left out: they are made from the network.
    Pack(PackArgs),
    /// Fit a bundle's calibration and its indeterminate band to series of known status, and write a bundle with both.
    ///
    /// The new bundle has a folder and a version of its own; the one that was named stays as it is.
    /// Exit status: 0 done, 3 no band within the limits keeps the errors as few as asked for, 1 nothing was fitted or written.
    Calibrate(CalibrateArgs),
}
