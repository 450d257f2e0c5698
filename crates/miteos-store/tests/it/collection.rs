//! Collection of blobs: what nothing names goes after the grace, and what anything names stays, whatever happens.

use std::collections::{BTreeMap, BTreeSet};

use miteos_core::content::Sha256;
use miteos_core::time::Timestamp;
use miteos_store::{
    BLOB_GRACE_MS, BlobRef, Collector, PreviewChange, PreviewRow, PreviewSite, Store, TaskRow, Turn,
    Visibility,
};

use crate::harness::*;

const HOUR: u64 = 3600 * 1000;

/// Goes through everything once.
async fn pass(collector: &mut Collector, now: Timestamp) -> Turn {
    let mut all = Turn::default();
    loop {
        let turn = collector.turn(now).await.unwrap();
        all.looked_at += turn.looked_at;
        all.removed += turn.removed;
        all.removed_bytes += turn.removed_bytes;
        if turn.ends_pass {
            return all;
        }
    }
}

/// The list of a site, as the server writes it.
fn list(files: &[Sha256]) -> Vec<u8> {
    let entries = files
        .iter()
        .enumerate()
        .map(|(n, file)| format!(r#""f{n}.txt":{{"sha256":"{file}","bytes":1,"type":"text/plain"}}"#));
    format!(r#"{{"version":1,"files":{{{}}}}}"#, entries.collect::<Vec<_>>().join(",")).into_bytes()
}

async fn publish(store: &Store, n: u64, files: &[Sha256]) -> PreviewRow {
    let manifest = store.blobs().put_bytes(&list(files)).await.unwrap().sha256;
    let row = PreviewRow {
        deployment: deployment_id(n),
        label: format!("label{n}"),
        account: account_id(1),
        live: true,
        site: Some(PreviewSite { manifest, files: files.len() as u64, bytes: 1 }),
        visibility: Visibility::Public,
        single_page: false,
        link_version: 1,
        created_at: at(n),
        expires_at: None,
        deleted_at: None,
    };
    store.publish_preview(row).await.unwrap()
}

/// A record that says where a text lies.
async fn record(store: &Store, row: &TaskRow, named: &Sha256) -> TaskRow {
    let mut append = next(row);
    append.records[0].body = format!(r#"{{"output":{{"sha256":"{named}","bytes":3}}}}"#);
    let after = append.row.clone();
    store.append(append).await.unwrap();
    after
}

async fn is_there(store: &Store, blob: &Sha256) -> bool {
    store.blobs().size(blob).await.unwrap().is_some()
}

async fn put(store: &Store, text: &str) -> Sha256 {
    store.blobs().put_bytes(text.as_bytes()).await.unwrap().sha256
}

pub async fn what_nothing_names_goes_after_the_grace(backend: &impl Backend) {
    let store = backend.open().await;
    let mut collector = Collector::new(store.clone());
    let task = create(&store, row(1)).await;
    let (lost, kept) = (put(&store, "lost").await, put(&store, "kept").await);
    record(&store, &task, &kept).await;
    assert_eq!(pass(&mut collector, at(0)).await, Turn { looked_at: 2, ends_pass: false, ..Turn::default() });
    // It was put within the hour. From then on the grace runs.
    assert_eq!(pass(&mut collector, at(HOUR)).await.removed, 0);
    assert_eq!(pass(&mut collector, at(HOUR + BLOB_GRACE_MS - 1)).await.removed, 0);
    let last = pass(&mut collector, at(HOUR + BLOB_GRACE_MS)).await;
    assert_eq!((last.removed, last.removed_bytes), (1, 4));
    assert!(!is_there(&store, &lost).await && is_there(&store, &kept).await);
    assert_eq!(store.blobs().get(&kept).await.unwrap().unwrap(), b"kept");
    // The same value again is a new blob.
    assert_eq!(put(&store, "lost").await, lost);
    assert_eq!(store.blobs().get(&lost).await.unwrap().unwrap(), b"lost");
}

pub async fn the_files_of_a_deleted_preview_go_and_those_of_others_stay(backend: &impl Backend) {
    let store = backend.open().await;
    let mut collector = Collector::new(store.clone());
    let [own, shared, other] = ["own", "shared", "other"];
    let [own, shared, other] = [put(&store, own).await, put(&store, shared).await, put(&store, other).await];
    let first = publish(&store, 1, &[own.clone(), shared.clone()]).await;
    publish(&store, 2, &[shared.clone(), other.clone()]).await;
    let ends = publish(&store, 3, &[put(&store, "ends").await]).await;
    let end = PreviewChange { expires_at: Some(Some(at(HOUR))), ..PreviewChange::default() };
    store.change_preview(ends.deployment, end).await.unwrap();
    for tenths in 0..10 {
        assert_eq!(pass(&mut collector, at(tenths * HOUR / 10)).await.removed, 0);
    }
    assert!(store.delete_preview(first.deployment, at(HOUR)).await.unwrap());
    let manifest = |row: &PreviewRow| row.site.clone().unwrap().manifest;
    for hours in [1, 2, 24] {
        assert_eq!(pass(&mut collector, at(hours * HOUR)).await.removed, 0, "after {hours} hours");
    }
    // A file and a list. That of the other can be prolonged for a day, and then has its grace as well.
    assert_eq!(pass(&mut collector, at(25 * HOUR)).await.removed, 2);
    assert!(!is_there(&store, &own).await && !is_there(&store, &manifest(&first)).await);
    assert!(is_there(&store, &manifest(&ends)).await);
    assert_eq!(pass(&mut collector, at(48 * HOUR)).await.removed, 0);
    assert_eq!(pass(&mut collector, at(49 * HOUR)).await.removed, 2);
    assert!(!is_there(&store, &manifest(&ends)).await, "its end is long past");
    assert!(is_there(&store, &shared).await && is_there(&store, &other).await);
    assert!(store.preview(ends.deployment).await.unwrap().unwrap().deleted_at.is_some());
    // The very same site again: its list is read anew.
    put(&store, "own").await;
    let again = publish(&store, 4, &[own.clone(), shared.clone()]).await;
    assert_eq!(manifest(&again), manifest(&first));
    for days in 3..9 {
        pass(&mut collector, at(days * 24 * HOUR)).await;
    }
    assert!(is_there(&store, &own).await && is_there(&store, &manifest(&again)).await);
}

pub async fn a_site_whose_list_is_lost_holds_up_no_other(backend: &impl Backend) {
    let store = backend.open().await;
    let mut collector = Collector::new(store.clone());
    let [used, unused] = [put(&store, "used").await, put(&store, "unused").await];
    let no_text = store.blobs().put_bytes(b"\xff\xfe").await.unwrap().sha256;
    for (n, lost) in [(1, name(1)), (2, no_text)] {
        let row = publish(&store, n, &[]).await;
        let site = PreviewSite { manifest: lost, files: 1, bytes: 1 };
        store.publish_preview(PreviewRow { site: Some(site), ..row }).await.unwrap();
    }
    publish(&store, 3, std::slice::from_ref(&used)).await;
    for days in 0..4 {
        pass(&mut collector, at(days * 25 * HOUR)).await;
    }
    assert!(!is_there(&store, &unused).await, "the lost ones hold up nothing");
    assert!(is_there(&store, &used).await);
}

pub async fn what_is_found_or_held_is_not_taken_from_under_anybody(backend: &impl Backend) {
    let store = backend.open().await;
    let mut collector = Collector::new(store.clone());
    let blob = store.blobs().put_bytes(b"found").await.unwrap();
    let hours = |n: u64| at(n * HOUR);
    for n in [0, 1, 2] {
        pass(&mut collector, hours(n)).await;
    }
    // Its grace is over, and in this moment somebody finds that it need not be put again.
    assert!(store.blobs().holds(&blob).await.unwrap());
    assert_eq!(pass(&mut collector, hours(30)).await.removed, 0);
    let hold = store.blobs().hold();
    assert!(store.blobs().holds(&blob).await.unwrap());
    for n in (31..100).step_by(9) {
        assert_eq!(pass(&mut collector, hours(n)).await.removed, 0);
    }
    publish(&store, 1, std::slice::from_ref(&blob.sha256)).await;
    drop(hold);
    for n in (100..200).step_by(9) {
        assert_eq!(pass(&mut collector, hours(n)).await.removed, 0);
    }
    assert!(is_there(&store, &blob.sha256).await);
}

const CONTENTS: usize = 10;

fn content(n: usize) -> String {
    format!("content {n}")
}

fn name(n: usize) -> Sha256 {
    Sha256::of(content(n).as_bytes())
}

/// Random work over a few contents, with passes, restarts and time in between.
struct World<'a, B> {
    backend: &'a B,
    /// `None` only while it is opened again.
    open: Option<(Store, Collector)>,
    task: TaskRow,
    now: u64,
    random: u64,
    recorded: BTreeSet<usize>,
    /// The list and the contents of each that is shown.
    previews: BTreeMap<u64, (Sha256, BTreeSet<usize>)>,
    /// Every list that there ever was.
    lists: BTreeSet<Sha256>,
    published: u64,
}

impl<'a, B: Backend> World<'a, B> {
    /// Time goes on where it was, and what was recorded stays.
    async fn new(backend: &'a B, seed: u64, now: u64, recorded: BTreeSet<usize>) -> Self {
        let store = backend.open().await;
        let task = create(&store, row(seed)).await;
        Self {
            backend,
            open: Some((store.clone(), Collector::new(store))),
            task,
            now,
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            recorded,
            previews: BTreeMap::new(),
            lists: BTreeSet::new(),
            published: seed * 1_000,
        }
    }

    fn store(&self) -> &Store {
        &self.open.as_ref().unwrap().0
    }

    fn collector(&mut self) -> &mut Collector {
        &mut self.open.as_mut().unwrap().1
    }

    fn below(&mut self, n: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 8) % n
    }

    fn one(&mut self) -> usize {
        usize::try_from(self.below(CONTENTS as u64)).unwrap()
    }

    async fn step(&mut self) {
        let now = at(self.now);
        match self.below(12) {
            0 => {
                let text = content(self.one());
                put(self.store(), &text).await;
            }
            1 if self.recorded.len() < 5 => {
                let n = self.one();
                let named = put(self.store(), &content(n)).await;
                self.task = record(self.store(), &self.task, &named).await;
                self.recorded.insert(n);
            }
            1..=4 => self.publish().await,
            5..=6 => self.unpublish().await,
            7 => {
                self.open = None;
                let store = self.backend.open().await;
                self.open = Some((store.clone(), Collector::new(store)));
            }
            8..=9 => self.now += self.below(30 * HOUR),
            _ => {
                pass(self.collector(), now).await;
            }
        }
        for blob in self.named() {
            assert!(is_there(self.store(), &blob).await, "{blob} is named");
        }
    }

    /// A site of some contents; what is there is not put again.
    async fn publish(&mut self) {
        let now = at(self.now);
        let _hold = self.store().blobs().hold();
        let mut files = BTreeSet::new();
        for _ in 0..=self.below(4) {
            files.insert(self.one());
        }
        for n in &files {
            let named = BlobRef { sha256: name(*n), bytes: content(*n).len() as u64 };
            if !self.store().blobs().holds(&named).await.unwrap() {
                put(self.store(), &content(*n)).await;
            }
            // The collection goes on meanwhile.
            self.collector().turn(now).await.unwrap();
        }
        self.published += 1;
        let names: Vec<Sha256> = files.iter().map(|n| name(*n)).collect();
        let row = publish(self.store(), self.published, &names).await;
        let list = row.site.unwrap().manifest;
        self.lists.insert(list.clone());
        self.previews.insert(self.published, (list, files));
    }

    async fn unpublish(&mut self) {
        let Some(n) = self.previews.keys().next().copied() else { return };
        self.previews.remove(&n);
        let (id, now) = (deployment_id(n), at(self.now));
        if self.below(2) == 0 {
            assert!(self.store().delete_preview(id, now).await.unwrap());
        } else {
            let change = PreviewChange { expires_at: Some(Some(now)), ..PreviewChange::default() };
            self.store().change_preview(id, change).await.unwrap();
        }
    }

    fn named(&self) -> BTreeSet<Sha256> {
        let files = self.previews.values().flat_map(|(_, files)| files).chain(&self.recorded);
        let lists = self.previews.values().map(|(list, _)| list.clone());
        files.map(|n| name(*n)).chain(lists).collect()
    }

    /// In the end there is exactly what has a name.
    async fn settle(&mut self) {
        for hours in [2, 2, 25, 25, 25] {
            self.now += hours * HOUR;
            let now = at(self.now);
            pass(self.collector(), now).await;
        }
        let named = self.named();
        for blob in (0..CONTENTS).map(name).chain(self.lists.clone()) {
            assert_eq!(is_there(self.store(), &blob).await, named.contains(&blob), "{blob}");
        }
    }
}

pub async fn whatever_happens_what_is_named_is_there(backend: &impl Backend) {
    let (mut now, mut recorded) = (0, BTreeSet::new());
    for seed in 1..=6 {
        let mut world = World::new(backend, seed, now, recorded).await;
        for _ in 0..40 {
            world.step().await;
        }
        world.settle().await;
        // The next one begins with nothing shown.
        let shown: Vec<u64> = world.previews.keys().copied().collect();
        for n in shown {
            world.store().delete_preview(deployment_id(n), at(world.now)).await.unwrap();
        }
        (now, recorded) = (world.now, world.recorded);
    }
}
