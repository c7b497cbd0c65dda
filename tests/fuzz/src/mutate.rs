//! Variants of the corpus without a fuzzing engine: the same ones each time, by any toolchain.
//!
//! It knows nothing of coverage; the corpus does, since libFuzzer chose it. What is near a chosen input is near a branch.

/// Bytes that mean something to one parser or another.
const ODD: &[u8] = b"\0\n \"'%&(),-./0:;<=?@[\\]{}~\x7f\xff";

/// Makes variants of given inputs.
#[derive(Debug, Clone)]
pub struct Mutator(u64);

impl Mutator {
    /// The variants that belong to this number.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// SplitMix64 (Steele, Lea, Flood 2014).
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let wide = (z ^ (z >> 31)) % (n.max(1) as u64);
        usize::try_from(wide).unwrap_or(0)
    }

    /// One input, one to four changes: a bit, a byte, a stretch dropped, doubled, or taken from another input.
    pub fn variant(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut data = corpus
            .get(self.below(corpus.len()))
            .cloned()
            .unwrap_or_default();
        for _ in 0..=self.below(4) {
            let at = self.below(data.len() + 1);
            let length = self.below(data.len() - at + 1).min(64);
            match self.below(5) {
                0 if at < data.len() => data[at] ^= 1 << self.below(8),
                1 if at < data.len() => {
                    data[at] = ODD[self.below(ODD.len())];
                }
                2 => drop(data.drain(at..at + length)),
                3 => {
                    let stretch = data[at..at + length].to_vec();
                    data.splice(at..at, stretch);
                }
                _ => {
                    let Some(other) = corpus.get(self.below(corpus.len())) else {
                        continue;
                    };
                    let from = self.below(other.len() + 1);
                    let upto = from + self.below(other.len() - from + 1).min(64);
                    data.splice(at..at + length, other[from..upto].iter().copied());
                }
            }
        }
        data
    }
}
