//! Pages on problems: the one that was just met, and one for every code of the catalogue.

use super::{Locale, Template, page};
use crate::http::{
    Access, Arrival, Gives, Operation, Problem, Route,
    catalogue::{self, Kind},
};
use axum::{extract::Path, response::Response};
use serde_json::{Value, json};

/// Draws a problem that a person met: what the front door puts in place of JSON.
pub fn problem_page(problem: &Problem, arrival: &Arrival) -> Response {
    let locale = Locale::of(arrival.english);
    let mut content = spoken(problem.kind(), locale);
    content["detail"] = json!(problem.detail());
    content["request"] = json!(arrival.request);
    page(locale, Template::Problem, content)
}

pub(super) fn routes() -> Vec<Route> {
    let html = Gives::Bytes("text/html");
    vec![
        Operation::get(Access::PUBLIC, "/problems", "showProblems", "All error codes")
            .page()
            .gives(200, html)
            .handled_by((), all),
        Operation::get(Access::PUBLIC, "/problems/{code}", "showProblem", "One error code, without a room")
            .page()
            .gives(200, html)
            .handled_by((), one),
        Operation::get(Access::PUBLIC, "/problems/{room}/{code}", "showProblemOfRoom", "One error code")
            .page()
            .gives(200, html)
            .handled_by((), one_of_room),
    ]
}

async fn all(arrival: Arrival) -> Response {
    let locale = Locale::of(arrival.english);
    let group = |group: &catalogue::Group| {
        let title = match locale {
            Locale::Chinese => group.title_zh,
            Locale::English => group.title_en,
        };
        let kinds = catalogue::all().filter(|kind| kind.group() == group.word);
        json!({ "word": group.word, "title": title, "codes": kinds.map(|kind| spoken(kind, locale)).collect::<Vec<_>>() })
    };
    page(
        locale,
        Template::Codes,
        json!({ "groups": catalogue::GROUPS.iter().map(group).collect::<Vec<_>>() }),
    )
}

async fn one(arrival: Arrival, Path(code): Path<String>) -> Result<Response, Problem> {
    show(&arrival, &code)
}

async fn one_of_room(
    arrival: Arrival,
    Path((room, code)): Path<(String, String)>,
) -> Result<Response, Problem> {
    show(&arrival, &format!("{room}/{code}"))
}

fn show(arrival: &Arrival, code: &str) -> Result<Response, Problem> {
    let kind = catalogue::find(code)
        .ok_or_else(|| Problem::new("request/unknown-path", "the catalogue has no such code"))?;
    let locale = Locale::of(arrival.english);
    Ok(page(locale, Template::Code, spoken(kind, locale)))
}

fn spoken(kind: &Kind, locale: Locale) -> Value {
    let (title, hint) = match locale {
        Locale::Chinese => (kind.title_zh, kind.hint_zh),
        Locale::English => (kind.title_en, kind.hint_en),
    };
    json!({ "code": kind.code, "status": kind.status, "title": title, "hint": hint })
}
