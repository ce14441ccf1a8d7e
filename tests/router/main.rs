//! One module per promise.

#![cfg(test)]

mod command_line;
mod harness;
mod switching;
