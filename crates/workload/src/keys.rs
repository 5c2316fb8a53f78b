//! Which key an operation goes to.

use rand::Rng;

/// How operations spread over the keys of a [`Workload`](crate::Workload).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum KeyDistribution {
    /// Every key alike.
    Uniform,
    /// A share of all operations goes to the first keys, the rest to the others.
    Hot {
        /// How many keys are hot; fewer than there are keys.
        keys: usize,
        /// The share of operations that goes to them, from 0 to 1.
        share: f64,
    },
    /// The n-th key has a weight of n to the power of minus `exponent`.
    Zipf {
        /// 0 is uniform, 1 the classic, at most 10.
        exponent: f64,
    },
}

/// Draws key numbers.
#[derive(Debug)]
pub(crate) enum KeyChooser {
    Uniform {
        keys: usize,
    },
    Hot {
        hot: usize,
        keys: usize,
        share: f64,
    },
    /// The sums of the weights up to each key.
    Weighted {
        sums: Vec<f64>,
    },
}

impl KeyChooser {
    /// Of `keys` keys, at least one; `None` for a distribution outside its limits.
    pub(crate) fn new(distribution: KeyDistribution, keys: usize) -> Option<Self> {
        match distribution {
            KeyDistribution::Uniform => Some(Self::Uniform { keys }),
            KeyDistribution::Hot { keys: hot, share } => {
                let valid = (1..keys).contains(&hot) && (0.0..=1.0).contains(&share);
                valid.then_some(Self::Hot { hot, keys, share })
            }
            KeyDistribution::Zipf { exponent } => {
                let mut sum = 0.0;
                let mut add = |n: usize| {
                    sum += (n as f64).powf(-exponent);
                    sum
                };
                let valid = (0.0..=10.0).contains(&exponent);
                valid.then(|| Self::Weighted {
                    sums: (1..=keys).map(&mut add).collect(),
                })
            }
        }
    }

    /// The number of a key, from 0.
    pub(crate) fn choose(&self, rng: &mut impl Rng) -> usize {
        match self {
            Self::Uniform { keys } => rng.random_range(0..*keys),
            Self::Hot { hot, keys, share } => {
                if rng.random_bool(*share) {
                    rng.random_range(0..*hot)
                } else {
                    rng.random_range(*hot..*keys)
                }
            }
            Self::Weighted { sums } => {
                let total = sums.last().copied().unwrap_or_default();
                let at = rng.random::<f64>() * total;
                sums.partition_point(|&sum| sum <= at).min(sums.len() - 1)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// How many of 100,000 draws went to each key.
    fn draws(distribution: KeyDistribution, keys: usize) -> Vec<usize> {
        let chooser = KeyChooser::new(distribution, keys).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut counts = vec![0; keys];
        for _ in 0..100_000 {
            counts[chooser.choose(&mut rng)] += 1;
        }
        counts
    }

    #[test]
    fn uniform_is_flat() {
        for count in draws(KeyDistribution::Uniform, 10) {
            assert!((9_000..11_000).contains(&count), "{count}");
        }
        assert_eq!(draws(KeyDistribution::Uniform, 1), [100_000]);
    }

    #[test]
    fn hot_keys_get_their_share() {
        let counts = draws(
            KeyDistribution::Hot {
                keys: 2,
                share: 0.8,
            },
            10,
        );
        let hot: usize = counts[..2].iter().sum();
        assert!((79_000..81_000).contains(&hot), "{hot}");
        assert!(counts.iter().all(|&count| count > 2_000));
    }

    #[test]
    fn zipf_falls_with_the_rank() {
        let counts = draws(KeyDistribution::Zipf { exponent: 1.0 }, 100);
        // The first of 100 has 1 / 5.187 of the weight, the tenth a tenth of that.
        assert!((18_700..19_900).contains(&counts[0]), "{}", counts[0]);
        assert!((1_750..2_100).contains(&counts[9]), "{}", counts[9]);
    }

    #[test]
    fn what_is_outside_its_limits_is_refused() {
        use KeyDistribution::{Hot, Zipf};
        let refused = [
            Hot {
                keys: 0,
                share: 0.5,
            },
            Hot {
                keys: 10,
                share: 0.5,
            },
            Hot {
                keys: 1,
                share: 1.1,
            },
            Hot {
                keys: 1,
                share: f64::NAN,
            },
            Zipf { exponent: -1.0 },
            Zipf { exponent: f64::NAN },
        ];
        for distribution in refused {
            assert!(
                KeyChooser::new(distribution, 10).is_none(),
                "{distribution:?}"
            );
        }
    }
}
