//! The calendar against an oracle that counts tick by tick, and its words.

mod batches;
mod messages;
mod one_host;
mod oracle;
mod thousand;
