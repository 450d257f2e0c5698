//! The local models as a provider.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use miteos_core::money::Price;

use super::{catalog, installed};
#[cfg(feature = "embedded-llm")]
use super::{engine::Engine, prompt};
use crate::call::{Answer, Delta, Request};
use crate::error::{ErrorKind, ModelError};
use crate::provider::{Offered, Provider};

/// Whether this build can run a local model.
pub const IS_BUILT_IN: bool = cfg!(feature = "embedded-llm");

/// The provider `local` over the models in a folder. Nothing is loaded before the first call.
pub fn provider(models_dir: &Path) -> Arc<dyn Provider> {
    Arc::new(LocalProvider {
        models_dir: models_dir.to_owned(),
        #[cfg(feature = "embedded-llm")]
        engine: Engine::default(),
    })
}

struct LocalProvider {
    models_dir: PathBuf,
    #[cfg(feature = "embedded-llm")]
    engine: Engine,
}

#[async_trait]
impl Provider for LocalProvider {
    #[cfg(feature = "embedded-llm")]
    async fn call(
        &self,
        request: &Request,
        on_delta: &mut (dyn FnMut(Delta) + Send),
    ) -> Result<Answer, ModelError> {
        let name = &request.model;
        let fatal = |message: String| ModelError::new(ErrorKind::Fatal, message);
        let model = catalog::find(name.model()).ok_or_else(|| {
            fatal(format!("there is no model {name}; the local ones are {}", catalog::known()))
        })?;
        let here = installed::check(model, &self.models_dir).ok_or_else(|| {
            fatal(format!("model {name} is not on this machine; get it with `miteos model pull {name}`"))
        })?;
        let shape = prompt::shape(request).map_err(|unknown| fatal(format!("model {name}: {unknown}")))?;
        self.engine.run(request, here, shape, on_delta).await
    }

    #[cfg(not(feature = "embedded-llm"))]
    async fn call(
        &self,
        request: &Request,
        _on_delta: &mut (dyn FnMut(Delta) + Send),
    ) -> Result<Answer, ModelError> {
        let here =
            installed::installed(&self.models_dir).iter().any(|here| here.model.id == request.model.model());
        let state = if here { "its weights are here, but " } else { "" };
        Err(ModelError::new(
            ErrorKind::Fatal,
            format!(
                "model {}: {state}this binary was built without the embedded model; the released binaries have it, \
                 and so has a build with the cargo feature `embedded-llm`",
                request.model
            ),
        ))
    }

    fn offered(&self) -> Vec<Offered> {
        let offered = |model: &catalog::LocalModel| Offered {
            model: model.id.to_owned(),
            window_tokens: catalog::WINDOW_TOKENS,
            max_output_tokens: catalog::MAX_OUTPUT_TOKENS,
            price: Some(Price::FREE),
            local: true,
            here: installed::is_whole(model, &self.models_dir),
            small: true,
        };
        catalog::CATALOG.iter().map(offered).collect()
    }
}

#[cfg(all(test, not(feature = "embedded-llm")))]
mod tests {
    use super::*;
    use crate::call::{Messages, ToolChoice};

    #[tokio::test]
    async fn a_build_without_the_model_says_which_build_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let provider = provider(dir.path());
        assert_eq!(provider.offered()[0].model, "qwen2.5-coder-1.5b");
        assert!(provider.offered().iter().all(|offered| !offered.here), "the folder is empty");
        let request = Request {
            model: "local/qwen2.5-coder-1.5b".parse().unwrap(),
            system: "s".into(),
            tools: Arc::new([]),
            messages: Messages::default(),
            choice: ToolChoice::None,
            max_output_tokens: 10,
            call_id: "c".into(),
            temperature: None,
        };
        let error = provider.call(&request, &mut |_| {}).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Fatal);
        assert!(error.message.contains("embedded-llm"), "{}", error.message);
    }
}
