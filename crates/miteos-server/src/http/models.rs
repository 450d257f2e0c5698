//! What a task can run on. It tells what is set up, and asks no provider.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use miteos_api::{Model, ModelList};
use miteos_models::{ListedModel, ModelName, scripted};

use super::App;
use super::auth::Caller;
use super::error::ApiError;

/// Prices are kept in millionths of a dollar.
const MICRO: f64 = 1e6;

pub async fn list(State(app): State<Arc<App>>, caller: Caller) -> Result<Json<ModelList>, ApiError> {
    let models = &app.deps.models;
    let listed = if caller.key.live {
        models.list()
    } else {
        // In the test world there is one model, whatever a task names.
        let name = ModelName::new(scripted::PROVIDER, scripted::MODEL);
        let name = name.map_err(|error| ApiError::internal(&error))?;
        vec![ListedModel { info: models.info(&name), roles: vec!["default"], name }]
    };
    Ok(Json(ModelList { data: listed.iter().map(shown).collect() }))
}

fn shown(listed: &ListedModel) -> Model {
    let price = listed.info.price.as_ref();
    Model {
        id: listed.name.to_string(),
        default: listed.roles.contains(&"default"),
        roles: listed.roles.iter().map(ToString::to_string).collect(),
        input_usd_per_mtok: price.map(|price| dollars(price.input)),
        output_usd_per_mtok: price.map(|price| dollars(price.output)),
        context_tokens: listed.info.window_tokens,
        max_output_tokens: listed.info.max_output_tokens,
        local: listed.info.local,
    }
}

fn dollars(micro: u64) -> f64 {
    micro as f64 / MICRO
}
