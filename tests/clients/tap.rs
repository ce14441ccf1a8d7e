//! A wire between a client and the router that remembers what the client said.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Passes every connection on, and keeps the client's bytes of each.
#[derive(Debug)]
pub(crate) struct Tap {
    pub(crate) address: SocketAddr,
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Tap {
    pub(crate) fn on(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heard);
        thread::spawn(move || {
            for client in listener.incoming() {
                pass_on(client.unwrap(), TcpStream::connect(target).unwrap(), &kept);
            }
        });
        Self { address, heard }
    }

    /// How many bytes the client said.
    pub(crate) fn bytes(&self) -> usize {
        self.heard.lock().unwrap().iter().map(Vec::len).sum()
    }

    /// How often the client said this.
    pub(crate) fn count(&self, said: &[u8]) -> usize {
        let heard = self.heard.lock().unwrap();
        let times = |bytes: &Vec<u8>| bytes.windows(said.len()).filter(|w| *w == said).count();
        heard.iter().map(times).sum()
    }
}

fn pass_on(client: TcpStream, server: TcpStream, heard: &Arc<Mutex<Vec<Vec<u8>>>>) {
    let mut all = heard.lock().unwrap();
    let index = all.len();
    all.push(Vec::new());
    drop(all);
    let heard = Arc::clone(heard);
    let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    thread::spawn(move || copy(from, to, |piece| heard.lock().unwrap()[index].extend(piece)));
    thread::spawn(move || copy(server, client, |_| {}));
}

fn copy(mut from: TcpStream, mut to: TcpStream, mut heard: impl FnMut(&[u8])) {
    let mut piece = [0; 16 << 10];
    while let Ok(read @ 1..) = from.read(&mut piece) {
        heard(&piece[..read]);
        if to.write_all(&piece[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
