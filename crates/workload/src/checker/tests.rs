use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

/// Operations of eight clients on one register, each value written once; some gets lie.
fn unique_values(operations: usize, lies: u32, rng: &mut ChaCha8Rng) -> Vec<Interval> {
    let mut free_at = [0_u64; 8];
    let mut made = Vec::new();
    for index in 0..operations {
        let client = rng.random_range(0..free_at.len());
        let start = free_at[client] + rng.random_range(1..4);
        let end = start + rng.random_range(0..6);
        free_at[client] = end;
        let interval = Interval {
            index,
            start,
            end: Some(end),
            write: rng.random_bool(0.4),
            value: index as u32 + 1,
        };
        made.push((rng.random_range(start..=end), interval));
    }
    made.sort_by_key(|&(instant, interval)| (instant, interval.index));
    let mut written = vec![interval::ABSENT];
    for (_, interval) in &mut made {
        if interval.write {
            interval.end = interval.end.filter(|_| rng.random_ratio(9, 10));
            written.push(interval.value);
        } else {
            let recent = rng.random_range(0..written.len().min(6));
            let back = if rng.random_range(0..100) < lies {
                recent
            } else {
                0
            };
            interval.value = written[written.len() - 1 - back];
        }
    }
    made.into_iter().map(|(_, interval)| interval).collect()
}

/// Two methods that share no code decide the same.
#[test]
fn zones_and_search_agree_where_values_are_unique() {
    let mut linearizable = 0;
    for seed in 0..2_000 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let intervals = unique_values(120, seed as u32 % 4, &mut rng);
        assert!(zones::decides(&intervals));
        let by_zones = zones::find_anomaly(&intervals).is_none();
        let found = search::search(&Problem::new(&intervals), &mut Steps::new(1_000_000));
        let by_search = match found {
            Found::Order => true,
            Found::NoOrder { .. } => false,
            other => panic!("seed {seed}: {other:?}"),
        };
        assert_eq!(by_zones, by_search, "seed {seed}");
        linearizable += usize::from(by_zones);
    }
    assert!(
        (500..1_500).contains(&linearizable),
        "{linearizable} of 2000 are linearizable"
    );
}

#[test]
fn steps_run_out_once() {
    let mut steps = Steps::new(3);
    assert!(steps.spend(2));
    assert!(steps.spend(1));
    assert!(!steps.spend(1));
    assert_eq!(steps.spent(), 3);
}
