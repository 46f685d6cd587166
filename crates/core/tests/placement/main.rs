//! Where tasks go, by example and by property.

mod support;

mod examples;
mod properties;
