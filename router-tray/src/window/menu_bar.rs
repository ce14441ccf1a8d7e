//! The menu bar of macOS while the window is in front: without its entries, no shortcut copies or
//! pastes in a web view.

use tray_icon::menu::{Menu, PredefinedMenuItem as Predefined, Submenu};

/// The menu bar, as long as it is not dropped.
pub(crate) struct MenuBar {
    _menu: Menu,
}

impl MenuBar {
    /// Shows it, if the system can.
    pub(crate) fn show() -> Option<Self> {
        let menu = menu().ok()?;
        menu.init_for_nsapp();
        Some(Self { _menu: menu })
    }
}

/// The system names the entries in the language of the person.
fn menu() -> tray_icon::menu::Result<Menu> {
    let program = Submenu::with_items(
        "Codex Router",
        true,
        &[
            &Predefined::hide(None),
            &Predefined::hide_others(None),
            &Predefined::separator(),
            // Of the window: the server is another program, and the icon has an entry that ends that.
            &Predefined::quit(None),
        ],
    )?;
    let edit = Submenu::with_items(
        "Edit",
        true,
        &[
            &Predefined::undo(None),
            &Predefined::redo(None),
            &Predefined::separator(),
            &Predefined::cut(None),
            &Predefined::copy(None),
            &Predefined::paste(None),
            &Predefined::select_all(None),
        ],
    )?;
    let window = Submenu::with_items(
        "Window",
        true,
        &[&Predefined::minimize(None), &Predefined::close_window(None)],
    )?;
    Menu::with_items(&[&program, &edit, &window])
}
