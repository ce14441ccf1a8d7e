//! The benches are targets of their own; see the `[[bench]]` entries of the manifest.
