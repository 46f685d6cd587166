//! Where tasks go, by example and by property.

mod support;

mod batches;
mod enforcement;
mod examples;
mod properties;
