//! Politeness towards BMCs as a pure scheduler: who may be asked now, who must wait, who is given up.
//!
//! It knows plain numbers only: no socket, no clock.
