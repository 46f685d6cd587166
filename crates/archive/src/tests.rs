//! Archives written by crate `tar` or block by block, read as an unpacker reads them.

use std::io::{self, ErrorKind, Read};

use tar::{Builder, EntryType, Header};

use super::{Archive, Head, Kind, Time};

type Found = (Head, Vec<u8>);

fn read(bytes: &[u8]) -> io::Result<Vec<Found>> {
    let mut archive = Archive::new(Dribble(bytes));
    let mut found = Vec::new();
    while let Some(mut entry) = archive.next_entry()? {
        let mut content = Vec::new();
        entry.content.read_to_end(&mut content)?;
        found.push((entry.head, content));
    }
    Ok(found)
}

/// A reader that never gives more than a few bytes at once.
struct Dribble<'a>(&'a [u8]);

impl Read for Dribble<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(7);
        self.0.read(&mut buffer[..most])
    }
}

fn header(name: &str, kind: EntryType, len: u64) -> Header {
    let mut header = Header::new_ustar();
    header.set_path(name).expect("a short name");
    header.set_entry_type(kind);
    header.set_size(len);
    header.set_mode(0o644);
    header.set_uid(1);
    header.set_gid(2);
    header.set_mtime(1_000);
    header.set_cksum();
    header
}

/// An archive of one entry with extended records.
fn with_records(records: &[(&str, &[u8])], header: &Header, content: &[u8]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    builder.append_pax_extensions(records.iter().copied()).expect("records");
    builder.append(header, content).expect("an entry");
    builder.into_inner().expect("an archive")
}

fn only(bytes: &[u8]) -> Found {
    let mut found = read(bytes).expect("a sound archive");
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

fn kind_of_error(bytes: &[u8]) -> ErrorKind {
    read(bytes).expect_err("it is broken").kind()
}

#[test]
fn entries_say_what_they_are() {
    let mut builder = Builder::new(Vec::new());
    builder.append(&header("a", EntryType::Regular, 3), &b"abc"[..]).expect("a file");
    builder.append(&header("old/", EntryType::Regular, 0), io::empty()).expect("an old directory");
    let mut link = header("s", EntryType::Symlink, 0);
    link.set_link_name("../a").expect("a target");
    link.set_cksum();
    builder.append(&link, io::empty()).expect("a link");
    let mut device = header("d", EntryType::Char, 0);
    device.set_device_major(1).expect("a ustar header");
    device.set_device_minor(3).expect("a ustar header");
    device.set_cksum();
    builder.append(&device, io::empty()).expect("a device");
    builder.append(&header("v", EntryType::new(b'V'), 0), io::empty()).expect("a volume label");
    let found = read(&builder.into_inner().expect("an archive")).expect("it is sound");

    let kinds: Vec<Kind> = found.iter().map(|(head, _)| head.kind).collect();
    assert_eq!(kinds, [Kind::File, Kind::Directory, Kind::Symlink, Kind::CharDevice, Kind::Other(b'V')]);
    assert_eq!(found[0].1, b"abc");
    let (file, _) = &found[0];
    assert_eq!((file.mode, file.uid, file.gid), (0o644, 1, 2));
    assert_eq!(file.modified_at, Time { seconds: 1_000, nanos: 0 });
    assert_eq!(found[2].0.target.as_deref(), Some(&b"../a"[..]));
    assert_eq!(found[3].0.device, (1, 3));
}

#[test]
fn long_names_have_any_byte() {
    let name = format!("{}/with\na line", "n".repeat(300));
    let mut builder = Builder::new(Vec::new());
    let mut header = Header::new_gnu();
    header.set_size(0);
    builder.append_data(&mut header, &name, io::empty()).expect("an entry");
    assert_eq!(only(&builder.into_inner().expect("an archive")).0.name, name.as_bytes());
}

#[test]
fn a_record_ends_where_it_says() {
    // What a line of a value looks like is nobody's record.
    let target = b"a\n21 path=/etc/shadow\n12 size=999\n";
    let capability = b"\x01\x00\x00\x02\x00\x0a\x00\x00\n\n\x00\x00";
    let records: [(&str, &[u8]); 4] = [
        ("path", b"n\xc3\xa4me\nx"),
        ("linkpath", target),
        ("SCHILY.xattr.security.capability", capability),
        ("mtime", b"-1.5"),
    ];
    let (head, content) = only(&with_records(&records, &header("short", EntryType::Regular, 3), b"abc"));
    assert_eq!(head.name, b"n\xc3\xa4me\nx");
    assert_eq!(head.target.as_deref(), Some(&target[..]));
    assert_eq!(head.attributes, [(b"security.capability".to_vec(), capability.to_vec())]);
    assert_eq!(head.modified_at, Time { seconds: -2, nanos: 500_000_000 });
    assert_eq!(content, b"abc");
}

#[test]
fn records_replace_numbers_and_have_to_be_numbers() {
    let large: [(&str, &[u8]); 3] = [("size", b"3"), ("uid", b"3000000"), ("gid", b"4000000")];
    let mut header = header("file", EntryType::Regular, 0);
    let mut bytes = with_records(&large, &header, b"");
    // The content that the record promises goes where the archive ended.
    let end = bytes.len() - 1024;
    bytes.splice(end..end, b"abc".iter().copied().chain(std::iter::repeat_n(0, 509)));
    let (head, content) = only(&bytes);
    assert_eq!((head.uid, head.gid, content.as_slice()), (3_000_000, 4_000_000, &b"abc"[..]));

    header.set_size(0);
    for key in ["size", "uid", "gid"] {
        assert_eq!(kind_of_error(&with_records(&[(key, b"many")], &header, b"")), ErrorKind::InvalidData);
    }
}

#[test]
fn holes_are_zeros() {
    // GNU's own form: 100 bytes, of which 10 at 20 and 5 at 60 are stored.
    let mut header = Header::new_gnu();
    header.set_path("sparse").expect("a short name");
    header.set_entry_type(EntryType::GNUSparse);
    header.set_size(15);
    let gnu = header.as_gnu_mut().expect("a GNU header");
    for (place, (offset, len)) in gnu.sparse.iter_mut().zip([(20, 10), (60, 5)]) {
        place.offset.copy_from_slice(format!("{offset:011o}\0").as_bytes());
        place.numbytes.copy_from_slice(format!("{len:011o}\0").as_bytes());
    }
    gnu.realsize.copy_from_slice(format!("{:011o}\0", 100).as_bytes());
    header.set_cksum();
    let mut builder = Builder::new(Vec::new());
    builder.append(&header, &b"0123456789abcde"[..]).expect("an entry");
    builder.append(&self::header("next", EntryType::Regular, 1), &b"x"[..]).expect("an entry");
    let found = read(&builder.into_inner().expect("an archive")).expect("it is sound");
    let mut expected = [0; 100];
    expected[20..30].copy_from_slice(b"0123456789");
    expected[60..65].copy_from_slice(b"abcde");
    assert_eq!(found[0].1, expected);
    assert_eq!(found[1].1, b"x");
}

#[test]
fn holes_by_records_are_zeros() {
    // What GNU tar writes with --sparse --format=posix: the map stands before the content, in a block of its own.
    let records: [(&str, &[u8]); 4] = [
        ("GNU.sparse.major", b"1"),
        ("GNU.sparse.minor", b"0"),
        ("GNU.sparse.name", b"sparse"),
        ("GNU.sparse.realsize", b"50"),
    ];
    let mut stored = b"1\n40\n4\n".to_vec();
    stored.resize(512, 0);
    stored.extend(b"data");
    let header = header("GNUSparseFile.0/sparse", EntryType::Regular, stored.len() as u64);
    let (head, content) = only(&with_records(&records, &header, &stored));
    let mut expected = [0; 50];
    expected[40..44].copy_from_slice(b"data");
    assert_eq!((head.name.as_slice(), content.as_slice()), (&b"sparse"[..], &expected[..]));

    let mut endless = stored.clone();
    endless[..512].fill(b'1');
    let sizes = [
        b"9\n".repeat(256),       // More pieces than lines, none of them in order.
        endless,                  // A line without an end.
        b"1\n48\n4\n\0".to_vec(), // A piece that leads out of the file.
    ];
    for mut stored in sizes {
        stored.resize(1024, b'1');
        let mut header = header.clone();
        header.set_size(stored.len() as u64);
        header.set_cksum();
        assert_eq!(kind_of_error(&with_records(&records, &header, &stored)), ErrorKind::InvalidData);
    }
}

#[test]
fn what_is_not_read_is_skipped() {
    let mut builder = Builder::new(Vec::new());
    for name in ["a", "b"] {
        builder.append(&header(name, EntryType::Regular, 1_000), &[b'x'; 1_000][..]).expect("an entry");
    }
    let bytes = builder.into_inner().expect("an archive");
    let mut rest = bytes.as_slice();
    let mut archive = Archive::new(&mut rest);
    for name in ["a", "b"] {
        let entry = archive.next_entry().expect("it is sound").expect("an entry");
        assert_eq!(entry.head.name, name.as_bytes());
    }
    assert!(archive.next_entry().expect("it is sound").is_none());
    assert!(archive.next_entry().expect("the end stays the end").is_none());
    assert_eq!(rest.len(), 0);
}

#[test]
fn the_end_may_be_short_and_an_entry_may_not() {
    let mut builder = Builder::new(Vec::new());
    builder.append(&header("a", EntryType::Regular, 3), &b"abc"[..]).expect("an entry");
    let whole = builder.into_inner().expect("an archive");
    assert_eq!(whole.len(), 512 + 512 + 1024);
    // All, one empty block, none, and not even the padding of the last entry.
    for len in [2048, 1536, 1024, 515] {
        assert_eq!(only(&whole[..len]).1, b"abc", "{len} bytes");
    }
    for len in [514, 512] {
        assert_eq!(kind_of_error(&whole[..len]), ErrorKind::UnexpectedEof, "{len} bytes");
    }
    for len in [511, 1] {
        assert_eq!(kind_of_error(&whole[..len]), ErrorKind::InvalidData, "{len} bytes");
    }
    assert_eq!(read(&[]).expect("nothing is an empty archive"), []);
}

#[test]
fn what_is_no_archive_is_told_apart() {
    assert_eq!(kind_of_error(&[b'x'; 2048]), ErrorKind::InvalidData);
    let mut builder = Builder::new(Vec::new());
    builder.append(&header("a", EntryType::Regular, 0), io::empty()).expect("an entry");
    let one = builder.into_inner().expect("an archive");
    let mut changed = one.clone();
    changed[0] = b'b';
    assert_eq!(kind_of_error(&changed), ErrorKind::InvalidData, "its checksum is another");
    // An empty block between two entries.
    let lone = [&one[..512], &[0; 512][..], &one[..]].concat();
    assert_eq!(kind_of_error(&lone), ErrorKind::InvalidData);
    // Records of an entry that does not follow.
    let records = with_records(&[("path", b"x")], &header("a", EntryType::Regular, 0), b"");
    assert_eq!(kind_of_error(&[&records[..1024], &[0; 1024][..]].concat()), ErrorKind::InvalidData);
    assert!(read(&records[..1024]).is_err());
}

#[test]
fn headers_are_bounded() {
    let long = vec![b'v'; super::HEADERS_LEN_MAX as usize];
    let records = with_records(&[("comment", &long)], &header("a", EntryType::Regular, 0), b"");
    assert_eq!(kind_of_error(&records), ErrorKind::InvalidData);
    let global = header("g", EntryType::XGlobalHeader, 0);
    let mut builder = Builder::new(Vec::new());
    for _ in 0..100 {
        builder.append(&global, io::empty()).expect("a global header");
    }
    assert_eq!(kind_of_error(&builder.into_inner().expect("an archive")), ErrorKind::InvalidData);
}

#[test]
fn global_headers_are_passed_over() {
    let mut builder = Builder::new(Vec::new());
    builder
        .append(&header("g", EntryType::XGlobalHeader, 20), &b"20 comment=whatever\n"[..])
        .expect("global");
    builder.append(&header("a", EntryType::Regular, 1), &b"x"[..]).expect("an entry");
    assert_eq!(only(&builder.into_inner().expect("an archive")).0.name, b"a");
}
