//! Arguments of `bolus model pack`.

use std::path::PathBuf;

use clap::Args;

/// Arguments of `bolus model pack`.
#[derive(Debug, Args)]
pub struct PackArgs {
    /// The ONNX file.
    #[arg(long, value_name = "FILE")]
    pub network: PathBuf,
    /// The draft of the manifest.
    #[arg(long, value_name = "FILE")]
    pub manifest: PathBuf,
    /// The reference input: bytes, [slice, row, column], two slices or more; value / 255 is the network's input.
    #[arg(long, value_name = "FILE")]
    pub reference: PathBuf,
    /// The card: Markdown for people.
    #[arg(long, value_name = "FILE")]
    pub card: PathBuf,
    /// The bundle's folder, which is made; its last part is the bundle's name.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Replace a bundle that is there.
    #[arg(long)]
    pub force: bool,
    /// Print the outcome as a JSON line.
    #[arg(long)]
    pub json: bool,
}
