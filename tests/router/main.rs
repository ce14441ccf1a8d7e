//! One module per promise.

#![cfg(test)]

mod command_line;
mod ending;
mod harness;
mod refreshing;
mod switching;
