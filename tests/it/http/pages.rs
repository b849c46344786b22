//! Pages: two languages, protecting headers, nothing loaded from elsewhere.

use crate::support::front::{Answer, Front, request};
use axum::body::Body;
use yinxin::{
    http::{Limits, catalogue},
    officer::Role,
};

async fn see(front: &Front, path: &str) -> Answer {
    let browser = "text/html,application/xhtml+xml,*/*;q=0.8";
    front.send(request("GET", path, None).header("accept", browser).body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn every_code_has_a_page_in_both_languages() {
    let front = Front::scratch(Limits::default()).await;
    for kind in catalogue::all() {
        let zh = see(&front, &format!("/problems/{}", kind.code)).await;
        let en = see(&front, &format!("/problems/{}?lang=en", kind.code)).await;
        assert_eq!((zh.status, en.status), (200, 200), "{}", kind.code);
        assert!(zh.text().contains(kind.title_zh) && zh.text().contains("lang=\"zh-CN\""), "{}", kind.code);
        assert!(en.text().contains("<html lang=\"en\">"), "{}", kind.code);
        assert_eq!(en.headers["content-language"], "en");
        // What to do stands there, as `&` and quotes are written in HTML.
        let plain = |text: String| text.replace("&#x2f;", "/").replace("&#x27;", "'").replace("&quot;", "\"");
        let plain =
            |text: String| plain(text).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
        assert!(
            plain(zh.text()).contains(kind.hint_zh) && plain(en.text()).contains(kind.hint_en),
            "{}",
            kind.code
        );
    }
    let list = see(&front, "/problems").await.text().replace("&#x2f;", "/");
    assert!(catalogue::all().all(|kind| list.contains(&format!("/problems/{}", kind.code))));
    for group in catalogue::GROUPS {
        assert!(
            list.contains(&format!("<h2 id=\"{}\">{}</h2>", group.word, group.title_zh)),
            "{}",
            group.word
        );
    }
}

#[tokio::test]
async fn a_person_sees_a_page_where_a_program_reads_json() {
    let front = Front::scratch(Limits::default()).await;
    let page = see(&front, "/nothing-here").await;
    assert_eq!(
        (page.status, &page.headers["content-type"]),
        (404, &"text/html; charset=utf-8".parse().unwrap())
    );
    assert!(page.text().contains("没有此地址") && page.text().contains("req_"));
    assert_eq!(see(&front, "/problems/no/such").await.status, 404);
    assert_eq!(front.get("/nothing-here", None).await.problem(), "404 request/unknown-path");
    assert_eq!(see(&front, "/api/v1/me").await.problem(), "401 auth/required");
    assert_eq!(see(&front, "/%3Cscript%3E").await.text().matches("<script").count(), 0);
}

#[tokio::test]
async fn a_page_loads_one_stylesheet_of_ours_and_nothing_else() {
    let front = Front::scratch(Limits::default()).await;
    let page = see(&front, "/problems").await;
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(
        policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
        "{policy}"
    );
    assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{policy}");
    assert_eq!(page.headers["cache-control"], "no-store");
    let html = page.text();
    for forbidden in ["<script", "style=", "http://", "https://", "onclick"] {
        assert!(!html.contains(forbidden), "{forbidden}");
    }
    let sheet =
        html.split("rel=\"stylesheet\" href=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let style = see(&front, &sheet).await;
    assert_eq!(style.headers["content-type"], "text/css; charset=utf-8");
    assert!(style.headers["cache-control"].to_str().unwrap().contains("immutable"));
    assert!(style.text().contains(":focus-visible"));
    assert_eq!(see(&front, "/static/style.css").await.status, 404);
}

#[tokio::test]
async fn health_and_readiness_are_said_plainly() {
    let front = Front::scratch(Limits::default()).await;
    assert_eq!(front.get("/healthz", None).await.text(), "ok\n");
    assert_eq!(front.get("/readyz", None).await.text(), "ready\n");
    let key = front.person(Role::Viewer).key.clone();
    assert_eq!(front.get("/readyz", Some(&key)).await.status, 200);
}
