//! Windows over event time.

pub mod window;
