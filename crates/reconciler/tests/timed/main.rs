//! Sessions, parts, pods, hosts, jobs and reports: whole lives of them, on a
//! deterministic plane.

mod bookings;
mod crashes;
mod exam;
mod gates;
mod hosts;
mod kept;
mod life;
mod nodes;
mod operators;
mod plane;
mod refused;
mod times;
