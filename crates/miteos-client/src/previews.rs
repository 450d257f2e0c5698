//! Calls on what the server itself shows of deployments, and on the links to it.

use miteos_api::{
    CreatePreviewLink, ListPreviews, Preview, PreviewLink, PreviewLinkList, PreviewList, UpdatePreview,
};
use reqwest::Method;

use crate::client::Client;
use crate::error::ClientError;

impl Client {
    /// `GET /previews`: everything that is shown now, newest first.
    pub async fn list_previews(&self, query: &ListPreviews) -> Result<PreviewList, ClientError> {
        self.json(&self.get(&["previews"])?.query(query)?).await
    }

    /// `GET /deployments/{id}/preview`.
    pub async fn preview(&self, id: &str) -> Result<Preview, ClientError> {
        self.json(&self.get(&["deployments", id, "preview"])?).await
    }

    /// `PATCH /deployments/{id}/preview`: who sees it, and until when. Sets values, so it may be repeated.
    pub async fn update_preview(&self, id: &str, change: &UpdatePreview) -> Result<Preview, ClientError> {
        self.json(&self.call(Method::PATCH, &["deployments", id, "preview"])?.json(change)?).await
    }

    /// `DELETE /deployments/{id}/preview`: nothing is at its address from then on.
    pub async fn delete_preview(&self, id: &str) -> Result<(), ClientError> {
        self.delete(&["deployments", id, "preview"]).await
    }

    /// `POST /deployments/{id}/preview/links`.
    pub async fn create_preview_link(
        &self,
        id: &str,
        link: &CreatePreviewLink,
    ) -> Result<PreviewLink, ClientError> {
        self.json(&self.post(&["deployments", id, "preview", "links"], link)?).await
    }

    /// `GET /deployments/{id}/preview/links`: those that work, newest first.
    pub async fn list_preview_links(
        &self,
        id: &str,
        query: &ListPreviews,
    ) -> Result<PreviewLinkList, ClientError> {
        self.json(&self.get(&["deployments", id, "preview", "links"])?.query(query)?).await
    }

    /// `DELETE /deployments/{id}/preview/links/{link}`.
    pub async fn revoke_preview_link(&self, id: &str, link: &str) -> Result<(), ClientError> {
        self.delete(&["deployments", id, "preview", "links", link]).await
    }

    /// `DELETE /deployments/{id}/preview/links`: all of them.
    pub async fn revoke_preview_links(&self, id: &str) -> Result<(), ClientError> {
        self.delete(&["deployments", id, "preview", "links"]).await
    }
}
