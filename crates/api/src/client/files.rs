//! Calls that copy files between a container and the client, as archives.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::{Method, Response};
use serde::Deserialize;

use super::archive::{Download, Upload};
use super::call::{Call, decode};
use super::container::path;
use super::{Client, ClientError};

/// The header in which a daemon describes the path.
const STAT_HEADER: &str = "x-docker-container-path-stat";

/// Go's bits of a file mode for a directory and a symbolic link.
const MODE_DIRECTORY: u32 = 1 << 31;
const MODE_LINK: u32 = 1 << 27;

/// A path in a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PathStat {
    /// Its last component.
    pub name: String,
    /// Bytes.
    pub size: i64,
    /// Go's file mode.
    pub mode: u32,
    /// Where a symbolic link leads.
    pub link_target: String,
}

impl PathStat {
    /// Tells whether it is a directory.
    pub fn is_directory(&self) -> bool {
        self.mode & MODE_DIRECTORY != 0
    }

    /// Tells whether it is a symbolic link.
    pub fn is_link(&self) -> bool {
        self.mode & MODE_LINK != 0
    }
}

impl Client {
    /// Describes a path in a container.
    pub async fn stat_path(&self, container: &str, file: &str) -> Result<PathStat, ClientError> {
        let call = Call::new(Method::HEAD, path(container, "/archive")?).query("path", file);
        let (response, connection) = self.stream(call).await?;
        let stat = path_stat(&response, file);
        drop((response, connection));
        stat
    }

    /// Reads a file or a directory of a container as an archive.
    pub async fn download_path(
        &self,
        container: &str,
        file: &str,
    ) -> Result<(PathStat, Download), ClientError> {
        let call = Call::get(path(container, "/archive")?).query("path", file);
        let (response, connection) = self.stream(call).await?;
        let stat = path_stat(&response, file)?;
        Ok((stat, Download::new(response.into_body(), connection)))
    }

    /// Unpacks an archive in a directory of a container, which stays a directory whatever the archive says.
    pub async fn upload_path(
        &self,
        container: &str,
        directory: &str,
        copy_owners: bool,
        archive: Upload,
    ) -> Result<(), ClientError> {
        let call = Call::new(Method::PUT, path(container, "/archive")?)
            .query("copyUIDGID", if copy_owners { "true" } else { "" })
            .query("noOverwriteDirNonDir", "true")
            .query("path", directory)
            .upload(archive.into_payload());
        self.done(call).await
    }
}

fn path_stat<B>(response: &Response<B>, file: &str) -> Result<PathStat, ClientError> {
    let header =
        response.headers().get(STAT_HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let json = STANDARD.decode(header).unwrap_or_default();
    decode(&json).map_err(|source| ClientError::Decode { path: file.to_owned(), source })
}
