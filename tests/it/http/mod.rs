//! The front door: who may pass, what a repeated request does, what the network can do to it, what people see.

mod door;
mod idempotency;
mod limits;
mod network;
mod pages;
mod refusal;
mod table;
