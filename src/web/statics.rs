//! Static files, named by their digest: what a name means never changes, so browsers may keep it.

use crate::http::{Access, Gives, Operation, Problem, Route};
use axum::{
    extract::Path,
    http::{HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use std::sync::LazyLock;
use yinxin_pki::sm3;

struct Static {
    /// `style.<digest>.css`.
    name: String,
    media_type: &'static str,
    bytes: &'static [u8],
}

const STYLESHEET: &str = include_str!("static/style.css");

static FILES: LazyLock<Vec<Static>> =
    LazyLock::new(|| vec![file("style", "css", "text/css; charset=utf-8", STYLESHEET.as_bytes())]);

fn file(stem: &str, extension: &str, media_type: &'static str, bytes: &'static [u8]) -> Static {
    let digest = hex::encode(&sm3::digest(bytes)[..8]);
    Static { name: format!("{stem}.{digest}.{extension}"), media_type, bytes }
}

/// Where the stylesheet lies.
pub(super) fn stylesheet_path() -> String {
    FILES.first().map(|file| format!("/static/{}", file.name)).unwrap_or_default()
}

pub(super) fn routes() -> Vec<Route> {
    vec![
        Operation::get(Access::PUBLIC, "/static/{name}", "readStatic", "A static file")
            .page()
            .gives(200, Gives::Bytes("*/*"))
            .handled_by((), read),
    ]
}

async fn read(Path(name): Path<String>) -> Result<Response, Problem> {
    let file = FILES.iter().find(|file| file.name == name);
    let file = file.ok_or_else(|| Problem::new("request/unknown-path", "there is no such file"))?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(file.media_type)),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
    ];
    Ok((headers, file.bytes).into_response())
}
