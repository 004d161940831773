//! The real program against a control plane of cardboard: what it sends, what it
//! prints, and which exit code it ends with.

mod converging;
mod errors;
mod examples;
mod following;
mod hostile;
mod installing;
mod instances;
mod logs;
mod objects;
mod program;
mod reading;
mod scenarios;
mod sending;
mod stub;
mod tenants;
mod timed;
mod world;
