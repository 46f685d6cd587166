//! Archives written by crate `tar` or block by block, read as an unpacker reads them.

use std::io::{self, ErrorKind, Read};

use tar::{Builder, EntryType, Header as Block};

use super::{Archive, Header, Kind, Piece, REGIONS_MAX, Time};

type Found = (Header, Vec<u8>);

fn read(bytes: &[u8]) -> io::Result<Vec<Found>> {
    let mut archive = Archive::new(Dribble(bytes));
    let mut found = Vec::new();
    while let Some(mut entry) = archive.next_entry()? {
        let mut content = Vec::new();
        entry.content.read_to_end(&mut content)?;
        found.push((entry.header, content));
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

fn header(name: &str, kind: EntryType, len: u64) -> Block {
    let mut header = Block::new_ustar();
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
fn with_records(records: &[(&str, &[u8])], header: &Block, content: &[u8]) -> Vec<u8> {
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
    builder.append(&header("dir/", EntryType::Directory, 0), io::empty()).expect("a directory");
    let mut link = header("s", EntryType::Symlink, 0);
    link.set_link_name("../a").expect("a target");
    link.set_cksum();
    builder.append(&link, io::empty()).expect("a link");
    let mut device = header("d", EntryType::Char, 0);
    device.set_device_major(1).expect("a ustar header");
    device.set_device_minor(3).expect("a ustar header");
    device.set_cksum();
    builder.append(&device, io::empty()).expect("a device");
    for (name, kind) in [("h", EntryType::Link), ("b", EntryType::Block), ("f", EntryType::Fifo)] {
        builder.append(&header(name, kind, 0), io::empty()).expect("an entry");
    }
    builder.append(&header("v", EntryType::new(b'V'), 0), io::empty()).expect("a volume label");
    let found = read(&builder.into_inner().expect("an archive")).expect("it is sound");

    let kinds: Vec<Kind> = found.iter().map(|(header, _)| header.kind).collect();
    let expected = [
        Kind::File,
        Kind::Directory,
        Kind::Symlink,
        Kind::CharDevice,
        Kind::HardLink,
        Kind::BlockDevice,
        Kind::Fifo,
        Kind::Other(b'V'),
    ];
    assert_eq!(kinds, expected);
    assert_eq!(found[0].1, b"abc");
    let (file, _) = &found[0];
    assert_eq!((file.mode, file.uid, file.gid), (0o644, 1, 2));
    assert_eq!(file.modified_at, Time { seconds: 1_000, nanos: 0 });
    assert_eq!(found[2].0.link_name.as_deref(), Some(&b"../a"[..]));
    assert_eq!(found[3].0.device, (1, 3));
}

#[test]
fn long_names_have_any_byte() {
    let name = format!("{}/with\na line", "n".repeat(300));
    let mut builder = Builder::new(Vec::new());
    let mut header = Block::new_gnu();
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
    assert_eq!(head.link_name.as_deref(), Some(&target[..]));
    assert_eq!(head.xattrs, [(b"security.capability".to_vec(), capability.to_vec())]);
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
    let mut header = Block::new_gnu();
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
fn holes_take_no_room() {
    let bytes = sparse(3, |_| {});
    let mut archive = Archive::new(bytes.as_slice());
    let mut entry = archive.next_entry().expect("it is sound").expect("an entry");
    let mut buffer = [0; 8];
    let mut pieces = Vec::new();
    loop {
        match entry.content.next_piece(&mut buffer).expect("it is sound") {
            Piece::End => break,
            piece => pieces.push(piece),
        }
    }
    assert_eq!(pieces, [Piece::Hole(1), Piece::Data(1)].repeat(3));

    // A tebibyte of nothing, with a word at its beginning.
    let mut block = Block::new_gnu();
    block.set_path("sparse").expect("a short name");
    block.set_entry_type(EntryType::GNUSparse);
    block.set_size(4);
    let gnu = block.as_gnu_mut().expect("a GNU header");
    gnu.sparse[0].offset = *b"00000000000\0";
    gnu.sparse[0].numbytes = *b"00000000004\0";
    gnu.realsize = *b"\x80\0\0\0\0\0\x01\0\0\0\0\0";
    block.set_cksum();
    let bytes = [&block.as_bytes()[..], b"word", &[0; 508], &[0; 1024]].concat();
    let mut archive = Archive::new(bytes.as_slice());
    let mut entry = archive.next_entry().expect("it is sound").expect("an entry");
    let path = std::env::temp_dir().join(format!("skep-archive-holes-{}", std::process::id()));
    let mut file = std::fs::File::create(&path).expect("a file");
    let written = entry.content.write_to(&mut file);
    let found = file.metadata();
    std::fs::remove_file(&path).expect("it was made");
    written.expect("a file system that has files of a tebibyte");
    let found = found.expect("it is there");
    assert_eq!(found.len(), 1 << 40);
    assert!(std::os::unix::fs::MetadataExt::blocks(&found) < 100);
}

/// A sparse file of GNU's form with so many regions of a byte, each behind a hole of one.
fn sparse(region_count: usize, extend: impl Fn(&mut Vec<[u8; 512]>)) -> Vec<u8> {
    let number =
        |number: usize| -> [u8; 12] { format!("{number:011o}\0").into_bytes().try_into().expect("12") };
    let mut block = Block::new_gnu();
    block.set_path("sparse").expect("a short name");
    block.set_entry_type(EntryType::GNUSparse);
    block.set_size(region_count as u64);
    let gnu = block.as_gnu_mut().expect("a GNU header");
    gnu.realsize = number(2 * region_count);
    gnu.isextended[0] = u8::from(region_count > gnu.sparse.len());
    let mut regions = (0..region_count).map(|at| (number(2 * at + 1), number(1)));
    for (place, (offset, len)) in gnu.sparse.iter_mut().zip(&mut regions) {
        (place.offset, place.numbytes) = (offset, len);
    }
    block.set_cksum();
    let rest: Vec<_> = regions.collect();
    let chunks = rest.chunks(21);
    let last = chunks.len().saturating_sub(1);
    let mut blocks: Vec<[u8; 512]> = vec![*block.as_bytes()];
    for (index, chunk) in chunks.enumerate() {
        let mut more = tar::GnuExtSparseHeader::new();
        for (place, (offset, len)) in more.sparse.iter_mut().zip(chunk) {
            (place.offset, place.numbytes) = (*offset, *len);
        }
        more.isextended[0] = u8::from(index < last);
        blocks.push(*more.as_bytes());
    }
    extend(&mut blocks);
    let content = vec![b'x'; region_count.next_multiple_of(512)];
    [blocks.concat(), content, vec![0; 1024]].concat()
}

#[test]
fn a_map_may_go_on_behind_its_header_and_is_bounded() {
    for region_count in [4, 5, 25, 26, 100, REGIONS_MAX] {
        let (header, content) = only(&sparse(region_count, |_| {}));
        assert_eq!(header.kind, Kind::SparseFile);
        assert_eq!(content, [0, b'x'].repeat(region_count), "{region_count} regions");
    }
    assert_eq!(kind_of_error(&sparse(REGIONS_MAX + 1, |_| {})), ErrorKind::InvalidData);
    // Blocks without a region could follow each other for ever.
    let idle = |blocks: &mut Vec<[u8; 512]>| {
        let mut more = tar::GnuExtSparseHeader::new();
        more.isextended[0] = 1;
        blocks.insert(1, *more.as_bytes());
    };
    assert_eq!(kind_of_error(&sparse(26, idle)), ErrorKind::InvalidData);
}

#[test]
fn regions_that_lie_are_refused() {
    // The place of the first region, where it ends, what is stored, the length of the file.
    for (offset, len, stored, real) in
        [(1, 5, 5, 5), (u64::MAX, 1, 1, 9), (0, 5, 4, 9), (0, 4, 5, 9), (0, 9, 9, 8)]
    {
        let mut block = Block::new_gnu();
        block.set_path("sparse").expect("a short name");
        block.set_entry_type(EntryType::GNUSparse);
        block.set_size(stored);
        let gnu = block.as_gnu_mut().expect("a GNU header");
        let number = |number: u64| -> [u8; 12] {
            let mut bytes = [0; 12];
            bytes[0] = 0x80;
            bytes[4..].copy_from_slice(&number.to_be_bytes());
            bytes
        };
        (gnu.sparse[0].offset, gnu.sparse[0].numbytes) = (number(offset), number(len));
        gnu.realsize = number(real);
        block.set_cksum();
        let bytes = [&block.as_bytes()[..], &[b'x'; 512], &[0; 1024]].concat();
        assert_eq!(kind_of_error(&bytes), ErrorKind::InvalidData, "{offset} {len} {stored} {real}");
    }
}

#[test]
fn sparse_files_by_records_are_refused_by_name() {
    for record in ["GNU.sparse.name", "GNU.sparse.major", "GNU.sparse.map"] {
        let bytes = with_records(&[(record, b"1")], &header("good", EntryType::Regular, 0), b"");
        let error = read(&bytes).expect_err("it is refused");
        assert!(error.to_string().contains("sparse"), "{error}");
    }
}

#[test]
fn what_has_no_content_has_none_whatever_its_size() {
    let kinds = [
        EntryType::Link,
        EntryType::Symlink,
        EntryType::Directory,
        EntryType::Char,
        EntryType::Block,
        EntryType::Fifo,
    ];
    for kind in kinds {
        let mut liar = header("liar", kind, 512);
        liar.set_link_name("target").expect("a target");
        liar.set_cksum();
        let mut bytes = liar.as_bytes().to_vec();
        bytes.extend_from_slice(header("next", EntryType::Regular, 1).as_bytes());
        bytes.extend([&[b'x'; 512][..], &[0; 1024][..]].concat());
        let names: Vec<_> =
            read(&bytes).expect("it is sound").into_iter().map(|(head, _)| head.name).collect();
        assert_eq!(names, [b"liar".to_vec(), b"next".to_vec()], "{kind:?}");
    }
    // An old directory too, and only an old one.
    let mut old = header("old/", EntryType::Regular, 512);
    old.as_old_mut().linkflag = [0];
    old.set_cksum();
    let next = header("next", EntryType::Regular, 0);
    let found = read(&[&old.as_bytes()[..], next.as_bytes()].concat()).expect("it is sound");
    assert_eq!(
        found.iter().map(|(header, _)| header.kind).collect::<Vec<_>>(),
        [Kind::Directory, Kind::File]
    );
    assert_eq!(only(header("new/", EntryType::Regular, 0).as_bytes()).0.kind, Kind::File);
}

#[test]
fn empty_records_leave_what_the_header_says() {
    let records: [(&str, &[u8]); 5] =
        [("path", b""), ("size", b""), ("uid", b""), ("gid", b""), ("mtime", b"")];
    let (header, content) = only(&with_records(&records, &header("a", EntryType::Regular, 3), b"abc"));
    assert_eq!((header.name.as_slice(), content.as_slice()), (&b"a"[..], &b"abc"[..]));
    assert_eq!((header.uid, header.gid, header.modified_at.seconds), (1, 2, 1_000));
}

#[test]
fn names_have_their_prefix_and_headers_their_sign() {
    let mut long = header("name", EntryType::Regular, 0);
    let ustar = long.as_ustar_mut().expect("a ustar header");
    ustar.prefix[..3].copy_from_slice(b"dir");
    ustar.version = *b"  ";
    long.set_cksum();
    assert_eq!(only(long.as_bytes()).0.name, b"dir/name");
    let mut early = header("early", EntryType::Regular, 0);
    early.as_old_mut().mtime = [0xff; 12];
    early.set_cksum();
    assert_eq!(only(early.as_bytes()).0.modified_at, Time { seconds: -1, nanos: 0 });
    let mut huge = header("huge", EntryType::Regular, 0);
    huge.as_old_mut().size = *b"\x80\0\0\x01\0\0\0\0\0\0\0\x03";
    huge.set_cksum();
    assert_eq!(kind_of_error(huge.as_bytes()), ErrorKind::InvalidData);
    huge.as_old_mut().size = [0xff; 12];
    huge.set_cksum();
    assert_eq!(kind_of_error(huge.as_bytes()), ErrorKind::InvalidData);
}

#[test]
fn gnus_names_win_over_records() {
    let mut builder = Builder::new(Vec::new());
    builder.append_pax_extensions([("path", &b"record"[..])]).expect("records");
    let mut long = Block::new_gnu();
    long.set_entry_type(EntryType::GNULongName);
    long.set_size(9);
    long.set_cksum();
    builder.append(&long, &b"long\0rest"[..]).expect("a long name");
    builder.append(&header("short", EntryType::Regular, 0), io::empty()).expect("an entry");
    assert_eq!(only(&builder.into_inner().expect("an archive")).0.name, b"long");
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
        assert_eq!(entry.header.name, name.as_bytes());
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
    assert_eq!(kind_of_error(&records[..1024]), ErrorKind::InvalidData);
    // An empty block between an entry and its records.
    let apart = [&records[..1024], &[0; 512][..], &records[1024..]].concat();
    assert_eq!(kind_of_error(&apart), ErrorKind::InvalidData);
}

#[test]
fn headers_are_bounded() {
    let long = vec![b'v'; super::EXTENSION_LEN_MAX as usize];
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

/// What GNU tar made, by `tar --sparse --format=gnu`, `--format=posix` and `--format=gnu --owner=3000000`.
#[test]
fn what_gnu_tar_writes_is_read() {
    let (header, content) = only(include_bytes!("../../../fuzz/corpus/tar/sparse.tar"));
    assert_eq!((header.kind, content.len()), (Kind::SparseFile, 1 << 20));
    let mut expected = vec![0; 1 << 20];
    for at in [0, 100, 300, 500, 700, 900].map(|kib| kib << 10) {
        expected[at..at + 4].copy_from_slice(b"data");
    }
    assert!(content == expected, "the data is where it belongs");

    let found = read(include_bytes!("../../../fuzz/corpus/tar/records.tar")).expect("it is sound");
    let of =
        |name: &str| &found.iter().find(|(header, _)| header.name == name.as_bytes()).expect("it is there").0;
    assert_eq!(of("d/n\u{e4}\nx").kind, Kind::File);
    assert_eq!(of("d/p").modified_at, Time { seconds: -101, nanos: 500_000_000 });
    let found = read(include_bytes!("../../../fuzz/corpus/tar/base256.tar")).expect("it is sound");
    assert!(found.iter().all(|(header, _)| header.owner() == Some((3_000_000, 0))));
}
