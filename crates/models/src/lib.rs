//! Small models of the two protocols on which "nothing twice" rests, in which a model
//! checker visits every interleaving of what can happen.
//!
//! The one idea: a model is worth what it can find. So each rule of a protocol can be left
//! out ([`lease::Rule`], [`suspension::Rule`]), and the tests demand that the checker then
//! finds a way to break a promise; with all rules it must find none. The simulation runs
//! the real code with chance; this runs a sketch of it with everything.

pub mod lease;
pub mod suspension;
