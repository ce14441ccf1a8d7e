use tao::{event_loop::EventLoopWindowTarget, window::WindowId};

use super::{Link, Place};
use crate::desktop::Event;

/// No window in this build: the browser is opened instead.
#[derive(Debug, Default)]
pub(crate) struct Window;

#[expect(clippy::unused_self, reason = "as where there is a window")]
impl Window {
    pub(crate) fn bring_to_front(&self, _place: Place) -> bool {
        false
    }

    pub(crate) fn follow(&self, _place: Place, _link: &Link) -> bool {
        false
    }

    pub(crate) fn show(&mut self, _target: &EventLoopWindowTarget<Event>, _link: &Link) -> bool {
        false
    }

    pub(crate) fn is(&self, _window: WindowId) -> bool {
        false
    }

    pub(crate) fn close(&mut self) -> bool {
        false
    }
}
