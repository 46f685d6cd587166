//! One image layer: a tar file written entry by entry, its gzip, and the digests of both.
//!
//! Entries are written exactly as given, evil ones included: names with `..`, hard links to outside,
//! whiteouts. Times are fixed, so the same entries always make the same digest.

use std::io::Write;

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use tar::{EntryType, Header};

/// One member of a layer.
#[derive(Debug, Clone)]
pub struct Entry {
    path: String,
    kind: EntryType,
    /// The target of a link.
    link: Option<String>,
    content: Vec<u8>,
    mode: u32,
    owner: (u64, u64),
}

impl Entry {
    fn new(path: &str, kind: EntryType, mode: u32) -> Self {
        Self { path: path.into(), kind, link: None, content: Vec::new(), mode, owner: (0, 0) }
    }

    /// A file that anybody may read.
    pub fn file(path: &str, content: &[u8]) -> Self {
        Self { content: content.to_vec(), ..Self::new(path, EntryType::Regular, 0o644) }
    }

    /// A file that anybody may run.
    pub fn program(path: &str, content: &[u8]) -> Self {
        Self::file(path, content).mode(0o755)
    }

    pub fn folder(path: &str) -> Self {
        Self::new(path, EntryType::Directory, 0o755)
    }

    pub fn symlink(path: &str, target: &str) -> Self {
        Self { link: Some(target.into()), ..Self::new(path, EntryType::Symlink, 0o777) }
    }

    /// A hard link to a path of the image; its mode becomes the mode of both.
    pub fn hardlink(path: &str, target: &str) -> Self {
        Self { link: Some(target.into()), ..Self::new(path, EntryType::Link, 0o644) }
    }

    /// The mark that removes `path` of the layers below.
    pub fn whiteout(path: &str) -> Self {
        let (folder, name) = path.rsplit_once('/').map_or(("", path), |(folder, name)| (folder, name));
        let separator = if folder.is_empty() { "" } else { "/" };
        Self::file(&format!("{folder}{separator}.wh.{name}"), b"")
    }

    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    pub fn owner(mut self, user: u64, group: u64) -> Self {
        self.owner = (user, group);
        self
    }

    fn write(&self, tar: &mut tar::Builder<Vec<u8>>) -> Result<()> {
        let mut header = Header::new_gnu();
        header.set_entry_type(self.kind);
        header.set_mode(self.mode);
        header.set_uid(self.owner.0);
        header.set_gid(self.owner.1);
        header.set_mtime(1_704_067_200);
        header.set_size(self.content.len() as u64);
        // Written raw, because the builder refuses the evil names that some tests are about.
        let gnu = header.as_gnu_mut().expect("made as a GNU header");
        raw(&mut gnu.name, &self.path)?;
        if let Some(link) = &self.link {
            raw(&mut gnu.linkname, link)?;
        }
        header.set_cksum();
        tar.append(&header, self.content.as_slice()).with_context(|| format!("cannot write {}", self.path))
    }
}

/// Writes a name into its field of the header.
fn raw(field: &mut [u8], name: &str) -> Result<()> {
    let place =
        field.get_mut(..name.len()).with_context(|| format!("{name} is too long for a tar header"))?;
    place.copy_from_slice(name.as_bytes());
    Ok(())
}

/// A finished layer.
#[derive(Debug, Clone)]
pub struct Layer {
    blob: Vec<u8>,
    digest: String,
    diff_id: String,
}

impl Layer {
    /// Packs entries, in the order given.
    pub fn of(entries: impl IntoIterator<Item = Entry>) -> Result<Self> {
        let mut tar = tar::Builder::new(Vec::new());
        for entry in entries {
            entry.write(&mut tar)?;
        }
        let tar = tar.into_inner().context("cannot finish a layer")?;
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&tar).context("cannot compress a layer")?;
        let blob = gzip.finish().context("cannot compress a layer")?;
        Ok(Self { digest: digest(&blob), diff_id: digest(&tar), blob })
    }

    /// Returns the compressed bytes.
    pub fn blob(&self) -> &[u8] {
        &self.blob
    }

    /// Returns the digest of the compressed bytes.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Returns the digest of the tar file.
    pub fn diff_id(&self) -> &str {
        &self.diff_id
    }
}

/// Returns `sha256:…` of some bytes.
pub fn digest(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::from("sha256:");
    for byte in Sha256::digest(bytes) {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn entries_are_written_as_given() {
        let layer = Layer::of([
            Entry::folder("etc/"),
            Entry::file("../evil", b"x").mode(0o4755).owner(1000, 50),
            Entry::symlink("a", "/etc"),
            Entry::whiteout("etc/gone"),
        ])
        .unwrap();
        let mut tar = Vec::new();
        flate2::read::GzDecoder::new(layer.blob()).read_to_end(&mut tar).unwrap();
        assert_eq!(digest(&tar), layer.diff_id());
        let mut archive = tar::Archive::new(tar.as_slice());
        let seen: Vec<String> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                format!("{} {:o}", entry.path().unwrap().display(), entry.header().mode().unwrap())
            })
            .collect();
        assert_eq!(seen, ["etc/ 755", "../evil 4755", "a 777", "etc/.wh.gone 644"]);
    }

    #[test]
    fn digests_are_sha256() {
        assert_eq!(digest(b""), "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
