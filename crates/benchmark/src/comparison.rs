//! Ratios of what was measured in turns.

use serde::Serialize;

/// Two systems, by one figure over several rounds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Comparison {
    /// Quorate's median over the rounds.
    pub(crate) quorate: f64,
    /// etcd's median over the rounds.
    pub(crate) etcd: f64,
    /// Of these medians, Quorate's to etcd's.
    pub(crate) ratio: f64,
    /// The smallest ratio of a round.
    pub(crate) least: f64,
    /// The largest ratio of a round.
    pub(crate) most: f64,
}

impl Comparison {
    /// Of the figures of each round, in order. What cannot be divided is not a number.
    pub(crate) fn new(quorate: &[f64], etcd: &[f64]) -> Self {
        assert_eq!(quorate.len(), etcd.len(), "both have a turn in each round");
        let rounds = quorate.iter().zip(etcd);
        let ratios = rounds.map(|(quorate, etcd)| ratio(*quorate, *etcd));
        let (least, most) = spread(ratios);
        let (quorate, etcd) = (median(quorate), median(etcd));
        Self {
            quorate,
            etcd,
            ratio: ratio(quorate, etcd),
            least,
            most,
        }
    }
}

fn ratio(quorate: f64, etcd: f64) -> f64 {
    let ratio = quorate / etcd;
    if ratio.is_finite() { ratio } else { f64::NAN }
}

/// The smallest and the largest; not numbers when there is none.
pub(crate) fn spread(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::NAN, f64::NAN), |(least, most), value| {
        (least.min(value), most.max(value))
    })
}

/// The one in the middle, or the mean of the two there; not a number when there is none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(&[7.0]), 7.0);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn the_ratio_is_that_of_medians_and_the_spread_that_of_rounds() {
        let found = Comparison::new(&[10.0, 40.0, 30.0], &[10.0, 20.0, 5.0]);
        assert_eq!((found.quorate, found.etcd), (30.0, 10.0));
        assert_eq!((found.ratio, found.least, found.most), (3.0, 1.0, 6.0));
    }

    #[test]
    fn what_cannot_be_divided_is_no_number() {
        let found = Comparison::new(&[1.0, 0.0, 4.0], &[0.0, 0.0, 2.0]);
        assert!(found.ratio.is_nan(), "the median of etcd is zero");
        assert_eq!((found.least, found.most), (2.0, 2.0));
    }
}
