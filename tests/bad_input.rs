//! Bad input of every kind that the contracts name: the error or dead letter that a person reads,
//! and that nothing else has changed.

mod sandbox;

#[path = "bad_input/accepted.rs"]
mod accepted;
#[path = "bad_input/configuration.rs"]
mod configuration;
#[path = "bad_input/letters.rs"]
mod letters;
#[path = "bad_input/records.rs"]
mod records;
#[path = "bad_input/requests.rs"]
mod requests;
