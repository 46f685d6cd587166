//! Image references: `[host[:port]/]path[:tag][@digest]`, their full and their familiar form.

/// The registry that a reference without a host means.
const DEFAULT_HOST: &str = "docker.io";

/// A reference, taken apart. Its name is in full form: host and path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    host: String,
    path: String,
    tag: Option<String>,
    digest: Option<String>,
}

impl Reference {
    /// Parses a reference; `None` if it is not one.
    pub(crate) fn parse(text: &str) -> Option<Reference> {
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(Some(digest.to_owned()).filter(|digest| is_digest(digest))?)),
            None => (text, None),
        };
        let slash = name.rfind('/').map_or(0, |at| at + 1);
        let (name, tag) = match name[slash..].split_once(':') {
            Some((_, tag)) => {
                let tag_start = name.len() - tag.len() - 1;
                (&name[..tag_start], Some(Some(tag.to_owned()).filter(|tag| is_tag(tag))?))
            }
            None => (name, None),
        };
        let (host, path) = split_host(name);
        let path = if host == DEFAULT_HOST && !path.contains('/') {
            format!("library/{path}")
        } else {
            path.to_owned()
        };
        let valid = is_host(host) && path.split('/').all(is_component) && path.len() <= 255;
        valid.then(|| Reference { host: host.to_owned(), path, tag, digest })
    }

    /// Parses a reference; the error is Docker's sentence.
    pub(crate) fn read(text: &str) -> Result<Reference, String> {
        // Compat: docker 28.2 looks for capitals before anything else, in what is not the host.
        let (host, path) = split_host(text);
        let name = path.split(':').next().unwrap_or_default();
        if has_upper(name) {
            let library = if host == DEFAULT_HOST && !path.contains('/') { "library/" } else { "" };
            return Err(format!(
                "invalid reference format: repository name ({library}{name}) must be lowercase"
            ));
        }
        Reference::parse(text).ok_or_else(|| "invalid reference format".to_owned())
    }

    /// The registry, such as `docker.io` or `localhost:5000`.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// The name as people write it, without tag and digest.
    pub(crate) fn familiar_name(&self) -> String {
        Reference { tag: None, digest: None, ..self.clone() }.familiar()
    }

    /// The whole name, with the host it means, without tag and digest.
    pub(crate) fn full_name(&self) -> String {
        format!("{}/{}", self.host, self.path)
    }

    /// The whole reference, with the host it means.
    pub(crate) fn full(&self) -> String {
        let tag = self.tag.as_ref().map(|tag| format!(":{tag}")).unwrap_or_default();
        let digest = self.digest.as_ref().map(|digest| format!("@{digest}")).unwrap_or_default();
        format!("{}{tag}{digest}", self.full_name())
    }

    /// The tag, if it has one.
    pub(crate) fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, if it has one.
    pub(crate) fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// Tells whether a digest is part of it.
    pub(crate) fn is_pinned(&self) -> bool {
        self.digest.is_some()
    }

    /// Adds `:latest` to a bare name.
    pub(crate) fn with_default_tag(mut self) -> Reference {
        if self.tag.is_none() && self.digest.is_none() {
            self.tag = Some("latest".to_owned());
        }
        self
    }

    /// Adds a digest.
    pub(crate) fn pinned(mut self, digest: &str) -> Reference {
        self.digest = Some(digest.to_owned());
        self
    }

    /// The form people write: no default host, no `library/`.
    pub(crate) fn familiar(&self) -> String {
        let mut text = if self.host == DEFAULT_HOST {
            self.path
                .strip_prefix("library/")
                .filter(|rest| !rest.contains('/'))
                .unwrap_or(&self.path)
                .to_owned()
        } else {
            format!("{}/{}", self.host, self.path)
        };
        for (mark, part) in [(':', &self.tag), ('@', &self.digest)] {
            if let Some(part) = part {
                text.push(mark);
                text.push_str(part);
            }
        }
        text
    }
}

/// The image column of a table: familiar, and without the digest if a tag says enough.
pub(crate) fn familiar_image(image: &str) -> String {
    match Reference::parse(image) {
        Some(reference) if reference.tag.is_some() => Reference { digest: None, ..reference }.familiar(),
        _ => image.to_owned(),
    }
}

/// A first component is a host if it looks like one.
fn split_host(name: &str) -> (&str, &str) {
    match name.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" || has_upper(first) => {
            match first {
                "index.docker.io" => (DEFAULT_HOST, rest),
                _ => (first, rest),
            }
        }
        _ => (DEFAULT_HOST, name),
    }
}

fn has_upper(text: &str) -> bool {
    text.contains(|c: char| c.is_ascii_uppercase())
}

fn is_host(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte))
}

/// Lower-case words joined by one dot, one or two underscores, or dashes.
fn is_component(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends_well = text.bytes().next().is_some_and(is_word) && text.bytes().next_back().is_some_and(is_word);
    let separators = text.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    ends_well
        && separators
            .into_iter()
            .all(|run| matches!(run, "" | "." | "_" | "__") || run.bytes().all(|b| b == b'-'))
}

fn is_tag(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= 128
        && text.bytes().next().is_some_and(is_word)
        && text.bytes().all(|byte| is_word(byte) || byte == b'.' || byte == b'-')
}

fn is_digest(text: &str) -> bool {
    text.split_once(':').is_some_and(|(algorithm, hex)| {
        !algorithm.is_empty() && hex.len() >= 32 && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}
