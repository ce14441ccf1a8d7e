//! The icon in the panel and its menu, made equal to a [`Menu`] in place.

use router_tray::icon::{self, Health, Style};
use tray_icon::{
    Icon, TrayIcon, TrayIconBuilder,
    menu::{self, CheckMenuItem, IsMenuItem, MenuId, MenuItem, PredefinedMenuItem},
};

use super::menu::{Action, Entry, Menu, changed};

/// The name under which panels keep the place of the icon.
const NAME: &str = "codex-router";

/// The icon in the panel, as long as it is not dropped.
pub(crate) struct Tray {
    icon: TrayIcon,
    menu: menu::Menu,
    items: Vec<Item>,
    shown: Menu,
}

/// An entry in the words of the system.
enum Item {
    Separator(PredefinedMenuItem),
    Button(MenuItem),
    Check(CheckMenuItem),
}

impl Tray {
    /// Shows the icon with its menu.
    ///
    /// # Errors
    /// Those of the system, such as that there is no session bus.
    pub(crate) fn show(wanted: Menu) -> Result<Self, Box<dyn std::error::Error>> {
        let menu = menu::Menu::new();
        let builder = TrayIconBuilder::new()
            .with_id(NAME)
            .with_title("Codex Router")
            .with_tooltip(&wanted.tooltip)
            .with_autosave_name(NAME)
            // Where a left click opens the window, it opens nothing else; macOS knows no such click.
            .with_menu_on_left_click(cfg!(target_os = "macos"))
            .with_menu(Box::new(menu.clone()));
        let mut tray = Self {
            icon: with_icon(builder, wanted.health)?.build()?,
            menu,
            items: Vec::new(),
            shown: Menu {
                entries: Vec::new(),
                ..wanted.clone()
            },
        };
        tray.apply(wanted);
        Ok(tray)
    }

    /// Shows this; what stays as it is is not touched, so that an open menu stays open.
    pub(crate) fn apply(&mut self, wanted: Menu) {
        if wanted.health != self.shown.health {
            set_icon(&self.icon, wanted.health);
        }
        if wanted.tooltip != self.shown.tooltip {
            // Not every panel has a place for it.
            let _ = self.icon.set_tooltip(Some(&wanted.tooltip));
        }
        self.move_entries(&wanted.entries);
        for (item, entry) in self.items.iter().zip(&wanted.entries) {
            item.show(entry);
        }
        self.shown = wanted;
    }

    /// Every check mark as it is in truth: a click changes the mark that it hits by itself.
    pub(crate) fn restore_marks(&self) {
        for (item, entry) in self.items.iter().zip(&self.shown.entries) {
            item.show(entry);
        }
    }

    /// What a click on the entry of this name asks for.
    pub(crate) fn action(&self, id: &MenuId) -> Option<Action> {
        let mut actions = self.shown.entries.iter().filter_map(Entry::action);
        actions.find(|action| id == action.id().as_str()).cloned()
    }

    fn move_entries(&mut self, wanted: &[Entry]) {
        let (gone, come) = changed(&self.shown.entries, wanted);
        let at = gone.start;
        for _ in gone.clone() {
            self.menu.remove_at(at);
        }
        let new: Vec<_> = wanted[come].iter().map(Item::new).collect();
        for (index, item) in (at..).zip(&new) {
            if let Err(error) = self.menu.insert(item.as_entry(), index) {
                tracing::warn!(%error, "an entry of the menu cannot be shown");
            }
        }
        self.items.splice(gone, new);
    }
}

impl Item {
    fn new(entry: &Entry) -> Self {
        let id = entry.action().map(Action::id).unwrap_or_default();
        match entry {
            Entry::Separator => Self::Separator(PredefinedMenuItem::separator()),
            Entry::Text(text) => Self::Button(MenuItem::new(escaped(text), false, None)),
            Entry::Button { text, .. } => {
                Self::Button(MenuItem::with_id(id, escaped(text), true, None))
            }
            Entry::Check {
                text,
                checked,
                enabled,
                ..
            } => {
                let item = CheckMenuItem::with_id(id, escaped(text), *enabled, *checked, None);
                Self::Check(item)
            }
        }
    }

    fn as_entry(&self) -> &dyn IsMenuItem {
        match self {
            Self::Separator(item) => item,
            Self::Button(item) => item,
            Self::Check(item) => item,
        }
    }

    /// Makes it equal to an entry of its own kind.
    fn show(&self, entry: &Entry) {
        match (self, entry) {
            (Self::Button(item), Entry::Text(text) | Entry::Button { text, .. }) => {
                let text = escaped(text);
                if item.text() != text {
                    item.set_text(text);
                }
            }
            (
                Self::Check(item),
                Entry::Check {
                    text,
                    checked,
                    enabled,
                    ..
                },
            ) => show_check(item, &escaped(text), *checked, *enabled),
            _ => {}
        }
    }
}

fn show_check(item: &CheckMenuItem, text: &str, checked: bool, enabled: bool) {
    if item.text() != text {
        item.set_text(text);
    }
    if item.is_checked() != checked {
        item.set_checked(checked);
    }
    if item.is_enabled() != enabled {
        item.set_enabled(enabled);
    }
}

/// A label in which no character is taken for the mark of a shortcut.
fn escaped(text: &str) -> String {
    text.replace('&', "&&")
}

fn image(health: Health, style: Style) -> Result<Icon, tray_icon::BadIcon> {
    Icon::from_rgba(icon::draw(health, style), icon::SIZE, icon::SIZE)
}

#[cfg(target_os = "macos")]
fn with_icon(
    builder: TrayIconBuilder,
    health: Health,
) -> Result<TrayIconBuilder, tray_icon::BadIcon> {
    Ok(builder.with_icon_templated(image(health, Style::Template)?))
}

#[cfg(not(target_os = "macos"))]
fn with_icon(
    builder: TrayIconBuilder,
    health: Health,
) -> Result<TrayIconBuilder, tray_icon::BadIcon> {
    Ok(builder.with_icon(image(health, Style::Tile)?))
}

fn set_icon(icon: &TrayIcon, health: Health) {
    #[cfg(target_os = "macos")]
    let shown = image(health, Style::Template)
        .map_err(<Box<dyn std::error::Error>>::from)
        .and_then(|image| icon.set_icon_templated(Some(image)).map_err(Into::into));
    #[cfg(not(target_os = "macos"))]
    let shown = image(health, Style::Tile)
        .map_err(<Box<dyn std::error::Error>>::from)
        .and_then(|image| icon.set_icon(Some(image)).map_err(Into::into));
    if let Err(error) = shown {
        tracing::warn!(%error, "the icon cannot be changed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ampersand_of_a_name_is_no_mark_of_a_shortcut() {
        assert_eq!(escaped("R&D & co"), "R&&D && co");
    }
}
