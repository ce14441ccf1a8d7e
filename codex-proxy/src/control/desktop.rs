use std::io;

use super::DesktopView;

/// The desktop around a server, as far as the page may ask something of it.
pub trait Desktop: Send + Sync + 'static {
    /// What it can do, as things are now.
    fn view(&self) -> DesktopView;

    /// Brings the window to the front, made anew if need be. Returns at once.
    fn show_window(&self);

    /// Starts the program whenever the person logs in, or no longer. May block for a moment.
    ///
    /// # Errors
    /// Those of the place where the system keeps such things.
    fn set_starts_at_login(&self, starts: bool) -> io::Result<()>;
}
