//! The kit for REST: problems, callers, limits, idempotency, and one table of routes from which the router, its
//! authorization and the OpenAPI document are made.

pub mod catalogue;
pub mod extract;
pub mod health;
pub mod hold;
pub mod idempotency;
pub mod limits;
pub mod openapi;
pub mod problem;
pub mod proxy;
pub mod rate;
pub mod request_id;
pub mod route;
pub mod serve;
pub mod shape;
pub mod upload;

mod admission;
mod body;
mod crowd;
mod door;
mod drain;
mod gate;
mod meter;
mod query;
mod stall;
mod table;
mod tls;

pub use door::{Arrival, ProblemPage, is_english};
pub use extract::{JsonBody, QueryOf};
pub use hold::{Held, Hold};
pub use idempotency::{Answer, IdempotencyKey, Once};
pub use limits::Limits;
pub use meter::{Meters, RouteMeter};
pub use problem::Problem;
pub use proxy::{ForwardedHeader, Proxies};
pub use route::{Access, Creates, Gives, Load, Operation, Param, Route, Takes};
pub use serve::{Entrance, Leaving, PeerAddress, Stop, Switch, serve_tcp, serve_unix};
pub use shape::Shape;
pub use table::{Kit, Table, TableError};
