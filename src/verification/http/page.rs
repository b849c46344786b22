//! The page where a person drops a file and reads the verdict. Works without JavaScript: browsers let files be dropped on
//! the field itself.

use super::{
    super::service::{Verifications, Verify},
    view,
};
use crate::{
    http::{Access, Arrival, Gives, Operation, Problem, Route, Shape, Takes, shape::object, upload::Upload},
    officer::Caller,
    web::{Locale, Template, page},
};
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use serde_json::json;
use yinxin_pki::report::Profile;

static FORM: Shape = Shape { name: "VerifyForm", json: || object(&[], &[]), parts: &[] };

pub(super) fn routes(verifications: &Verifications) -> Vec<Route> {
    let settings = verifications.settings();
    let html = Gives::Bytes("text/html");
    let public = Access::Public { per_minute: Some(settings.per_minute) };
    vec![
        Operation::get(Access::PUBLIC, "/verify", "showVerify", "Where people verify a document")
            .page()
            .gives(200, html)
            .handled_by(verifications.clone(), show),
        Operation::post(public, "/verify", "verifyOnPage", "The verdict, for people")
            .page()
            .body(Takes::Multipart(&FORM), settings.max_bytes)
            .gives(200, html)
            .heavy()
            .handled_by(verifications.clone(), verify),
    ]
}

async fn show(State(verifications): State<Verifications>, arrival: Arrival) -> Response {
    form(&verifications, &arrival, false)
}

async fn verify(
    State(verifications): State<Verifications>,
    caller: Caller,
    arrival: Arrival,
    mut upload: Upload,
) -> Result<Response, Problem> {
    upload.only(&["file"])?;
    let Ok(file) = upload.take_file("file") else {
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, form(&verifications, &arrival, true)).into_response());
    };
    let ask = Verify { document: file.bytes, at: None, profile: Profile::Gm };
    let report = verifications.verify(&caller, ask).await?;
    let locale = Locale::of(arrival.english);
    Ok(page(locale, Template::Verdict, view::of(&report, &file.name, locale)))
}

fn form(verifications: &Verifications, arrival: &Arrival, missing: bool) -> Response {
    let content = json!({ "limit_mb": verifications.settings().max_bytes >> 20, "missing": missing });
    page(Locale::of(arrival.english), Template::Verify, content)
}
