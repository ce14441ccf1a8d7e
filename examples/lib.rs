//! Each example is a program of its own; see the `[[example]]` entries of the manifest.
