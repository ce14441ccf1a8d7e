//! Files that other programs change at the same time: read, lock, replace.

pub mod atomic;
pub mod lock;
pub mod read;
pub(crate) mod stamp;

pub use read::ReadError;
