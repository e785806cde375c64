//! Worlds with machines that nobody declares, and what is adopted of them.

mod columns;
mod laws;
mod new;
mod replaced;
mod world;
