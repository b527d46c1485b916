//! The engines of a set of bundles, each started when its network is first needed.

use std::sync::Arc;

use bolus_inference::{Bundle, BundleSet, Device, Engine, EngineOptions, InferenceError, Turns};
use bolus_preprocess::Tensor;
use tokio::sync::OnceCell;

use crate::error::LabelingError;

/// What scores slices. An EfficientNetB4 takes about 600 MiB on two cores, so a network that no series needs is never loaded.
pub struct Engines {
    set: Arc<BundleSet>,
    /// None where nothing is scored.
    run: Option<(EngineOptions, Turns)>,
    /// One a bundle, in the order of the set.
    started: Vec<OnceCell<Engine>>,
}

impl Engines {
    /// Networks that run as `options` say and share out the cores.
    #[must_use]
    pub fn lazily(set: Arc<BundleSet>, options: EngineOptions) -> Self {
        let turns = Turns::of(&options);
        Self { run: Some((options, turns)), ..Self::skipped(set) }
    }

    /// No network: every slice gets 0.5 and every series is indeterminate. For measuring everything but inference, and for keys.
    #[must_use]
    pub fn skipped(set: Arc<BundleSet>) -> Self {
        let started = set.bundles().iter().map(|_| OnceCell::new()).collect();
        Self { set, run: None, started }
    }

    /// The bundles.
    #[must_use]
    pub fn set(&self) -> &Arc<BundleSet> {
        &self.set
    }

    /// Starts the network that will be needed in any case, where there is only one: it loads while inputs are listed.
    ///
    /// # Errors
    /// As [`Engines::start`].
    pub async fn start_only(&self) -> Result<(), LabelingError> {
        if self.set.bundles().len() == 1 { self.start(0).await } else { Ok(()) }
    }

    /// Starts the network of the bundle at `place`, off the async threads, and checks its reference output; at once where it has been.
    ///
    /// # Errors
    /// [`LabelingError::Inference`]: nothing can be labelled with this bundle.
    pub async fn start(&self, place: usize) -> Result<(), LabelingError> {
        let (Some((options, turns)), Some(cell), Some(bundle)) =
            (&self.run, self.started.get(place), self.set.bundles().get(place))
        else {
            return Ok(());
        };
        let open = || async {
            let (bundle, options, turns): (Arc<Bundle>, _, _) = (Arc::clone(bundle), options.clone(), turns.clone());
            let name = bundle.manifest.name.clone();
            let loading = tokio::task::spawn_blocking(move || Engine::start_beside(&bundle, &options, &turns));
            let engine = loading.await.map_err(|_| InferenceError::Stopped)??;
            tracing::info!(bundle = name, device = %engine.device(), "the network is ready");
            Ok::<_, InferenceError>(engine)
        };
        cell.get_or_try_init(open).await?;
        Ok(())
    }

    /// Scores the slices of `tensor` with the bundle at `place`, whose network has been started.
    pub(crate) async fn score(&self, place: usize, tensor: Tensor) -> Result<Vec<f32>, InferenceError> {
        match (self.engine(place), &self.run) {
            (Some(engine), _) => engine.score(tensor).await,
            (None, None) => Ok(vec![0.5; tensor.slices]),
            (None, Some(_)) => Err(InferenceError::Stopped),
        }
    }

    /// Device and runtime of the network at `place`, as stored in rows.
    pub(crate) fn device_and_runtime(&self, place: usize) -> (String, String) {
        match self.engine(place) {
            Some(engine) => (engine.device().name().to_owned(), engine.runtime_version().to_owned()),
            None => ("none".to_owned(), "none".to_owned()),
        }
    }

    /// The device of the first network that has been started.
    #[must_use]
    pub fn device(&self) -> Option<&Device> {
        self.started.iter().find_map(|cell| cell.get()).map(Engine::device)
    }

    fn engine(&self, place: usize) -> Option<&Engine> {
        self.started.get(place).and_then(OnceCell::get)
    }
}
