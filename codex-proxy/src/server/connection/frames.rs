//! Which of the bytes that go out over HTTP/2 are those of an answer.

use std::io::IoSlice;

/// The length, the type and the rest of what every frame begins with (RFC 9113, section 4.1).
const HEAD_BYTES: usize = 9;
/// DATA, HEADERS and CONTINUATION. What else goes out answers frames of the client's, such as a PING.
const OF_ANSWERS: [u8; 3] = [0, 1, 9];

/// How far the frames of one connection have gone out. Over HTTP/1 it means nothing.
#[derive(Debug, Default)]
pub(super) struct Frames {
    head: [u8; HEAD_BYTES],
    /// How much of the head is out.
    head_bytes: usize,
    /// How much of the frame comes after that, once its head is out.
    left: usize,
}

impl Frames {
    /// Goes on by the first `taken` bytes of these, and says whether there were any of an answer.
    pub(super) fn pass(&mut self, slices: &[IoSlice<'_>], mut taken: usize) -> bool {
        let mut is_of_answer = false;
        for slice in slices {
            let (gone, _) = slice.split_at(slice.len().min(taken));
            taken -= gone.len();
            is_of_answer |= self.pass_all(gone);
        }
        is_of_answer
    }

    fn pass_all(&mut self, mut bytes: &[u8]) -> bool {
        let mut is_of_answer = false;
        while !bytes.is_empty() {
            if self.head_bytes < HEAD_BYTES {
                let missing = &mut self.head[self.head_bytes..];
                let (more, rest) = bytes.split_at(bytes.len().min(missing.len()));
                missing[..more.len()].copy_from_slice(more);
                self.head_bytes += more.len();
                bytes = rest;
                if self.head_bytes < HEAD_BYTES {
                    break;
                }
                let [high, middle, low, ..] = self.head;
                self.left = u32::from_be_bytes([0, high, middle, low]) as usize;
            }
            is_of_answer |= OF_ANSWERS.contains(&self.head[3]);
            let (gone, rest) = bytes.split_at(bytes.len().min(self.left));
            self.left -= gone.len();
            bytes = rest;
            if self.left == 0 {
                self.head_bytes = 0;
            }
        }
        is_of_answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, length: u8) -> Vec<u8> {
        let mut frame = vec![0, 0, length, kind, 0, 0, 0, 0, 0];
        // No byte of it is a type.
        frame.resize(HEAD_BYTES + usize::from(length), b'x');
        frame
    }

    #[test]
    fn frames_that_answer_frames_are_no_answer_wherever_they_are_cut() {
        let (settings, ping) = (frame(4, 0), frame(6, 8));
        let burst = [settings, ping.repeat(8)].concat();
        for at in 0..=burst.len() {
            let (mut frames, slices) = (Frames::default(), [IoSlice::new(&burst)]);
            assert!(!frames.pass(&slices, at), "{at}");
            assert!(!frames.pass(&[IoSlice::new(&burst[at..])], burst.len() - at));
            assert!(frames.pass(&[IoSlice::new(&frame(0, 0))], HEAD_BYTES));
        }
    }

    #[test]
    fn whatever_is_taken_of_an_answer_is_one_among_others_too() {
        for kind in OF_ANSWERS {
            let (ping, answer) = (frame(6, 8), frame(kind, 200));
            let slices = [IoSlice::new(&ping), IoSlice::new(&answer)];
            let mut frames = Frames::default();
            assert!(!frames.pass(&slices, ping.len()));
            assert!(frames.pass(&slices[1..], 100));
            assert!(frames.pass(&[IoSlice::new(&answer[100..])], 1));
            assert!(frames.pass(&[IoSlice::new(&answer[101..]), slices[0]], 120));
            assert!(!frames.pass(&[IoSlice::new(&ping[12..])], 5));
        }
    }
}
