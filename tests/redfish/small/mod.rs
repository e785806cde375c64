//! Small machines of our own: what each real oddity does to what is seen, and what is made of it; and that whatever part of
//! a machine fails costs that part.

mod oddities;
mod parts_missing;
mod tree;
