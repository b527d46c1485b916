//! Names of transfer syntaxes.

use dicom_encoding::transfer_syntax::TransferSyntaxIndex;
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;

/// The name of a transfer syntax (PS3.6 table A-1); `None` for one that is not known.
#[must_use]
pub fn transfer_syntax_name(uid: &str) -> Option<&'static str> {
    TransferSyntaxRegistry.get(uid).map(|syntax| syntax.name())
}
