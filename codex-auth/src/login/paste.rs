//! The address that a browser on another machine ended at, copied by a person.

use tokio::sync::mpsc;

use super::{
    callback::Arrival,
    pkce::State,
    redirect::{NotOurs, Redirect},
};

/// Takes what a person pastes, while the sign-in waits for the browser too. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PasteBox {
    pub(super) state: State,
    pub(super) arrivals: mpsc::Sender<Arrival>,
}

/// Why what was pasted is of no use; the sign-in goes on waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PasteError {
    /// Copy all of the address bar.
    #[error("that is not the whole address: copy all of it, from http to the end")]
    Incomplete,
    /// It is from an earlier sign-in, or from somebody else's.
    #[error(
        "that address belongs to another sign-in: open the address above, then copy the new one"
    )]
    OtherSignIn,
    /// The sign-in is over, or on its way with another answer.
    #[error("this sign-in has its answer already")]
    Ended,
}

impl PasteBox {
    /// Takes the address of the page that the browser ended at; its query alone, or `code#state`,
    /// will do. Checked at once; what becomes of it is for
    /// [`wait`](super::BrowserSignIn::wait) to say.
    ///
    /// # Errors
    /// A [`PasteError`]: ask again.
    pub fn submit(&self, text: &str) -> Result<(), PasteError> {
        let redirect =
            Redirect::read(&query_of(text), &self.state).map_err(|error| match error {
                NotOurs::ForeignState => PasteError::OtherSignIn,
                NotOurs::NoState | NotOurs::NoCode => PasteError::Incomplete,
            })?;
        let sent = self.arrivals.try_send(Arrival::Redirect(redirect));
        sent.map_err(|_| PasteError::Ended)
    }
}

/// The query in whatever form it was copied.
fn query_of(text: &str) -> String {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let text = text.trim_matches(['"', '\'', '`', '<', '>']);
    let is_query = ["code=", "error="].iter().any(|name| text.contains(name));
    if !is_query {
        return short_form(text);
    }
    let query = text.split_once('?').map_or(text, |(_, query)| query);
    let query = query.trim_start_matches('#');
    query.split('#').next().unwrap_or_default().to_owned()
}

/// `code#state`, as some pages show it.
fn short_form(text: &str) -> String {
    let (code, state) = text.split_once('#').unwrap_or((text, ""));
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("code", code).append_pair("state", state);
    query.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn paste_box() -> (PasteBox, mpsc::Receiver<Arrival>) {
        let (arrivals, receiver) = mpsc::channel(1);
        let state = State::random().unwrap();
        (PasteBox { state, arrivals }, receiver)
    }

    #[test]
    fn every_form_that_a_person_may_copy_is_understood() {
        for form in [
            "http://127.0.0.1:1455/auth/callback?code=ac_1&state=STATE",
            "http://127.0.0.1:1455/auth/callback?code=ac_1&scope=openid+profile&state=STATE",
            "http://localhost:1455/auth/callback?state=STATE&code=ac_1#",
            "  \"http://127.0.0.1:1455/auth/callback?code=ac_1&state=STATE\"\r\n",
            "<http://127.0.0.1:1457/auth/callback?code=ac_1 &state=STATE>",
            "?code=ac_1&state=STATE",
            "code=ac_1&state=STATE",
            "#code=ac_1&state=STATE",
            "ac_1#STATE",
        ] {
            let (paste, mut arrivals) = paste_box();
            let text = form.replace("STATE", paste.state.expose());
            assert_eq!(paste.submit(&text), Ok(()), "{form}");
            let Ok(Arrival::Redirect(Redirect::Code(code))) = arrivals.try_recv() else {
                panic!("no code from {form}");
            };
            assert_eq!(code.expose(), "ac_1", "{form}");
        }
    }

    #[test]
    fn what_is_of_no_use_says_what_to_do_and_ends_nothing() {
        let (paste, mut arrivals) = paste_box();
        for (text, problem) in [
            ("", PasteError::Incomplete),
            ("ac_1", PasteError::Incomplete),
            (
                "http://127.0.0.1:1455/auth/callback",
                PasteError::Incomplete,
            ),
            (
                "http://127.0.0.1:1455/auth/callback?code=ac_1",
                PasteError::Incomplete,
            ),
            ("ac_1#other", PasteError::OtherSignIn),
            ("?code=ac_1&state=other", PasteError::OtherSignIn),
        ] {
            assert_eq!(paste.submit(text), Err(problem), "{text}");
        }
        assert!(arrivals.try_recv().is_err());
    }

    #[test]
    fn the_second_paste_is_told_that_the_first_one_counts() {
        let (paste, arrivals) = paste_box();
        let text = format!("c#{}", paste.state.expose());
        assert_eq!(paste.submit(&text), Ok(()));
        assert_eq!(paste.submit(&text), Err(PasteError::Ended));
        drop(arrivals);
        assert_eq!(paste.submit(&text), Err(PasteError::Ended));
    }

    proptest! {
        #[test]
        fn no_text_is_taken_for_an_answer_or_makes_it_panic(text in ".{0,200}") {
            let (paste, _arrivals) = paste_box();
            prop_assert!(paste.submit(&text).is_err());
        }

        #[test]
        fn no_text_around_the_state_makes_it_panic(before in ".{0,60}", after in ".{0,60}") {
            let (paste, _arrivals) = paste_box();
            let text = format!("{before}{}{after}", paste.state.expose());
            let _ = paste.submit(&text);
        }
    }
}
