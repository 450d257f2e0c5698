//! The files of a deployment: each is read once, and on the way looked through, hashed and copied to where it stays, out of
//! the reach of whoever works in the workspace. After a restart they are found there again.

use std::io;
use std::path::Path;
use std::sync::Arc;

use miteos_core::content::Sha256;
use miteos_core::deployment::{Built, Failure, FailureCode, FailureStep, Target};
use miteos_core::ids::DeploymentId;
use miteos_deploy::appstore::{Ipa, IpaError, read_ipa};
use miteos_deploy::site::{Index, Site, SiteError, Survey};
use miteos_deploy::{Artifact, TargetKind};
use miteos_store::{Hold, Scope, StoreError};
use miteos_tools::WorkspaceError;
use miteos_tools::workspace::{FileKind, Name, WalkLimits, Workspace};
use tokio_util::sync::CancellationToken;

use super::builder::{BuildError, BuiltFolder, Place};
use super::expo;
use super::passing::Passing;
use super::publisher::{Publisher, TakeInError, TakeInJob};
use crate::errors::chain;
use crate::preview::{self, Room};

/// Where the copy lies below the scratch folder.
const COPY: &str = "site";
/// The name of an app in there.
const APP: &str = "app.ipa";
const INSIDE: &str = "the server failed inside; its log has the reason";
/// Names that are looked at for an app.
const MAX_LOOKED_AT: usize = 10_000;

/// Names of what is not published that the log tells.
const MAX_TOLD: usize = 20;

/// Where the files are.
#[derive(Clone)]
pub struct Places {
    pub workspace: Workspace,
    pub scratch: Workspace,
}

pub(super) fn failed(code: FailureCode, message: impl Into<String>) -> Failure {
    Failure::new(code, FailureStep::Prepare, message)
}

/// An empty folder in place of whatever is there.
pub fn fresh(scratch: &Path) -> io::Result<()> {
    remove(scratch)?;
    std::fs::create_dir_all(scratch)
}

/// The names of the folders in a folder that need not be there.
pub fn folders(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry?.file_name().into_string().ok());
    }
    Ok(names)
}

/// Takes the folder away.
pub fn remove(scratch: &Path) -> io::Result<()> {
    match Workspace::remove(scratch) {
        Ok(()) => Ok(()),
        Err(error) => Err(io::Error::other(error)),
    }
}

/// What was made of a workspace.
pub struct Taken {
    pub built: Built,
    /// Ready for its target, so that nothing is read again as long as this process lives; of Expo it is put together from
    /// the folder.
    pub artifact: Option<Artifact>,
    /// Of a site that this server serves itself: it keeps the files already, and until the end of the deployment nobody else
    /// names them, or counts them.
    _hold: Option<Hold>,
    _room: Option<Room>,
}

impl Taken {
    /// Files that stay where they lie.
    pub fn in_place(built: Built, artifact: Option<Artifact>) -> Self {
        Self { built, artifact, _hold: None, _room: None }
    }
}

/// Why there are no files.
pub enum NotTaken {
    Cancelled,
    Failed(Failure),
    /// This server failed; the same may go through later.
    Store(StoreError),
}

impl NotTaken {
    /// In one word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Cancelled => FailureCode::Canceled.as_str(),
            Self::Failed(failure) => failure.code.as_str(),
            Self::Store(_) => "store",
        }
    }
}

impl From<BuildError> for NotTaken {
    fn from(error: BuildError) -> Self {
        match error {
            BuildError::Cancelled => Self::Cancelled,
            BuildError::Failed(failure) => Self::Failed(failure),
        }
    }
}

impl From<Failure> for NotTaken {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Where files go, besides their target.
pub struct Taking<'a> {
    pub places: &'a Places,
    pub publisher: Option<&'a dyn Publisher>,
    /// Whose files they are.
    pub deployment: DeploymentId,
    pub scope: Scope,
    pub cancel: &'a CancellationToken,
    /// Takes lines for the deployment's log.
    pub log: &'a (dyn Fn(String) + Send + Sync),
}

impl Taking<'_> {
    /// Looks the files through, and copies them where they would have to stay as they are for a while.
    pub async fn take(
        &self,
        folder: BuiltFolder,
        target: Target,
        forbidden: Vec<String>,
    ) -> Result<Taken, NotTaken> {
        let kind = super::configs::kind(target);
        let BuiltFolder { place, index } = folder;
        let surveyed = survey(self.places.clone(), place.clone(), kind, index, forbidden);
        let survey = self.unless_cancelled(surveyed).await?;
        self.tell_left_out(survey.left_out());
        let (mut manifest, mut _hold, mut _room) = (None, None, None);
        let (site, place) = match (kind, self.publisher) {
            (None, Some(publisher)) => {
                let (deployment, scope, cancel) = (self.deployment, self.scope, self.cancel);
                let taken = publisher.take_in(TakeInJob { deployment, scope, survey, cancel }).await;
                let taken = taken.map_err(not_taken_in)?;
                (manifest, _hold, _room) = (taken.manifest, taken.hold, taken.room);
                (taken.site, place)
            }
            (Some(_), _) if matches!(place, Place::Workspace(_)) => {
                let copied = self.unless_cancelled(copy(survey, &self.places.scratch)).await?;
                (copied, Place::Scratch(name(COPY)?))
            }
            (Some(_), _) | (None, None) => {
                let read = blocking(move || survey.read_all().map_err(refused));
                (self.unless_cancelled(read).await?, place)
            }
        };
        let built = built(&site, &place, manifest);
        let artifact = (kind != Some(TargetKind::Expo)).then(|| Artifact::Site(Arc::new(site)));
        Ok(Taken { built, artifact, _hold, _room })
    }

    /// The app to upload, copied: the one that is named, or the only one there is.
    pub async fn take_app(&self, wanted: Option<&str>) -> Result<Taken, NotTaken> {
        let (built, ipa) = self.unless_cancelled(take_app(self.places, wanted)).await?;
        Ok(Taken::in_place(built, Some(Artifact::Ipa(Arc::new(ipa)))))
    }

    /// The work, unless it is cancelled first: then it is left where it is.
    async fn unless_cancelled<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, NotTaken> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(NotTaken::Cancelled),
            done = work => done.map_err(NotTaken::Failed),
        }
    }

    fn tell_left_out(&self, left_out: &[String]) {
        for name in left_out.iter().take(MAX_TOLD) {
            (self.log)(format!("not published: {name}"));
        }
        if let Some(more) = left_out.len().checked_sub(MAX_TOLD).filter(|more| *more > 0) {
            (self.log)(format!("not published: {more} more"));
        }
    }
}

fn not_taken_in(error: TakeInError) -> NotTaken {
    match error {
        TakeInError::Cancelled => NotTaken::Cancelled,
        TakeInError::Site(error) => NotTaken::Failed(refused(error)),
        TakeInError::Refused(failure) => NotTaken::Failed(failure),
        TakeInError::Store(error @ StoreError::DiskFull { .. }) => {
            tracing::error!(error = %chain(&error), "there is no room for the files of a deployment");
            NotTaken::Failed(failed(FailureCode::Interrupted, "the server's disk has no room for the site"))
        }
        TakeInError::Store(error) => NotTaken::Store(error),
    }
}

async fn take_app(places: &Places, wanted: Option<&str>) -> Result<(Built, Ipa), Failure> {
    let (workspace, scratch) = (places.workspace.clone(), places.scratch.clone());
    let wanted = wanted.map(str::to_owned);
    let found = blocking(move || {
        let name = match wanted {
            Some(name) => {
                Name::parse(&name).map_err(|e| failed(FailureCode::ConfigInvalid, e.to_string()))?
            }
            None => only_app(&workspace)?,
        };
        let (file, info) =
            workspace.open_file(&name).map_err(|e| failed(FailureCode::NoOutput, e.to_string()))?;
        Ok((file, info.bytes))
    });
    let (file, bytes) = found.await?;
    let limit = TargetKind::Appstore.limits().max_file_bytes;
    if bytes > limit {
        let message = format!("the app has {bytes} bytes; at most {limit} are taken");
        return Err(failed(FailureCode::FileTooLarge, message));
    }
    put(&scratch, &name(APP)?, file, bytes).await?;
    let ipa = app(places.scratch.clone()).await?;
    let folder = written(&Place::Scratch(name(APP)?));
    let digest = hex::encode(ipa.sha256);
    let built = Built { digest, folder, files: 1, bytes: ipa.bytes, manifest: None };
    Ok((built, ipa))
}

/// The files again, after whatever time. They have to be those that were taken.
pub async fn again(
    places: &Places,
    built: &Built,
    target: Target,
    forbidden: Vec<String>,
) -> Result<Artifact, Failure> {
    let lost = |why: &str| {
        let message = format!("the files of this deployment {why}; deploy again");
        failed(FailureCode::Interrupted, message)
    };
    let kind = super::configs::kind(target);
    match kind {
        Some(TargetKind::Expo) if expo::is_source(built) => return expo::source_again(places).await,
        Some(TargetKind::Appstore) => {
            let ipa = app(places.scratch.clone()).await.map_err(|_| lost("are gone"))?;
            let same = hex::encode(ipa.sha256) == built.digest;
            return if same { Ok(Artifact::Ipa(Arc::new(ipa))) } else { Err(lost("have changed")) };
        }
        Some(TargetKind::Netlify | TargetKind::Vercel | TargetKind::Cloudflare | TargetKind::Expo) | None => {
        }
    }
    let folder = read(&built.folder).ok_or_else(|| lost("are not where they were"))?;
    // Whether it has to have a page was found out then; the same files have it or not.
    let found = look(places.clone(), folder, kind, Index::Optional, forbidden).await;
    let site =
        found.map_err(
            |failure| {
                if failure.code == FailureCode::OutputRefused { failure } else { lost("are gone") }
            },
        )?;
    if site.digest() != built.digest {
        return Err(lost("have changed while it was under way"));
    }
    let site = Arc::new(site);
    match kind {
        Some(TargetKind::Expo) => expo::export_again(places, site).await,
        Some(TargetKind::Netlify | TargetKind::Vercel | TargetKind::Cloudflare | TargetKind::Appstore)
        | None => Ok(Artifact::Site(site)),
    }
}

async fn look(
    places: Places,
    place: Place,
    kind: Option<TargetKind>,
    index: Index,
    forbidden: Vec<String>,
) -> Result<Site, Failure> {
    let survey = survey(places, place, kind, index, forbidden).await?;
    blocking(move || survey.read_all().map_err(refused)).await
}

async fn survey(
    places: Places,
    place: Place,
    kind: Option<TargetKind>,
    index: Index,
    forbidden: Vec<String>,
) -> Result<Survey, Failure> {
    blocking(move || {
        let forbidden: Vec<&str> = forbidden.iter().map(String::as_str).collect();
        let limits = kind.map_or(preview::LIMITS, TargetKind::limits);
        let (workspace, name) = match &place {
            Place::Workspace(name) => (&places.workspace, name),
            Place::Scratch(name) => (&places.scratch, name),
        };
        miteos_deploy::site::survey(workspace, name, limits, index, &forbidden).map_err(refused)
    })
    .await
}

fn refused(error: SiteError) -> Failure {
    let code = match &error {
        SiteError::Empty { .. } | SiteError::NoIndex { .. } => FailureCode::NoOutput,
        SiteError::FileTooLarge { .. } => FailureCode::FileTooLarge,
        SiteError::TooLarge { .. } | SiteError::TooManyFiles { .. } => FailureCode::OutputTooLarge,
        SiteError::LinkLeaves { .. } | SiteError::BadName { .. } | SiteError::Secrets { .. } => {
            FailureCode::OutputRefused
        }
        SiteError::Changed { .. } => FailureCode::Interrupted,
        SiteError::Unreadable(_) | SiteError::Io { .. } => {
            tracing::warn!(error = %chain(&error), "the files of a deployment cannot be read");
            FailureCode::NoOutput
        }
    };
    failed(code, error.to_string())
}

/// Copies each file under its path in the site, and looks it through on the way.
async fn copy(survey: Survey, scratch: &Workspace) -> Result<Site, Failure> {
    let survey = Arc::new(survey);
    let mut files = Vec::with_capacity(survey.files.len());
    for n in 0..survey.files.len() {
        let chosen = Arc::clone(&survey);
        let opened = blocking(move || chosen.open(&chosen.files[n]).map_err(refused));
        let (opened, bytes) = opened.await?;
        let path = &survey.files[n].path;
        let to = name(&format!("{COPY}/{path}"))?;
        let mut passing = Passing::new(opened, survey.examination());
        match scratch.copy_in(&to, &mut passing, bytes).await {
            Ok(_) => {}
            Err(WorkspaceError::TooBig { .. }) => {
                return Err(refused(SiteError::Changed { path: path.clone() }));
            }
            Err(error) => return Err(not_copied(&to, &error)),
        }
        files.push(passing.looked_at.finish(path, to, bytes).map_err(refused)?);
    }
    let survey = Arc::into_inner(survey).ok_or_else(|| failed(FailureCode::Interrupted, INSIDE))?;
    survey.site(scratch.clone(), files).map_err(refused)
}

async fn put(scratch: &Workspace, to: &Name, from: std::fs::File, bytes: u64) -> Result<(), Failure> {
    let copied = scratch.copy_in(to, tokio::fs::File::from_std(from), bytes).await;
    copied.map(drop).map_err(|error| not_copied(to, &error))
}

fn not_copied(to: &Name, error: &WorkspaceError) -> Failure {
    tracing::warn!(error = %chain(error), "a file of a deployment could not be copied");
    failed(FailureCode::Interrupted, format!("{} could not be copied: {error}", to.as_str()))
}

async fn app(scratch: Workspace) -> Result<Ipa, Failure> {
    let max = TargetKind::Appstore.limits().max_file_bytes;
    let name = name(APP)?;
    blocking(move || {
        read_ipa(&scratch, &name, max).map_err(|error| {
            let code = match &error {
                IpaError::TooLarge { .. } => FailureCode::FileTooLarge,
                IpaError::NotAnIpa { .. } | IpaError::Incomplete { .. } => FailureCode::OutputRefused,
                IpaError::Unreadable { .. } | IpaError::Io { .. } => FailureCode::Interrupted,
            };
            failed(code, error.to_string())
        })
    })
    .await
}

fn only_app(workspace: &Workspace) -> Result<Name, Failure> {
    let nothing = |why: &str| {
        let message = format!("{why}; name the .ipa file to upload (settings.output)");
        failed(FailureCode::NoOutput, message)
    };
    let root = Name::folder(".").map_err(|error| failed(FailureCode::NoOutput, error.to_string()))?;
    let limits = WalkLimits { max_entries: MAX_LOOKED_AT, skip_heavy: true };
    let listing =
        workspace.list(&root, limits).map_err(|error| failed(FailureCode::NoOutput, error.to_string()))?;
    let is_app = |kind, name: &str| kind == FileKind::File && name.to_ascii_lowercase().ends_with(".ipa");
    let mut apps = listing.entries.iter().filter(|entry| is_app(entry.kind, &entry.name));
    match (apps.next(), apps.next()) {
        (Some(one), None) => name(&one.name),
        (None, _) => Err(nothing("there is no .ipa file in the workspace")),
        (Some(_), Some(_)) => Err(nothing("there is more than one .ipa file in the workspace")),
    }
}

fn built(site: &Site, place: &Place, manifest: Option<Sha256>) -> Built {
    Built {
        manifest,
        digest: site.digest(),
        folder: written(place),
        files: site.files.len() as u64,
        bytes: site.total_bytes(),
    }
}

fn name(text: &str) -> Result<Name, Failure> {
    Name::parse(text).map_err(|error| failed(FailureCode::OutputRefused, error.to_string()))
}

/// As it stands in the journal.
fn written(place: &Place) -> String {
    match place {
        Place::Workspace(name) => format!("workspace:{}", name.as_str()),
        Place::Scratch(name) => format!("scratch:{}", name.as_str()),
    }
}

fn read(text: &str) -> Option<Place> {
    let (place, name) = text.split_once(':')?;
    let name = Name::folder(name).ok()?;
    match place {
        "workspace" => Some(Place::Workspace(name)),
        "scratch" => Some(Place::Scratch(name)),
        _ => None,
    }
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|panic| {
        tracing::error!(%panic, "work on the files of a deployment panicked");
        Err(failed(FailureCode::Interrupted, INSIDE))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use miteos_core::ids::AccountId;
    use ulid::Ulid;

    use super::*;

    fn places(folder: &Path) -> Places {
        let workspace = Workspace::create(folder.join("ws")).unwrap();
        std::fs::write(folder.join("ws/index.html"), "x").unwrap();
        std::fs::write(folder.join("ws/.hidden"), "x").unwrap();
        std::os::unix::fs::symlink("index.html", folder.join("ws/start.html")).unwrap();
        Places { workspace, scratch: Workspace::on_demand(folder.join("scratch")) }
    }

    fn whole() -> BuiltFolder {
        BuiltFolder { place: Place::Workspace(Name::folder(".").unwrap()), index: Index::Required }
    }

    #[tokio::test]
    async fn what_is_not_published_is_told_and_a_cancel_is_not_waited_with() {
        let folder = tempfile::tempdir().unwrap();
        let places = places(folder.path());
        let (lines, cancel) = (Mutex::new(Vec::new()), CancellationToken::new());
        let log = |line: String| lines.lock().unwrap().push(line);
        let (deployment, scope) =
            (DeploymentId(Ulid::nil()), Scope { account: AccountId(Ulid::nil()), live: true });
        let taking =
            Taking { places: &places, publisher: None, deployment, scope, cancel: &cancel, log: &log };
        let target = Target::Netlify;
        let Ok(Taken { built, .. }) = taking.take(whole(), target, Vec::new()).await else {
            panic!("not taken")
        };
        assert_eq!((built.files, built.folder.as_str()), (1, "scratch:site"));
        let lines = lines.lock().unwrap().clone();
        for name in [".hidden", "start.html"] {
            let begin = format!("not published: {name}: ");
            assert!(lines.iter().any(|line| line.starts_with(&begin)), "{name}: {lines:?}");
        }
        remove(&folder.path().join("scratch")).unwrap();
        cancel.cancel();
        assert!(matches!(taking.take(whole(), target, Vec::new()).await, Err(NotTaken::Cancelled)));
        assert!(matches!(taking.take_app(None).await, Err(NotTaken::Cancelled)));
        assert!(!folder.path().join("scratch").exists());
    }
}
