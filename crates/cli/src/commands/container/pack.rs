//! Files of this machine as an archive, one by one. The library has a way for whole directories, but writes other targets for
//! links where it takes them for the same (`a` for `./a`, `/` for `//`).

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tar::{Builder, Header};

#[cfg(target_os = "linux")]
use super::special;

/// The longest target of a link that its header has room for, in bytes.
const LINK_LEN_MAX: usize = 100;

/// Appends a directory and all that is below under a name; with an empty one there is no entry for the directory itself. Links
/// below are not followed.
pub(super) fn append_tree(archive: &mut Builder<impl Write>, path: &Path, name: &Path) -> io::Result<()> {
    let mut pending: Vec<(PathBuf, PathBuf)> = vec![(path.to_owned(), name.to_owned())];
    while let Some((path, name)) = pending.pop() {
        if !name.as_os_str().is_empty() {
            archive.append_dir(&name, &path)?;
        }
        for entry in std::fs::read_dir(&path)? {
            let entry = entry?;
            let below = name.join(entry.file_name());
            match entry.file_type()?.is_dir() {
                true => pending.push((entry.path(), below)),
                false => append(archive, &entry.path(), &below)?,
            }
        }
    }
    Ok(())
}

/// Appends what is no directory, and follows no link. Of pipes and devices the library takes the path for the name.
pub(super) fn append(archive: &mut Builder<impl Write>, path: &Path, name: &Path) -> io::Result<()> {
    let found = std::fs::symlink_metadata(path)?;
    #[cfg(target_os = "linux")]
    if let Some(mut header) = special::header(&found)? {
        return archive.append_data(&mut header, name, io::empty());
    }
    if !found.is_symlink() {
        return archive.append_path_with_name(path, name);
    }
    let target = std::fs::read_link(path)?;
    let mut header = Header::new_gnu();
    header.set_metadata(&found);
    header.set_size(0);
    let bytes = target.as_os_str().as_encoded_bytes();
    match bytes.len() <= LINK_LEN_MAX {
        true => header.set_link_name_literal(bytes)?,
        false => archive.append_pax_extensions([("linkpath", bytes)])?,
    }
    archive.append_data(&mut header, name, io::empty())
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use skep_archive::{Archive, Kind};

    use super::*;

    #[test]
    fn a_tree_goes_in_as_it_is() {
        let tree = tempfile::tempdir().expect("a directory");
        let below = |name: &str| tree.path().join(name);
        std::fs::create_dir_all(below("d/empty")).expect("directories");
        std::fs::write(below("d/file"), "content").expect("a file");
        let long = "./".repeat(80) + "x";
        for (name, target) in [("dot", "./a/../b"), ("root", "//"), ("long", long.as_str()), ("dir", "d")] {
            symlink(target, below(name)).expect("a link");
        }
        for (name, prefix) in [("", ""), ("new", "new/")] {
            let mut archive = Builder::new(Vec::new());
            append_tree(&mut archive, tree.path(), Path::new(name)).expect("it is packed");
            let bytes = archive.into_inner().expect("an archive");
            let mut archive = Archive::new(bytes.as_slice());
            let mut found = std::collections::BTreeMap::new();
            while let Some(entry) = archive.next_entry().expect("it is sound") {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                let header = entry.header;
                found.insert(text(&header.name), (header.kind, header.link_name.map(|name| text(&name))));
            }
            let own = (!name.is_empty()).then(|| ("new".to_owned(), (Kind::Directory, None)));
            let link = |target: &str| (Kind::Symlink, Some(target.to_owned()));
            let expected = [
                ("d", (Kind::Directory, None)),
                ("d/empty", (Kind::Directory, None)),
                ("d/file", (Kind::File, None)),
                ("dir", link("d")),
                ("dot", link("./a/../b")),
                ("long", link(&long)),
                ("root", link("//")),
            ];
            let expected = expected.map(|(name, what)| (format!("{prefix}{name}"), what));
            assert_eq!(found, expected.into_iter().chain(own).collect());
        }
    }
}
