//! What a panic tells: where it was, and no more than what stands in the program itself.

use std::{
    any::Any,
    backtrace::{Backtrace, BacktraceStatus},
    panic,
};

/// A message that was put together at run time may hold what it was about, such as a token that
/// could not be parsed.
const WITHHELD: &str = "(its message may hold secrets; the place says which one it was)";

/// Logs panics as errors, in place of printing their messages.
pub(super) fn log_them() {
    panic::set_hook(Box::new(|info| {
        let backtrace = Backtrace::capture();
        let captured = backtrace.status() == BacktraceStatus::Captured;
        tracing::error!(
            place = info.location().map(tracing::field::display),
            backtrace = captured.then(|| tracing::field::display(&backtrace)),
            "a panic: {}",
            message_of(info.payload())
        );
    }));
}

/// The literal that a panic was given. One with anything filled in comes as a `String`; a `&'static
/// str` that is none of the program's own could only be one that was leaked on purpose.
fn message_of(payload: &(dyn Any + Send)) -> &'static str {
    payload.downcast_ref::<&'static str>().unwrap_or(&WITHHELD)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(panicking: impl FnOnce() + panic::UnwindSafe) -> &'static str {
        let payload = panic::catch_unwind(panicking).unwrap_err();
        message_of(&*payload)
    }

    #[test]
    #[expect(
        clippy::unnecessary_literal_unwrap,
        reason = "how it panics is what is tested"
    )]
    fn only_what_stands_in_the_program_is_told_of_a_panic() {
        let secret = std::hint::black_box("sk-planted");
        assert_eq!(told(|| panic!("a literal")), "a literal");
        assert_eq!(told(move || panic!("not {secret}")), WITHHELD);
        assert_eq!(told(move || panic!("{secret}")), WITHHELD);
        assert_eq!(told(move || Err::<(), _>(secret).expect("a key")), WITHHELD);
        assert_eq!(told(move || panic::panic_any(secret.to_owned())), WITHHELD);
        assert_eq!(
            told(move || assert_eq!(secret, "another", "are they")),
            WITHHELD
        );
        let nothing: Option<()> = std::hint::black_box(None);
        assert!([WITHHELD, "there is one"].contains(&told(move || nothing.expect("there is one"))));
    }
}
