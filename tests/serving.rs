//! What a caller may rely on: health, reflection, sessions, filters, reload, draining.

mod sandbox;

#[path = "serving/batches.rs"]
mod batches;
#[path = "serving/browsers.rs"]
mod browsers;
#[path = "serving/compare.rs"]
mod compare;
#[path = "serving/connect.rs"]
mod connect;
#[path = "serving/explanations.rs"]
mod explanations;
#[path = "serving/explore.rs"]
mod explore;
#[path = "serving/forest.rs"]
mod forest;
#[path = "serving/hostile_messages.rs"]
mod hostile_messages;
#[path = "serving/items.rs"]
mod items;
#[path = "serving/lifecycle.rs"]
mod lifecycle;
#[path = "serving/lists.rs"]
mod lists;
#[path = "serving/models.rs"]
mod models;
#[path = "serving/operator.rs"]
mod operator;
#[path = "serving/overload.rs"]
mod overload;
#[path = "serving/resets.rs"]
mod resets;
#[path = "serving/seen.rs"]
mod seen;
#[path = "serving/telemetry.rs"]
mod telemetry;
