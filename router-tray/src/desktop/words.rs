//! What the tray and the notifications say, in the languages there are.

use codex_proxy::control::Language;
use jiff::{Zoned, civil::Weekday};

/// The words of one language. A `{}` is filled in; see [`filled`].
#[derive(Debug)]
pub(crate) struct Words {
    pub(crate) open: &'static str,
    pub(crate) refresh: &'static str,
    pub(crate) add: &'static str,
    pub(crate) attach: &'static str,
    pub(crate) starts_at_login: &'static str,
    pub(crate) quit: &'static str,
    pub(crate) stopping: &'static str,
    pub(crate) save_login: &'static str,
    pub(crate) live_login: &'static str,
    pub(crate) nothing_chosen: &'static str,
    pub(crate) no_login: &'static str,
    pub(crate) api_key: &'static str,
    pub(crate) log_in_again: &'static str,
    pub(crate) unreadable: &'static str,
    /// The window, how much of it is used.
    pub(crate) used: &'static str,
    pub(crate) reached: &'static str,
    pub(crate) resets: &'static str,
    pub(crate) read_at: &'static str,
    pub(crate) no_reading: &'static str,
    pub(crate) five_hours: &'static str,
    pub(crate) weekly: &'static str,
    /// The month and the day; `{}` is that of the clock.
    weekdays: [&'static str; 7],
    date: &'static str,
    date_order: DateOrder,
    pub(crate) now_using: &'static str,
    pub(crate) restart_codex: &'static str,
    pub(crate) kept_as: &'static str,
    pub(crate) live_unknown: &'static str,
    pub(crate) not_done: &'static str,
    pub(crate) needs_login: &'static str,
    pub(crate) how_to_log_in: &'static str,
    pub(crate) signed_out: &'static str,
    pub(crate) may_have_ended: &'static str,
    pub(crate) unsaved_login: &'static str,
    pub(crate) how_to_save: &'static str,
    pub(crate) limit_near: &'static str,
    pub(crate) limit_reached: &'static str,
    pub(crate) limit_reset: &'static str,
    pub(crate) fallback_used: &'static str,
}

#[derive(Debug, Clone, Copy)]
enum DateOrder {
    DayMonth,
    MonthDay,
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

static ENGLISH: Words = Words {
    open: "Open Codex Router",
    refresh: "Refresh profiles",
    add: "Add account…",
    attach: "Attach Codex",
    starts_at_login: "Start at login",
    quit: "Quit",
    stopping: "Ending the streams under way…",
    save_login: "Save the login Codex uses…",
    live_login: "The login that Codex uses",
    nothing_chosen: "No profile is chosen",
    no_login: "Nobody is logged in",
    api_key: "API key",
    log_in_again: "log in again",
    unreadable: "cannot be read",
    used: "{} limit: {} used",
    reached: "{} limit reached",
    resets: "resets {}",
    read_at: "read {}",
    no_reading: "Limits not read yet",
    five_hours: "5h",
    weekly: "weekly",
    weekdays: ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"],
    date: "{} {}",
    date_order: DateOrder::DayMonth,
    now_using: "Now using {}",
    restart_codex: "A Codex that is running keeps its account until it is restarted, unless it is \
                    attached to the router.",
    kept_as: "The login that was in use is kept as {}.",
    live_unknown: "Codex's own login was not changed: {}.",
    not_done: "That did not work",
    needs_login: "{} must log in again",
    how_to_log_in: "Open Codex Router to do so.",
    signed_out: "Codex no longer uses the login of {}",
    may_have_ended: "If it was signed out there, it has ended. Open Codex Router to log in again.",
    unsaved_login: "Codex uses a login that is in no profile",
    how_to_save: "Open Codex Router to save it.",
    limit_near: "{} has used {} of its {} limit",
    limit_reached: "{} has reached its {} limit",
    limit_reset: "The {} limit of {} has begun anew",
    fallback_used: "{} could not serve: {} did",
};

static CHINESE: Words = Words {
    open: "打开 Codex Router",
    refresh: "刷新账号",
    add: "添加账号…",
    attach: "接入 Codex",
    starts_at_login: "登录时启动",
    quit: "退出",
    stopping: "正在等待进行中的请求结束…",
    save_login: "保存 Codex 当前的登录…",
    live_login: "Codex 当前的登录",
    nothing_chosen: "尚未选择账号",
    no_login: "尚未登录",
    api_key: "API 密钥",
    log_in_again: "需要重新登录",
    unreadable: "无法读取",
    used: "{}额度：已用 {}",
    reached: "{}额度已用完",
    resets: "{} 重置",
    read_at: "{} 读取",
    no_reading: "尚未读取额度",
    five_hours: "5 小时",
    weekly: "每周",
    weekdays: ["周一", "周二", "周三", "周四", "周五", "周六", "周日"],
    date: "{}月{}日",
    date_order: DateOrder::MonthDay,
    now_using: "已切换到 {}",
    restart_codex: "正在运行的 Codex 会继续使用原账号，直到重新启动；接入路由器后则无需重启。",
    kept_as: "原来的登录已保存为 {}。",
    live_unknown: "Codex 自己的登录没有更改：{}。",
    not_done: "操作没有成功",
    needs_login: "{} 需要重新登录",
    how_to_log_in: "请打开 Codex Router 重新登录。",
    signed_out: "Codex 不再使用 {} 的登录",
    may_have_ended: "如果是在 Codex 中退出的，该登录已失效。请打开 Codex Router 重新登录。",
    unsaved_login: "Codex 当前的登录尚未保存",
    how_to_save: "请打开 Codex Router 保存。",
    limit_near: "{} 已用 {} 的{}额度",
    limit_reached: "{} 的{}额度已用完",
    limit_reset: "{}额度已重置：{}",
    fallback_used: "{} 无法响应，已改用 {}",
};

impl Words {
    /// Those of the setting; without one, those of the system.
    pub(crate) fn of(setting: Language, system: Option<&str>) -> &'static Self {
        match setting {
            Language::English => &ENGLISH,
            Language::Chinese => &CHINESE,
            _ if system.is_some_and(is_chinese) => &CHINESE,
            _ => &ENGLISH,
        }
    }

    /// What the window of this name is called.
    pub(crate) fn window<'a>(&self, name: &'a str) -> &'a str {
        match name {
            "5h" => self.five_hours,
            "weekly" => self.weekly,
            other => other,
        }
    }

    /// A time, as short as it is clear on the day of `now`.
    pub(crate) fn clock(&self, at: &Zoned, now: &Zoned) -> String {
        let time = at.strftime("%H:%M");
        let days = days_between(now, at);
        match days {
            0 => time.to_string(),
            -6..=6 => format!("{} {time}", self.weekday(at.weekday())),
            _ => format!("{} {time}", self.date(at)),
        }
    }

    fn weekday(&self, day: Weekday) -> &'static str {
        let index = usize::try_from(day.to_monday_zero_offset()).unwrap_or(0);
        self.weekdays.get(index).copied().unwrap_or_default()
    }

    fn date(&self, at: &Zoned) -> String {
        let (day, month) = (at.day().to_string(), at.month());
        match self.date_order {
            DateOrder::DayMonth => {
                let index = usize::try_from(month - 1).unwrap_or(0);
                let month = MONTHS.get(index).copied().unwrap_or_default();
                filled(self.date, &[&day, month])
            }
            DateOrder::MonthDay => filled(self.date, &[&month.to_string(), &day]),
        }
    }
}

/// `template` with each `{}` replaced by the next of `values`.
pub(crate) fn filled(template: &str, values: &[&str]) -> String {
    let mut parts = template.split("{}");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for (part, value) in parts.zip(values) {
        text.push_str(value);
        text.push_str(part);
    }
    text
}

fn is_chinese(locale: &str) -> bool {
    locale
        .get(..2)
        .is_some_and(|it| it.eq_ignore_ascii_case("zh"))
}

fn days_between(now: &Zoned, at: &Zoned) -> i32 {
    let days = at.date() - now.date();
    days.get_days() + 31 * (days.get_months() + 12 * i32::from(days.get_years()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_wins_over_the_system() {
        let chosen = |setting, system| std::ptr::eq(Words::of(setting, system), &raw const CHINESE);
        assert!(chosen(Language::Auto, Some("zh-CN")));
        assert!(chosen(Language::Auto, Some("zh_TW.UTF-8")));
        assert!(chosen(Language::Chinese, Some("en-GB")));
        assert!(!chosen(Language::English, Some("zh-CN")));
        assert!(!chosen(Language::Auto, Some("de-DE")));
        assert!(!chosen(Language::Auto, None));
    }

    #[test]
    fn times_are_as_short_as_they_are_clear() {
        let now: Zoned = "2026-11-23T18:00[UTC]".parse().unwrap();
        for (at, english, chinese) in [
            ("2026-11-23T20:05[UTC]", "20:05", "20:05"),
            ("2026-11-24T09:00[UTC]", "Tue 09:00", "周二 09:00"),
            ("2026-11-29T09:00[UTC]", "Sun 09:00", "周日 09:00"),
            ("2026-11-30T09:00[UTC]", "30 Nov 09:00", "11月30日 09:00"),
            ("2027-01-02T09:00[UTC]", "2 Jan 09:00", "1月2日 09:00"),
            ("2026-11-22T23:59[UTC]", "Sun 23:59", "周日 23:59"),
        ] {
            let at: Zoned = at.parse().unwrap();
            assert_eq!(ENGLISH.clock(&at, &now), english);
            assert_eq!(CHINESE.clock(&at, &now), chinese);
        }
    }

    #[test]
    fn a_template_takes_its_values_in_order() {
        assert_eq!(filled("{} of {}", &["1", "{}"]), "1 of {}");
        assert_eq!(filled("none", &["1"]), "none");
    }
}
