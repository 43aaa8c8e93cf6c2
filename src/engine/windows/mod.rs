//! Windows over event time: [`sliding`] says what covers what, [`panes`] keeps counts that it slides over.

pub mod panes;
pub mod sliding;
