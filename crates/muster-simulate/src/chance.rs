//! Seeded chance: the same parts give the same number, on every machine and in every run.

/// Mixes parts into one number (FNV-1a over the bytes, then the finisher of SplitMix64).
pub fn number(seed: u64, parts: &[&str]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for part in parts {
        // The length distinguishes ("ab", "c") from ("a", "bc").
        for byte in part.bytes().chain(part.len().to_le_bytes()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    mix(hash)
}

/// Mixes two numbers into one.
pub fn both(a: u64, b: u64) -> u64 {
    mix(a ^ mix(b))
}

/// Converts a number into one in [0, 1).
pub fn share(number: u64) -> f64 {
    (number >> 11) as f64 / (1_u64 << 53) as f64
}

fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
