//! What tensors are made by: a bundle's spec, or one that a file gives.

use std::path::Path;

use anyhow::Context;
use bolus_preprocess::Spec;
use bolus_study::{BodyPart, BundleRef};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::cli::ExportArgs;
use crate::commands::load_bundle;

/// What tensors are made by.
pub struct Recipe {
    pub reference: BundleRef,
    pub spec: Spec,
    /// `None` takes every part.
    pub body_parts: Option<Vec<BodyPart>>,
}

impl Recipe {
    pub fn of(args: &ExportArgs) -> anyhow::Result<Self> {
        let recipe = match &args.spec {
            Some(path) => Self::read(path).with_context(|| format!("cannot use the spec {}", path.display()))?,
            None => {
                let bundle = load_bundle(&args.model)?;
                let (spec, body_parts) = (bundle.manifest.preprocessing, Some(bundle.manifest.body_parts));
                Self { reference: bundle.reference, spec, body_parts }
            }
        };
        let body_parts = recipe.body_parts.filter(|_| !args.any_body_part);
        Ok(Self { body_parts, ..recipe })
    }

    /// A spec without a network: other keys of a manifest are not looked at.
    fn read(path: &Path) -> anyhow::Result<Self> {
        #[derive(Deserialize)]
        struct File {
            name: Option<String>,
            version: Option<String>,
            body_parts: Option<Vec<BodyPart>>,
            preprocessing: Spec,
        }
        let text = std::fs::read_to_string(path)?;
        let file: File = toml::from_str(&text)?;
        file.preprocessing.validate()?;
        let stem = || path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let reference = BundleRef {
            name: file.name.unwrap_or_else(stem),
            version: file.version.unwrap_or_default(),
            digest: hex::encode(Sha256::digest(&text)),
        };
        Ok(Self { reference, spec: file.preprocessing, body_parts: file.body_parts })
    }
}
