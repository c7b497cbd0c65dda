//! A secret made up at random, and a search for it in this process's own memory.
//!
//! The text is kept masked, and the search compares masked bytes, so that nothing but the code under test can hold it.
//! Shared with the tests of crates above, by path.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "helpers of tests fail as tests do, and each test binary uses a part of them"
)]

use std::fs::{File, read_to_string};
use std::io::Read as _;
use std::os::unix::fs::FileExt as _;

const MASK: u8 = 0xA5;
const PIECE: usize = 16;
const LENGTH: usize = 96;

/// A secret's text, masked: 96 letters.
pub(crate) struct Canary(Vec<u8>);

impl Canary {
    pub(crate) fn random() -> Self {
        let mut random = [0_u8; LENGTH];
        File::open("/dev/urandom")
            .unwrap()
            .read_exact(&mut random)
            .unwrap();
        Self(
            random
                .iter()
                .map(|byte| (b'A' + byte % 26) ^ MASK)
                .collect(),
        )
    }

    /// As a parent process tells its child about a secret that only the parent may know in clear.
    pub(crate) fn masked(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// What [`masked`](Self::masked) wrote.
    pub(crate) fn from_masked(text: &str) -> Self {
        let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
        Self((0..text.len()).step_by(2).map(byte).collect())
    }

    /// The bytes in clear, one by one.
    pub(crate) fn bytes(&self) -> impl Iterator<Item = u8> {
        self.0.iter().map(|byte| byte ^ MASK)
    }

    pub(crate) fn text(&self) -> String {
        let mut text = String::with_capacity(self.0.len() + 1);
        text.extend(self.bytes().map(char::from));
        text
    }

    /// How many pieces of 16 bytes there are.
    pub(crate) fn pieces(&self) -> usize {
        self.0.len() / PIECE
    }

    /// How many pieces of it are in this process's writable memory.
    pub(crate) fn copies(&self) -> usize {
        let maps = read_to_string("/proc/self/maps").unwrap();
        let memory = File::open("/proc/self/mem").unwrap();
        let pieces: Vec<&[u8]> = self.0.chunks_exact(PIECE).collect();
        let mut buffer = vec![0_u8; 1 << 16];
        let mut copies = 0;
        for line in maps.lines().filter(|line| line.contains(" rw")) {
            let (from, to) = line.split(' ').next().unwrap().split_once('-').unwrap();
            let mut at = u64::from_str_radix(from, 16).unwrap();
            let end = u64::from_str_radix(to, 16).unwrap();
            while at < end {
                let wanted = buffer.len().min(usize::try_from(end - at).unwrap());
                // A page that went away meanwhile holds nothing.
                let Ok(read) = memory.read_at(&mut buffer[..wanted], at) else {
                    break;
                };
                copies += count(&buffer[..read], &pieces);
                // The next read overlaps by a piece, so that none is cut in two.
                let step = read.saturating_sub(PIECE - 1).max(1);
                at += u64::try_from(step).unwrap();
            }
        }
        copies
    }
}

fn count(memory: &[u8], pieces: &[&[u8]]) -> usize {
    let mut first = [false; 256];
    for piece in pieces {
        first[usize::from(piece[0] ^ MASK)] = true;
    }
    let hits = memory
        .windows(PIECE)
        .filter(|window| first[usize::from(window[0])]);
    hits.filter(|window| {
        let same = |piece: &&&[u8]| piece.iter().zip(*window).all(|(a, b)| a ^ MASK == *b);
        pieces.iter().any(|piece| same(&piece))
    })
    .count()
}
