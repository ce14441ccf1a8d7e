//! What the page, the tray and the command line ask of a running router.

mod desktop;
mod handle;
mod view;

pub use desktop::Desktop;
pub use handle::Control;
pub use view::{AttachmentView, DesktopView, Language, Overview, RemovedProfile, Told};
