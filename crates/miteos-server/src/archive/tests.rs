//! Archives as they come from tools, and as they come from somebody who wants more than a folder of files.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use tar::{Builder, EntryType, Header};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::{ArchiveError, Kind, Unpacked, unpack};

fn unpacked(kind: Kind, bytes: &[u8]) -> (TempDir, Result<Unpacked, ArchiveError>) {
    let folder = tempfile::tempdir().unwrap();
    let mut archive = tempfile::tempfile().unwrap();
    archive.write_all(bytes).unwrap();
    archive.rewind().unwrap();
    let into = folder.path().join("in");
    std::fs::create_dir(&into).unwrap();
    let done = unpack(kind, &archive, &into, &CancellationToken::new());
    let outside: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(outside, ["in"], "nothing is made outside");
    (folder, done)
}

fn refused(kind: Kind, bytes: &[u8], words: &str) {
    let error = unpacked(kind, bytes).1.unwrap_err();
    assert!(error.to_string().contains(words), "{words}: {error}");
}

fn file(folder: &TempDir, path: &str) -> Vec<u8> {
    std::fs::read(folder.path().join("in").join(path)).unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn tape(fill: impl FnOnce(&mut Builder<Vec<u8>>)) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    fill(&mut builder);
    gzip(&builder.into_inner().unwrap())
}

/// A head whose name is written as it is, which the library does not do.
fn header(name: &str, kind: EntryType, bytes: u64) -> Header {
    let mut header = Header::new_gnu();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_size(bytes);
    header.set_mode(0o644);
    header.set_cksum();
    header
}

fn add(builder: &mut Builder<Vec<u8>>, name: &str, kind: EntryType, content: &[u8]) {
    builder.append(&header(name, kind, content.len() as u64), content).unwrap();
}

fn tape_of(name: &str, kind: EntryType) -> Vec<u8> {
    tape(|builder| add(builder, name, kind, b""))
}

/// One file of a zip, with everything that can be said wrong about it.
#[derive(Clone)]
struct Part {
    name: Vec<u8>,
    content: Vec<u8>,
    method: u16,
    flags: u16,
    /// Unix mode, in the list.
    mode: u32,
    /// Said in place of the truth.
    bytes: Option<u32>,
    crc: Option<u32>,
    local_name: Option<Vec<u8>>,
    /// Its head is that of the part before.
    overlaps: bool,
}

fn part(name: &str, content: &[u8]) -> Part {
    Part {
        name: name.as_bytes().to_vec(),
        content: content.to_vec(),
        method: 8,
        flags: 0,
        mode: 0o100_644,
        bytes: None,
        crc: None,
        local_name: None,
        overlaps: false,
    }
}

fn zip(parts: &[Part]) -> Vec<u8> {
    let (mut archive, mut list, mut before) = (Vec::new(), Vec::new(), 0);
    for part in parts {
        let packed = match part.method {
            8 => {
                let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
                encoder.write_all(&part.content).unwrap();
                encoder.finish().unwrap()
            }
            _ => part.content.clone(),
        };
        let mut crc = flate2::Crc::new();
        crc.update(&part.content);
        let crc = part.crc.unwrap_or(crc.sum());
        let bytes = part.bytes.unwrap_or(part.content.len() as u32);
        let at = if part.overlaps { before } else { archive.len() as u32 };
        before = at;
        let local = part.local_name.as_ref().unwrap_or(&part.name);
        if !part.overlaps {
            archive.extend(b"PK\x03\x04\x14\x00");
            archive.extend([part.flags, part.method, 0, 0].map(u16::to_le_bytes).concat());
            archive.extend([crc, packed.len() as u32, bytes].map(u32::to_le_bytes).concat());
            archive.extend([local.len() as u16, 0].map(u16::to_le_bytes).concat());
            archive.extend(local);
            archive.extend(&packed);
        }
        list.extend(b"PK\x01\x02\x14\x03\x14\x00");
        list.extend([part.flags, part.method, 0, 0].map(u16::to_le_bytes).concat());
        list.extend([crc, packed.len() as u32, bytes].map(u32::to_le_bytes).concat());
        list.extend([part.name.len() as u16, 0, 0, 0, 0].map(u16::to_le_bytes).concat());
        list.extend([part.mode << 16, at].map(u32::to_le_bytes).concat());
        list.extend(&part.name);
    }
    let (at, count) = (archive.len() as u32, parts.len() as u16);
    archive.extend(&list);
    archive.extend(b"PK\x05\x06\0\0\0\0");
    archive.extend([count, count].map(u16::to_le_bytes).concat());
    archive.extend([list.len() as u32, at].map(u32::to_le_bytes).concat());
    archive.extend([0, 0]);
    archive
}

/// Names that nothing may be unpacked under.
const BAD_NAMES: [&str; 12] = [
    "../evil",
    "a/../../evil",
    "/etc/evil",
    "//evil",
    "..",
    "a/..",
    "a//b",
    "a/./b",
    "a\\..\\evil",
    "C:\\evil",
    "a\u{1}b",
    "a\nb",
];

#[test]
fn a_site_is_unpacked_as_it_was_packed() {
    let big: Vec<u8> = (0_u32..300_000).map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
    let long = format!("{}/file.txt", "long/".repeat(40).trim_end_matches('/'));
    let archive = tape(|builder| {
        add(builder, "./", EntryType::Directory, b"");
        add(builder, "./index.html", EntryType::Regular, b"first");
        add(builder, "assets/", EntryType::Directory, b"");
        add(builder, "assets/big.bin", EntryType::Regular, &big);
        add(builder, "empty", EntryType::Regular, b"");
        let mut named = header("x", EntryType::Regular, 4);
        builder.append_data(&mut named, &long, &b"long"[..]).unwrap();
    });
    let (folder, done) = unpacked(Kind::TarGz, &archive);
    assert_eq!(done.unwrap(), Unpacked { files: 4, bytes: 300_009 });
    assert_eq!((file(&folder, "index.html"), file(&folder, &long)), (b"first".to_vec(), b"long".to_vec()));
    assert_eq!(file(&folder, "assets/big.bin"), big);

    let stored = Part { method: 0, ..part("assets/big.bin", &big) };
    let folder_part = Part { method: 0, mode: 0o040_755, ..part("assets/", b"") };
    let of_the_mac = part("__MACOSX/._index.html", b"junk");
    let archive =
        zip(&[part("index.html", b"first"), folder_part, stored, part("na\u{ef}ve.txt", b""), of_the_mac]);
    let (folder, done) = unpacked(Kind::Zip, &archive);
    assert_eq!(done.unwrap(), Unpacked { files: 3, bytes: 300_005 });
    assert_eq!((file(&folder, "index.html"), file(&folder, "assets/big.bin")), (b"first".to_vec(), big));
    assert!(!folder.path().join("in/__MACOSX").exists());
}

#[test]
fn no_name_leads_out() {
    for name in BAD_NAMES {
        refused(Kind::TarGz, &tape_of(name, EntryType::Regular), "cannot be unpacked");
        refused(Kind::TarGz, &tape_of(name, EntryType::Directory), "cannot be unpacked");
        refused(Kind::Zip, &zip(&[part(name, b"x")]), "cannot be unpacked");
        let long = tape(|builder| {
            add(builder, "././@LongLink", EntryType::GNULongName, format!("{name}\0").as_bytes());
            add(builder, "harmless", EntryType::Regular, b"x");
        });
        refused(Kind::TarGz, &long, "cannot be unpacked");
        let value = format!("path={name}\n");
        let record = (value.len() + 3..)
            .map(|n| format!("{n} {value}"))
            .find(|r| r.split(' ').next().unwrap() == r.len().to_string());
        let record = record.unwrap();
        let pax = tape(|builder| {
            add(builder, "pax", EntryType::XHeader, record.as_bytes());
            add(builder, "harmless", EntryType::Regular, b"x");
        });
        if !name.contains('\n') {
            refused(Kind::TarGz, &pax, "cannot be unpacked");
        }
    }
    refused(Kind::Zip, &zip(&[part(&"x".repeat(1_025), b"")]), "too long");
    refused(Kind::Zip, &zip(&[part(&"x".repeat(300), b"")]), "cannot be unpacked");
    refused(Kind::Zip, &zip(&[Part { name: vec![0xff, 0xfe], ..part("", b"") }]), "not UTF-8");
    let latin = tape(|builder| {
        let mut latin = header("x", EntryType::Regular, 0);
        latin.as_mut_bytes()[0] = 0xe4;
        latin.set_cksum();
        builder.append(&latin, &b""[..]).unwrap();
    });
    refused(Kind::TarGz, &latin, "not UTF-8");
}

#[test]
fn links_and_devices_are_refused() {
    for kind in [
        EntryType::Symlink,
        EntryType::Link,
        EntryType::Fifo,
        EntryType::Char,
        EntryType::Block,
        EntryType::GNUSparse,
    ] {
        let archive = tape(|builder| {
            let mut made = header("index.html", kind, 0);
            made.set_link_name("/etc/passwd").unwrap();
            made.set_cksum();
            builder.append(&made, &b""[..]).unwrap();
            add(builder, "index.html/x", EntryType::Regular, b"x");
        });
        let (folder, done) = unpacked(Kind::TarGz, &archive);
        assert!(matches!(done, Err(ArchiveError::BadEntry { .. })), "{kind:?}: {done:?}");
        assert_eq!(std::fs::read_dir(folder.path().join("in")).unwrap().count(), 0);
    }
    for mode in [0o120_777, 0o020_644, 0o060_644, 0o010_644, 0o140_644, 0o040_755] {
        let archive = zip(&[Part { mode, ..part("index.html", b"/etc/passwd") }]);
        assert!(matches!(unpacked(Kind::Zip, &archive).1, Err(ArchiveError::BadEntry { .. })), "{mode:o}");
    }
}

#[test]
fn a_name_stands_for_one_file() {
    let twice = [part("a", b"1"), part("A", b"2")];
    refused(Kind::Zip, &zip(&twice), "twice");
    let both = tape(|builder| {
        add(builder, "a", EntryType::Regular, b"1");
        add(builder, "a/b", EntryType::Regular, b"2");
    });
    refused(Kind::TarGz, &both, "a file and a folder at once");
    refused(Kind::Zip, &zip(&[part("a/b", b"1"), part("a", b"2")]), "a file and a folder at once");
}

#[test]
fn a_small_archive_does_not_fill_the_disk() {
    const MIB: usize = 1024 * 1024;
    let zeros = vec![0; 64 * MIB];
    let bomb = tape(|builder| add(builder, "zeros", EntryType::Regular, &zeros));
    assert!(bomb.len() < MIB);
    refused(Kind::TarGz, &bomb, "would unpack to more");
    refused(Kind::Zip, &zip(&[part("zeros", &zeros)]), "would unpack to more");
    // What is passed over counts, too.
    let about = tape(|builder| {
        for _ in 0..3 {
            add(builder, "pax", EntryType::XGlobalHeader, &zeros[..32 * MIB]);
        }
    });
    refused(Kind::TarGz, &about, "would unpack to more");
    let name = tape(|builder| add(builder, "x", EntryType::GNULongName, &vec![b'x'; MIB]));
    refused(Kind::TarGz, &name, "too long");
    // The same bytes, listed many times.
    let mut parts = vec![part("0", &zeros[..MIB])];
    parts.extend((1..10).map(|n| Part { overlaps: true, ..part(&n.to_string(), &zeros[..MIB]) }));
    refused(Kind::Zip, &zip(&parts), "in the same place");
    // It says that it is small, and is not.
    let lies = Part { bytes: Some(10), ..part("lie", &zeros[..MIB]) };
    refused(Kind::Zip, &zip(&[lies]), "not the size");
    let many = tape(|builder| {
        for n in 0..40_001 {
            add(builder, &n.to_string(), EntryType::XGlobalHeader, b"");
        }
    });
    refused(Kind::TarGz, &many, "more than 40000");
}

#[test]
fn what_is_damaged_or_means_two_things_is_refused() {
    let good = zip(&[part("index.html", b"first"), part("b", b"second")]);
    assert!(unpacked(Kind::Zip, &good).1.is_ok());
    refused(Kind::Zip, &zip(&[Part { crc: Some(1), ..part("a", b"x") }]), "damaged");
    refused(Kind::Zip, &zip(&[Part { flags: 1, ..part("a", b"x") }]), "encrypted");
    refused(Kind::Zip, &zip(&[Part { method: 12, ..part("a", b"x") }]), "another way");
    refused(
        Kind::Zip,
        &zip(&[Part { local_name: Some(b"b".to_vec()), ..part("a", b"x") }]),
        "different names",
    );
    refused(Kind::Zip, &zip(&[Part { bytes: Some(u32::MAX), ..part("a", b"x") }]), "too large");
    refused(Kind::Zip, &[&b"#!/bin/sh\n"[..], &good].concat(), "in front of it");
    refused(Kind::Zip, &[&good[..], b"more"].concat(), "no whole .zip");
    refused(Kind::Zip, b"", "no whole .zip");
    refused(Kind::TarGz, b"", "no whole .tar.gz");
    refused(Kind::TarGz, b"<!doctype html>", "no whole .tar.gz");
    refused(Kind::TarGz, &gzip(b"<!doctype html>"), "no whole .tar.gz");
    for cut in 0..good.len() {
        assert!(unpacked(Kind::Zip, &good[..cut]).1.is_err(), "{cut}");
    }
    let tape = tape(|builder| add(builder, "index.html", EntryType::Regular, &[7; 2_000]));
    for cut in 0..tape.len() - 8 {
        assert!(unpacked(Kind::TarGz, &tape[..cut]).1.is_err(), "{cut}");
    }
    // Whatever one byte is changed to, nothing panics and nothing is made outside.
    for at in 0..good.len() {
        for bit in [1, 0x80, 0xff] {
            let mut bent = good.clone();
            bent[at] ^= bit;
            let _either = unpacked(Kind::Zip, &bent).1;
        }
    }
}

#[test]
fn unpacking_can_be_cancelled() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.zip");
    std::fs::write(&path, zip(&[part("a", b"x")])).unwrap();
    let cancel = CancellationToken::new();
    cancel.cancel();
    let done = unpack(Kind::Zip, &File::open(&path).unwrap(), folder.path(), &cancel);
    assert!(matches!(done, Err(ArchiveError::Canceled)));
    assert!(!Path::new(folder.path()).join("a").exists());
}

#[test]
fn kinds_are_known_by_their_endings() {
    for (name, kind) in [
        ("site.zip", Some(Kind::Zip)),
        ("a/Site.ZIP", Some(Kind::Zip)),
        ("site.tar.gz", Some(Kind::TarGz)),
        ("site.tgz", Some(Kind::TarGz)),
        ("site.tar", None),
        ("zip", None),
        ("site.gz", None),
    ] {
        assert_eq!(Kind::of(name), kind, "{name}");
    }
}
