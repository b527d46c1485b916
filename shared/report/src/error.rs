//! What can go wrong with a picture.

use std::path::PathBuf;

/// A picture that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}", path.display())]
pub struct PictureError {
    /// The file that was asked for.
    pub path: PathBuf,
    /// The reason: the file system's, or that of the encoder.
    #[source]
    pub source: image::ImageError,
}
