//! The store on both engines: what was acknowledged is there, and nothing else.

use crate::support::databases::{for_each_database, for_each_engine, sqlite};
use yinxin::{
    base::Timestamp,
    store::{FromRow, OpenError, Row, Statement, Store, StoreConfig, StoreError, Value},
};

const TABLE: Statement = Statement::split(
    "test.table",
    "CREATE TABLE thing (id TEXT PRIMARY KEY, size INTEGER, body BLOB, good INTEGER, at_ms INTEGER) STRICT",
    "CREATE TABLE thing (id TEXT PRIMARY KEY, size BIGINT, body BYTEA, good BOOLEAN, at_ms BIGINT)",
);
const ADD: Statement = Statement::portable(
    "test.add",
    "INSERT INTO thing (id, size, body, good, at_ms) VALUES ($1, $2, $3, $4, $5)",
);
const ALL: Statement =
    Statement::portable("test.all", "SELECT id, size, body, good, at_ms FROM thing ORDER BY id");
const IDS: Statement = Statement::portable("test.ids", "SELECT id FROM thing ORDER BY id");

#[derive(Debug, PartialEq)]
struct Thing {
    id: String,
    size: Option<i64>,
    body: Option<Vec<u8>>,
    good: bool,
    at: Option<Timestamp>,
}

impl FromRow for Thing {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.text(0)?,
            size: row.opt_int(1)?,
            body: row.opt_bytes(2)?,
            good: row.bool(3)?,
            at: row.opt_timestamp(4)?,
        })
    }
}

async fn table(store: &Store) {
    store.write(async |tx| tx.execute(&TABLE, &[]).await).await.unwrap();
}

async fn add(store: &Store, id: &str) -> Result<u64, StoreError> {
    store
        .write(async |tx| {
            tx.execute(&ADD, &[id.into(), 1i64.into(), Value::Bytes(None), true.into(), Value::Int(None)])
                .await
        })
        .await
}

async fn ids(store: &Store) -> Vec<String> {
    store.read(async |rx| rx.all(&IDS, &[]).await).await.unwrap()
}

#[tokio::test]
async fn values_of_every_kind_come_back() {
    for_each_engine(async |store| {
        table(&store).await;
        let at = Timestamp::from_ms(-1);
        store
            .write(async |tx| {
                tx.execute(
                    &ADD,
                    &["章".into(), i64::MIN.into(), (&[0u8, 255]).into(), true.into(), at.into()],
                )
                .await?;
                let nothing =
                    [Value::from("b"), Value::Int(None), Value::Bytes(None), false.into(), Value::Int(None)];
                tx.execute(&ADD, &nothing).await
            })
            .await
            .unwrap();
        let found: Vec<Thing> = store.read(async |rx| rx.all(&ALL, &[]).await).await.unwrap();
        let full = Thing {
            id: "章".into(),
            size: Some(i64::MIN),
            body: Some(vec![0, 255]),
            good: true,
            at: Some(at),
        };
        let bare = Thing { id: "b".into(), size: None, body: None, good: false, at: None };
        assert_eq!(found, [bare, full]);
    })
    .await;
}

/// Compiles only where the future of a write can travel between threads, also through a borrowed service.
#[tokio::test]
async fn a_write_can_be_spawned_and_borrow_from_its_caller() {
    struct Service {
        store: Store,
    }
    impl Service {
        async fn add(&self, id: &str) -> Result<u64, StoreError> {
            let id = id.to_owned();
            self.store
                .write(async |tx| {
                    let before: Option<String> = tx.optional(&IDS, &[]).await?;
                    record(tx, &id, before.is_none()).await
                })
                .await
        }
    }
    async fn record(tx: &mut yinxin::store::Tx, id: &str, good: bool) -> Result<u64, StoreError> {
        tx.execute(&ADD, &[id.into(), 1i64.into(), Value::Bytes(None), good.into(), Value::Int(None)]).await
    }
    async fn handler(
        axum::extract::State(service): axum::extract::State<std::sync::Arc<Service>>,
    ) -> Result<(), axum::http::StatusCode> {
        service.add("from-axum").await.map(drop).map_err(|_| axum::http::StatusCode::CONFLICT)
    }
    for_each_engine(async |store| {
        table(&store).await;
        let service = std::sync::Arc::new(Service { store: store.clone() });
        let spawned = service.clone();
        tokio::spawn(async move { spawned.add("spawned").await }).await.unwrap().unwrap();
        let app: axum::Router =
            axum::Router::new().route("/", axum::routing::get(handler)).with_state(service);
        let request = axum::http::Request::get("/").body(axum::body::Body::empty()).unwrap();
        assert!(tower::ServiceExt::oneshot(app, request).await.unwrap().status().is_success());
        assert_eq!(ids(&store).await, ["from-axum", "spawned"]);
    })
    .await;
}
