//! Forms with files (`multipart/form-data`): read whole, within bounds, every part by its name.

use super::{
    Problem,
    extract::is_too_long,
    gate::{BodyLimit, too_large},
};
use axum::{
    body::Bytes,
    extract::{FromRequest, Multipart, Request, multipart::MultipartError},
};
use std::collections::BTreeMap;

/// Parts of one form.
const PARTS_MAX: usize = 32;
/// Bytes of a part that is text.
const TEXT_MAX_BYTES: usize = 64 * 1024;

/// A form with files.
#[derive(Debug, Default)]
pub struct Upload {
    texts: BTreeMap<String, String>,
    files: Vec<(String, File)>,
}

/// A file of a form.
#[derive(Debug, Clone)]
pub struct File {
    /// The sender's name for it: to show, never to open.
    pub name: String,
    /// The bytes.
    pub bytes: Bytes,
}

impl Upload {
    /// A text part; `None` where there is none.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.texts.get(name).map(String::as_str)
    }

    /// A text part that must be there.
    ///
    /// # Errors
    /// `request/malformed`, naming the part.
    pub fn required_text(&self, name: &str) -> Result<&str, Problem> {
        self.text(name).ok_or_else(|| missing(name))
    }

    /// The first file of this name, taken out.
    ///
    /// # Errors
    /// `request/malformed`, naming the part.
    pub fn take_file(&mut self, name: &str) -> Result<File, Problem> {
        let at = self.files.iter().position(|(part, _)| part == name).ok_or_else(|| missing(name))?;
        Ok(self.files.swap_remove(at).1)
    }

    /// All files of this name, in the form's order.
    pub fn files<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a File> {
        self.files.iter().filter(move |(part, _)| part == name).map(|(_, file)| file)
    }

    /// Refuses parts that the route does not know: what nobody reads is a mistake of the sender.
    ///
    /// # Errors
    /// `request/malformed`, naming the part.
    pub fn only(&self, names: &[&str]) -> Result<(), Problem> {
        let all = self.texts.keys().chain(self.files.iter().map(|(name, _)| name));
        match all.into_iter().find(|name| !names.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => {
                let name: String = name.chars().take(40).collect();
                Err(Problem::new("request/malformed", format!("this form has no part `{name}`")))
            }
        }
    }
}

fn missing(name: &str) -> Problem {
    Problem::new("request/malformed", format!("the part `{name}` is missing"))
}

impl<S: Send + Sync> FromRequest<S> for Upload {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let limit = request.extensions().get::<BodyLimit>().ok_or_else(Problem::internal)?.0;
        let mut form = Multipart::from_request(request, state).await.map_err(|_| {
            Problem::new(
                "request/unsupported-media-type",
                "this route takes multipart/form-data with a boundary",
            )
        })?;
        let mut upload = Upload::default();
        for _ in 0..=PARTS_MAX {
            let Some(part) = form.next_field().await.map_err(|error| broken(&error, limit))? else {
                return Ok(upload);
            };
            let name = part.name().unwrap_or_default().to_owned();
            let file_name = part.file_name().map(str::to_owned);
            let bytes = part.bytes().await.map_err(|error| broken(&error, limit))?;
            upload.add(name, file_name, bytes)?;
        }
        Err(Problem::new("request/malformed", format!("the form has more than {PARTS_MAX} parts")))
    }
}

impl Upload {
    fn add(&mut self, name: String, file_name: Option<String>, bytes: Bytes) -> Result<(), Problem> {
        if let Some(file_name) = file_name {
            // A browser sends an empty, nameless file for a field left alone.
            if !(file_name.is_empty() && bytes.is_empty()) {
                self.files.push((name, File { name: file_name.chars().take(200).collect(), bytes }));
            }
            return Ok(());
        }
        let text = (bytes.len() <= TEXT_MAX_BYTES).then(|| String::from_utf8(bytes.into()).ok()).flatten();
        let text = text.ok_or_else(|| {
            let says = format!(
                "a text part is at most {TEXT_MAX_BYTES} bytes of UTF-8; send files with a file name"
            );
            Problem::new("request/malformed", says)
        })?;
        match self.texts.insert(name, text) {
            None => Ok(()),
            Some(_) => Err(Problem::new("request/malformed", "a text part is there twice")),
        }
    }
}

fn broken(error: &MultipartError, limit_bytes: usize) -> Problem {
    if is_too_long(error) {
        return too_large(limit_bytes);
    }
    Problem::new("request/malformed", "the form can't be taken apart")
}
