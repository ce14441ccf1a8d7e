//! Whole-program tests of Codex Router live in `router/`; the fake OpenAI they use in `support/`.
