//! `miteos workspace …`

use miteos_client::api::CreateWorkspace;

use super::files;
use crate::cli::Workspace;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::render::show;

pub async fn workspace(context: &Context<'_>, command: Workspace) -> Result<Exit, Failure> {
    let client = context.client()?;
    let theme = context.terminal.theme();
    match command {
        Workspace::List => {
            let list = client.list_workspaces().await?;
            context.show(&list, || show::workspaces(&list, theme))
        }
        Workspace::Create { name, description } => {
            let made = client.create_workspace(&CreateWorkspace { name, description }).await?;
            context.show(&made, || show::workspace(&made, theme))
        }
        Workspace::Get { id } => {
            let found = client.workspace(&id).await?;
            context.show(&found, || show::workspace(&found, theme))
        }
        Workspace::Delete { id } => {
            client.delete_workspace(&id).await?;
            context.done("deleted")
        }
        Workspace::Files { id, path } => {
            let files = client.list_files(&id, path.as_deref()).await?;
            context.show(&files, || show::files(&files, theme))
        }
        Workspace::Put { id, paths } => {
            let uploads = files::uploads(&paths)?;
            files::put(&client, &id, &uploads).await?;
            let names: Vec<String> = uploads.into_iter().map(|upload| upload.name).collect();
            context.show(&names, || {
                vec![format!("put {} file{} into {id}", names.len(), if names.len() == 1 { "" } else { "s" })]
            })
        }
    }
}
