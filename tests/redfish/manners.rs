//! Politeness, over real sockets and in real time.
