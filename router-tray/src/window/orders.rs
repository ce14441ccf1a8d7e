//! What the window is told to do: one line each on its standard input, which nobody else can read, as
//! the addresses in them let their reader in. For each that is carried out it says an empty line.

use std::{
    io::{self, BufRead as _, BufReader, Read, Write as _},
    thread,
};

use tao::event_loop::EventLoopProxy;

/// One order.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Order {
    /// A line with an address: to show it, in front.
    Open(String),
    /// An empty line: to come to the front as it is.
    Raise,
    /// The end of the input, which is that of `codex-router` too: to close.
    Close,
}

// An address holds a secret.
impl std::fmt::Debug for Order {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Open(_) => "Open([redacted])",
            Self::Raise => "Raise",
            Self::Close => "Close",
        })
    }
}

/// Hands orders to the loop of events as they come.
pub(crate) fn read(input: impl Read + Send + 'static, events: EventLoopProxy<Order>) {
    thread::spawn(move || {
        // A loop that has ended wants to know nothing more.
        each(input, |order| events.send_event(order).is_ok());
    });
}

/// Tells whoever gave an order that it is carried out.
pub(crate) fn done() -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out)?;
    out.flush()
}

/// Ends with `Close`, or as soon as nobody wants to know more.
fn each(input: impl Read, mut tell: impl FnMut(Order) -> bool) {
    let lines = BufReader::new(input).lines().map_while(Result::ok);
    let orders = lines.map(|line| match line.trim() {
        "" => Order::Raise,
        url => Order::Open(url.to_owned()),
    });
    let mut orders = orders.chain([Order::Close]);
    let _ended = orders.all(&mut tell);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(input: &'static str) -> Vec<Order> {
        let mut told = Vec::new();
        each(input.as_bytes(), |order| {
            told.push(order);
            true
        });
        told
    }

    #[test]
    fn each_line_is_one_order_and_the_end_of_the_input_the_last() {
        let open = Order::Open("http://127.0.0.1:1/#link=x".into());
        let orders = told("http://127.0.0.1:1/#link=x\n\nhttp://127.0.0.1:1/#link=x");
        assert_eq!(orders, [open.clone(), Order::Raise, open, Order::Close]);
        assert_eq!(told(""), [Order::Close]);
    }

    #[test]
    fn what_lets_in_is_not_printed() {
        let order = Order::Open("http://127.0.0.1:1/#link=secret".into());
        assert!(!format!("{order:?}").contains("secret"));
    }
}
