//! Drawing pages from embedded templates. Everything that is put into one is escaped; `t('key')` says a sentence.

use super::{Locale, statics};
use crate::http::Problem;
use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, context,
    value::{Serde, Value},
};
use serde::Serialize;
use std::sync::LazyLock;

/// A page that can be drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Template {
    /// A problem met on a page.
    Problem,
    /// One code of the catalogue.
    Code,
    /// All codes.
    Codes,
    /// Where a file is dropped.
    Verify,
    /// The verdict over a file.
    Verdict,
}

const SOURCES: &[(&str, &str)] = &[
    ("base.html", include_str!("templates/base.html")),
    ("problem.html", include_str!("templates/problem.html")),
    ("code.html", include_str!("templates/code.html")),
    ("codes.html", include_str!("templates/codes.html")),
    ("verify.html", include_str!("templates/verify.html")),
    ("verdict.html", include_str!("templates/verdict.html")),
];

impl Template {
    const fn file(self) -> &'static str {
        match self {
            Self::Problem => "problem.html",
            Self::Code => "code.html",
            Self::Codes => "codes.html",
            Self::Verify => "verify.html",
            Self::Verdict => "verdict.html",
        }
    }
}

static ENVIRONMENT: LazyLock<Result<Environment<'static>, Error>> = LazyLock::new(environment);

fn environment() -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    // A misspelt name is an error, not an empty place on a page that people trust.
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_recursion_limit(64);
    environment.add_function("say", |locale: &str, key: &str| {
        let said = Locale::of(locale == Locale::English.tag()).say(key);
        said.ok_or_else(|| Error::new(ErrorKind::InvalidOperation, format!("no sentence `{key}`")))
    });
    // Our own path, made of a digest: nothing in it needs escaping.
    environment.add_global("stylesheet", Value::from_safe_string(statics::stylesheet_path()));
    for (name, source) in SOURCES {
        environment.add_template(name, source)?;
    }
    Ok(environment)
}

/// Draws a page. The template sees `page` (what is given here), `lang`, and the path of the stylesheet.
pub fn page(locale: Locale, template: Template, content: impl Serialize) -> Response {
    match draw(locale, template, content) {
        Ok(html) => {
            let mut response = Response::new(Body::from(html));
            let kind = HeaderValue::from_static("text/html; charset=utf-8");
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
            let language = HeaderValue::from_static(locale.tag());
            response.headers_mut().insert(header::CONTENT_LANGUAGE, language);
            response
        }
        Err(error) => {
            tracing::error!(name: "web.page_not_drawn", %error, file = template.file(), "a page could not be drawn");
            Problem::internal().into_response()
        }
    }
}

fn draw(locale: Locale, template: Template, content: impl Serialize) -> Result<String, Error> {
    let environment = ENVIRONMENT.as_ref().map_err(|error| Error::new(error.kind(), error.to_string()))?;
    environment
        .get_template(template.file())?
        .render(context! { lang => locale.tag(), page => Value::from(Serde(content)) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_put_into_a_page_is_escaped() {
        let nasty = json!({ "title": "<script>alert(1)</script>", "status": 400, "code": "\"><img src=x>", "detail": "&",
            "hint": "'", "request": "req_1" });
        let html = draw(Locale::Chinese, Template::Problem, nasty).expect("a page");
        assert!(!html.contains("<script") && !html.contains("<img"), "{html}");
        assert!(html.contains("&lt;script&gt;"));
    }

    #[test]
    fn a_page_that_lacks_a_value_is_not_drawn() {
        assert!(draw(Locale::English, Template::Problem, json!({ "title": "only" })).is_err());
    }
}
