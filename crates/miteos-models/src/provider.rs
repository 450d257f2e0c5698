//! The one trait that every source of answers implements.

use async_trait::async_trait;
use miteos_core::money::Price;

use crate::call::{Answer, Delta, Request};
use crate::error::ModelError;

/// Something that answers model calls: a cloud provider, the local model, the script of test mode.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Makes one attempt. Dropping the future ends the work behind it. `on_delta` gets the answer's pieces as they
    /// come; the returned answer is complete by itself.
    async fn call(
        &self,
        request: &Request,
        on_delta: &mut (dyn FnMut(Delta) + Send),
    ) -> Result<Answer, ModelError>;

    /// The models that this provider has and no others. Empty: any name is passed on.
    fn offered(&self) -> Vec<Offered> {
        Vec::new()
    }
}

/// A model that a provider describes itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offered {
    /// Without the provider's name.
    pub model: String,
    pub window_tokens: u32,
    pub max_output_tokens: u32,
    /// `None`: look it up in the price table.
    pub price: Option<Price>,
    /// Whether it runs on this machine.
    pub local: bool,
    /// Whether it can be called now; one that is not here is known, but not listed.
    pub here: bool,
    /// Whether it is too small for more than plain work: it plans one subtask and gets few tools.
    pub small: bool,
}
