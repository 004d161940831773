//! Sessions, parts, pods, hosts, jobs and reports: whole lives of them, on a
//! deterministic plane.

mod bookings;
mod boundaries;
mod catalogue;
mod cleanup;
mod crashes;
mod exam;
mod gates;
mod graded;
mod groups;
mod hosts;
mod kept;
mod life;
mod members;
mod nodes;
mod operators;
mod outages;
mod pipelines;
mod plane;
mod redeclared;
mod refused;
mod resumption;
mod steps;
mod times;
mod together;
mod unheard;
mod waits;
