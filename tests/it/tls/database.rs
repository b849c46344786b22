//! PostgreSQL over TLS: a real server, asked by the real program.

use crate::support::{
    certificates::Authority,
    process::{Place, Said},
    secured::Secured,
};
use sqlx::{Connection as _, PgConnection, Row as _, query};
use std::{fs, os::unix::fs::PermissionsExt as _};

/// A configuration that names this database; its address stands in a file, as with a password.
fn configured(place: &Place, url: &str) -> String {
    let (secret, file) = (place.file("database-url"), place.file("yinxin.toml"));
    fs::write(&secret, url).unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    let toml =
        format!("[listen]\naddress = '127.0.0.1:0'\n[database]\nurl_file = '{secret}'\nschema = 'yinxin'\n");
    fs::write(&file, &toml).unwrap();
    toml
}

fn tried(place: &Place, url: &str) -> Said {
    configured(place, url);
    place.run(["init", "--config", &place.file("yinxin.toml")])
}

/// Sessions of the daemon: with TLS, without.
async fn sessions(server: &Secured) -> (i64, i64) {
    let mut conn = PgConnection::connect(&server.here()).await.unwrap();
    let sql = "SELECT COUNT(*) FILTER (WHERE ssl), COUNT(*) FILTER (WHERE NOT ssl) FROM pg_stat_ssl \
               JOIN pg_stat_activity USING (pid) WHERE application_name = 'yinxin'";
    let row = query(sql).fetch_one(&mut conn).await.unwrap();
    conn.close().await.unwrap();
    (row.get(0), row.get(1))
}

#[tokio::test]
async fn a_daemon_keeps_all_its_data_on_a_server_that_proves_who_it_is() {
    let Some(authority) = Authority::new() else { return };
    let Some(server) = Secured::start(&authority, &authority.server("server")).await else { return };
    let place = Place::empty();
    let ca = authority.certificate().display().to_string();
    let url = server.url("yinxin", &format!("sslmode=verify-full&sslrootcert={ca}"));
    assert_eq!(tried(&place, &url).code, 0);
    let checked = place.run(["config", "check", "--config", &place.file("yinxin.toml")]);
    assert!(checked.code == 0 && !checked.out.contains("weak"), "{checked:?}");
    let daemon = place.serve_as(&configured(&place, &url));
    let ready = asked(&daemon.address, "/readyz");
    assert!(ready.starts_with("HTTP/1.1 200"), "{ready}");
    let (with, without) = sessions(&server).await;
    assert!(with > 0 && without == 0, "{with} with TLS, {without} without");
    let said = place.good(["audit", "list", "--key-file", &place.key("auditor")]);
    assert!(!said.is_empty());
}

/// In its sandbox too, which `init` has not.
#[tokio::test]
async fn a_daemon_believes_the_authorities_of_its_machine_where_its_address_names_none() {
    let Some(authority) = Authority::new() else { return };
    let Some(server) = Secured::start(&authority, &authority.server("server")).await else { return };
    let mut place = Place::empty();
    place.set("SSL_CERT_FILE", &authority.certificate().display().to_string());
    place.set("SSL_CERT_DIR", "/no/such/list");
    let url = server.url("yinxin", "sslmode=verify-full");
    assert_eq!(tried(&place, &url).code, 0);
    let daemon = place.serve_as(&configured(&place, &url));
    let ready = asked(&daemon.address, "/readyz");
    assert!(ready.starts_with("HTTP/1.1 200"), "{ready}");
    // As in an image from scratch.
    ["SSL_CERT_FILE", "SSL_CERT_DIR"].map(|variable| place.set(variable, "/no/such/list"));
    let checked = place.run(["config", "check", "--config", &place.file("yinxin.toml")]);
    assert!(checked.code == 78 && checked.out.contains("sslrootcert"), "{checked:?}");
}

#[tokio::test]
async fn a_server_that_can_t_prove_who_it_is_is_refused_with_a_word() {
    let Some(authority) = Authority::new() else { return };
    let elsewhere = authority.named("server", "DNS:elsewhere.example");
    let Some(server) = Secured::start(&authority, &elsewhere).await else { return };
    let stranger = Authority::new().unwrap();
    let other = stranger.certificate().display().to_string();
    let ca = authority.certificate().display().to_string();
    let place = Place::empty();
    for (parameters, words) in [
        (format!("sslmode=verify-full&sslrootcert={ca}"), "is for another name"),
        (format!("sslmode=verify-full&sslrootcert={other}"), "from no authority"),
        (
            format!("sslmode=verify-ca&sslrootcert={}", authority.at("server.pem").display()),
            "from no authority",
        ),
        ("sslmode=verify-full".into(), "from no authority"),
        ("sslmode=verify-full&sslrootcert=/no/such/file".into(), "sslrootcert"),
        ("sslmode=disable".into(), "no pg_hba.conf entry"),
    ] {
        let said = tried(&place, &server.url("yinxin", &parameters));
        assert_eq!(said.code, 1, "{parameters}: {said:?}");
        assert!(said.err.contains(words), "{parameters}: {said:?}");
    }
    // Of those that look weak, the check says so.
    for mode in ["verify-ca", "require", "prefer", "disable"] {
        configured(&place, &format!("postgres://yinxin@db.example/x?sslmode={mode}"));
        let checked = place.run(["config", "check", "--config", &place.file("yinxin.toml")]);
        assert!(checked.code == 0 && checked.out.contains("sslmode=verify-full"), "{mode}: {checked:?}");
    }
}

/// The daemon proves who it is by a certificate: no password anywhere.
#[tokio::test]
async fn the_daemon_s_own_certificate_stands_in_for_a_password() {
    let Some(authority) = Authority::new() else { return };
    let Some(server) = Secured::start(&authority, &authority.server("server")).await else { return };
    let ca = authority.certificate().display().to_string();
    let (own, other) = (authority.server("certified"), authority.server("somebody"));
    let with = |pair: &crate::support::certificates::Pair| {
        let (certificate, key) = (pair.certificate.display(), pair.key.display());
        server.url(
            "certified",
            &format!("sslmode=verify-full&sslrootcert={ca}&sslcert={certificate}&sslkey={key}"),
        )
    };
    PgConnection::connect(&with(&own)).await.unwrap().close().await.unwrap();
    assert!(PgConnection::connect(&with(&other)).await.is_err(), "another name than the role's");
    let place = Place::empty();
    let none = tried(&place, &server.url("certified", &format!("sslmode=verify-full&sslrootcert={ca}")));
    assert!(none.code == 1 && none.err.contains("certificate"), "{none:?}");
    fs::set_permissions(&own.key, fs::Permissions::from_mode(0o644)).unwrap();
    configured(&place, &with(&own));
    let checked = place.run(["config", "check", "--config", &place.file("yinxin.toml")]);
    assert!(checked.code == 78 && checked.out.contains("mode 0644"), "{checked:?}");
}

fn asked(address: &str, path: &str) -> String {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
