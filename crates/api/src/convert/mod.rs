//! The only place where Docker's JSON and the model meet.
