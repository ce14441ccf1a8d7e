//! Who may use the control API: whoever can read the token's file, or was given a link by somebody
//! who can.
//!
//! A cookie alone opens nothing. Browsers send the cookies of `127.0.0.1` to every port of it, so
//! any program that serves a page there would learn it; the page key lies in a storage that belongs
//! to our port, and travels in a header that no foreign page can send.

use std::{
    collections::VecDeque,
    io,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use codex_profiles::audit::Actor;
use http::{HeaderMap, HeaderName, header};
use tokio::time::Instant;

use super::secret::{Digest, Secret};

/// The page key of a request.
pub(super) const PAGE_KEY: HeaderName = HeaderName::from_static("x-codex-router-page");
/// The cookie's name.
pub(super) const COOKIE: &str = "codex_router";

/// How long a link is good for.
const LINK_LIFETIME: Duration = Duration::from_mins(5);
/// How many links, sessions, and keys of one session there are; the oldest make room.
const MAX_OPEN: usize = 16;

/// The secrets that open the control API, by their digests.
#[derive(Debug, Default)]
pub(super) struct Access {
    doors: Mutex<Doors>,
}

#[derive(Debug, Default)]
struct Doors {
    token: Option<Digest>,
    links: VecDeque<Link>,
    sessions: VecDeque<Session>,
}

#[derive(Debug)]
struct Link {
    secret: Digest,
    until: Instant,
}

/// One browser.
#[derive(Debug)]
struct Session {
    cookie: Digest,
    page_keys: VecDeque<Digest>,
}

/// What a link was good for.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) cookie: Secret,
    pub(super) page_key: Secret,
}

impl Access {
    /// The control token from now on; the one before it opens nothing any more.
    pub(super) fn set_token(&self, token: &Secret) {
        self.doors().token = Some(token.digest());
    }

    /// Whether this is the control token.
    pub(super) fn is_token(&self, text: &str) -> bool {
        self.doors().token.is_some_and(|token| token.is_of(text))
    }

    /// A secret that opens one session, once.
    pub(super) fn new_link(&self) -> io::Result<Secret> {
        let secret = Secret::random()?;
        let link = Link {
            secret: secret.digest(),
            until: Instant::now() + LINK_LIFETIME,
        };
        push(&mut self.doors().links, link);
        Ok(secret)
    }

    /// Spends a link. A browser that has a session keeps it, so that pages that are open go on.
    /// `None` for a link that is not good, or no longer.
    pub(super) fn open(&self, link: &str, headers: &HeaderMap) -> io::Result<Option<Opened>> {
        let (cookie, page_key) = (Secret::random()?, Secret::random()?);
        let mut doors = self.doors();
        if !doors.spend(link) {
            return Ok(None);
        }
        let known = cookies(headers).find(|given| doors.session(given).is_some());
        let cookie = known.map_or(cookie, Secret::of);
        doors.admit(&cookie, &page_key);
        Ok(Some(Opened { cookie, page_key }))
    }

    /// Who a request is from, if it may pass: by the control token, or by cookie and page key
    /// together.
    pub(super) fn admits(&self, headers: &HeaderMap) -> Option<Actor> {
        if headers.contains_key(header::AUTHORIZATION) {
            let token = bearer(headers).filter(|token| self.is_token(token));
            return token.map(|_| Actor::Command);
        }
        let page_key = headers.get(PAGE_KEY)?.to_str().ok()?;
        let mut doors = self.doors();
        let session = cookies(headers).any(|cookie| {
            let session = doors.session(cookie);
            session.is_some_and(|session| session.page_keys.iter().any(|key| key.is_of(page_key)))
        });
        session.then_some(Actor::Page)
    }

    fn doors(&self) -> MutexGuard<'_, Doors> {
        // What is inside is whole at every moment.
        self.doors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Doors {
    /// Whether there was such a link; there is none afterwards.
    fn spend(&mut self, link: &str) -> bool {
        let now = Instant::now();
        self.links.retain(|link| link.until > now);
        let before = self.links.len();
        self.links.retain(|open| !open.secret.is_of(link));
        self.links.len() < before
    }

    fn session(&mut self, cookie: &str) -> Option<&mut Session> {
        let mut sessions = self.sessions.iter_mut();
        sessions.find(|session| session.cookie.is_of(cookie))
    }

    fn admit(&mut self, cookie: &Secret, page_key: &Secret) {
        match self.session(cookie.expose()) {
            Some(session) => push(&mut session.page_keys, page_key.digest()),
            None => push(
                &mut self.sessions,
                Session {
                    cookie: cookie.digest(),
                    page_keys: VecDeque::from([page_key.digest()]),
                },
            ),
        }
    }
}

fn push<T>(queue: &mut VecDeque<T>, item: T) {
    if queue.len() >= MAX_OPEN {
        queue.pop_front();
    }
    queue.push_back(item);
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim())
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let fields = headers.get_all(header::COOKIE).iter();
    fields
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter_map(|(name, value)| (name == COOKIE).then_some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(HeaderName, &str)]) -> HeaderMap {
        let fields = fields.iter().cloned();
        fields
            .map(|(name, value)| (name, value.parse().unwrap()))
            .collect()
    }

    fn of_page(cookie: &str, page_key: &str) -> HeaderMap {
        let cookie = format!("other=1; {COOKIE}={cookie}");
        headers(&[(header::COOKIE, &cookie), (PAGE_KEY, page_key)])
    }

    fn opened(access: &Access, headers: &HeaderMap) -> Opened {
        let link = access.new_link().unwrap();
        access.open(link.expose(), headers).unwrap().unwrap()
    }

    #[test]
    fn the_token_alone_opens_and_nothing_like_it_does() {
        let access = Access::default();
        let token = Secret::random().unwrap();
        let bearer = |text: &str| headers(&[(header::AUTHORIZATION, &format!("Bearer {text}"))]);
        assert!(access.admits(&bearer(token.expose())).is_none(), "not yet");
        access.set_token(&token);
        assert!(access.admits(&bearer(token.expose())).is_some());
        let other = Secret::random().unwrap();
        for wrong in ["", "x", other.expose(), &token.expose()[1..]] {
            assert!(access.admits(&bearer(wrong)).is_none());
        }
        let basic = format!("Basic {}", token.expose());
        assert!(
            access
                .admits(&headers(&[(header::AUTHORIZATION, &basic)]))
                .is_none()
        );
        assert!(access.admits(&HeaderMap::new()).is_none());
    }

    #[test]
    fn cookie_and_page_key_open_together_alone_neither_does() {
        let access = Access::default();
        let mine = opened(&access, &HeaderMap::new());
        let other = opened(&access, &HeaderMap::new());
        let (cookie, key) = (mine.cookie.expose(), mine.page_key.expose());
        assert!(access.admits(&of_page(cookie, key)).is_some());
        for (cookie, key) in [
            (cookie, ""),
            (cookie, "x"),
            ("", key),
            ("x", key),
            (cookie, other.page_key.expose()),
            (key, cookie),
        ] {
            assert!(access.admits(&of_page(cookie, key)).is_none());
        }
    }

    #[test]
    fn a_link_works_once() {
        let access = Access::default();
        let link = access.new_link().unwrap();
        let open = || access.open(link.expose(), &HeaderMap::new()).unwrap();
        assert!(open().is_some());
        assert!(open().is_none());
        assert!(access.open("", &HeaderMap::new()).unwrap().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_link_is_good_for_five_minutes() {
        let access = Access::default();
        let (early, late) = (access.new_link().unwrap(), access.new_link().unwrap());
        let open = |link: &Secret| access.open(link.expose(), &HeaderMap::new()).unwrap();
        tokio::time::advance(Duration::from_secs(5 * 60 - 1)).await;
        assert!(open(&early).is_some());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(open(&late).is_none());
    }

    #[test]
    fn links_and_sessions_are_bounded_and_the_oldest_make_room() {
        let access = Access::default();
        let links: Vec<_> = (0..=MAX_OPEN).map(|_| access.new_link().unwrap()).collect();
        let open = |link: &Secret| access.open(link.expose(), &HeaderMap::new()).unwrap();
        assert!(open(&links[0]).is_none());
        let first = open(&links[1]).unwrap();
        for _ in 0..MAX_OPEN {
            opened(&access, &HeaderMap::new());
        }
        assert!(
            access
                .admits(&of_page(first.cookie.expose(), first.page_key.expose()))
                .is_none()
        );
    }

    #[test]
    fn a_second_link_in_the_same_browser_ends_no_page_that_is_open() {
        let access = Access::default();
        let first = opened(&access, &HeaderMap::new());
        let cookie = first.cookie.expose();
        let second = opened(&access, &of_page(cookie, ""));
        assert_eq!(second.cookie.expose(), cookie);
        for key in [first.page_key, second.page_key] {
            assert!(access.admits(&of_page(cookie, key.expose())).is_some());
        }
    }

    #[test]
    fn nothing_of_it_can_print() {
        let access = Access::default();
        let token = Secret::random().unwrap();
        access.set_token(&token);
        let link = access.new_link().unwrap();
        let debug = format!("{access:?} {token:?} {link:?}");
        assert!(!debug.contains(token.expose()) && !debug.contains(link.expose()));
    }
}
