use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::{History, HistoryError};

const GOOD: &str = r#"{"client":3,"op":"set","key":"k7","value":"3-12","start":1200,"end":3400,"outcome":"ok","version":"12-abababababababababababababababab"}"#;

fn sample() -> Operation {
    Operation {
        client: 3,
        key: Key::new("k7").unwrap(),
        action: Action::Set("3-12".into()),
        start_ns: 1200,
        end_ns: 3400,
        outcome: Outcome::Ok,
        version: Some(Version(Timestamp {
            counter: 12,
            op_id: OpId::from_bytes([0xab; 16]),
            ..Timestamp::ZERO
        })),
    }
}

/// Histories are kept and exchanged: the form must not change.
#[test]
fn the_form_of_a_line_is_fixed() {
    assert_eq!(encode(&sample()).unwrap(), GOOD.as_bytes());
    assert_eq!(decode(GOOD.as_bytes()).unwrap(), sample());
}

#[test]
fn a_good_line_may_carry_more_and_lack_a_version() {
    let line = GOOD.replace("\"start\"", "\"comment\":[1],\"start\"");
    assert_eq!(decode(line.as_bytes()).unwrap(), sample());
    for version in ["", ",\"version\":null"] {
        let line = GOOD.replace(
            ",\"version\":\"12-abababababababababababababababab\"",
            version,
        );
        assert_eq!(decode(line.as_bytes()).unwrap().version, None);
    }
}

#[test]
fn a_bad_line_is_named_by_number_and_field() {
    let get = GOOD.replace("\"set\"", "\"get\"");
    let cases = [
        (
            GOOD.replace("\"client\":3,", ""),
            "field \"client\" is missing",
        ),
        (
            GOOD.replace("\"op\":\"set\",", ""),
            "field \"op\" is missing",
        ),
        (
            GOOD.replace("\"value\":\"3-12\",", ""),
            "field \"value\" is missing",
        ),
        (
            GOOD.replace(":3,", ":-3,"),
            "field \"client\": it is -3, not a whole number",
        ),
        (
            GOOD.replace("1200", "1200.5"),
            "field \"start\": it is 1200.5, not a whole number",
        ),
        (
            GOOD.replace("3400", "\"3400\""),
            "field \"end\": it is \"3400\", not a whole number",
        ),
        (
            GOOD.replace("3400", "34"),
            "field \"end\": it is 34, before \"start\", which is 1200",
        ),
        (
            GOOD.replace("\"set\"", "\"cas\""),
            "field \"op\": it is \"cas\", not \"get\", \"set\"",
        ),
        (
            GOOD.replace("\"set\"", "7"),
            "field \"op\": it is 7, not \"get\", \"set\"",
        ),
        (
            GOOD.replace("\"ok\"", "\"yes\""),
            "field \"outcome\": it is \"yes\", not \"ok\"",
        ),
        (
            GOOD.replace("\"k7\"", "\"\""),
            "field \"key\": it is empty; a key has 1 to 1024",
        ),
        (
            GOOD.replace("\"k7\"", "7"),
            "field \"key\": it is neither a string nor",
        ),
        (
            GOOD.replace("\"3-12\"", "null"),
            "field \"value\": it is null; a set has a value",
        ),
        (
            GOOD.replace("\"3-12\"", "{\"hex\":\"0\"}"),
            "field \"value\": its hex is not pairs",
        ),
        (
            GOOD.replace("\"set\"", "\"delete\""),
            "field \"value\": a delete has none",
        ),
        (
            get.replace("\"ok\"", "\"fail\""),
            "field \"value\": a get that is not ok returned",
        ),
        (
            GOOD.replace("12-ab", "+12-ab"),
            "field \"version\": it is \"+12-ab",
        ),
        (
            GOOD.replace("12-ab", "12-"),
            "field \"version\": it is \"12-ab",
        ),
        (GOOD[..40].to_owned(), "it is not JSON: EOF while parsing"),
        ("[1]".to_owned(), "it is not a JSON object"),
    ];
    for (line, expected) in cases {
        let file = format!("{GOOD}\n\n{line}\n{GOOD}\n");
        let error = History::read_from(file.as_bytes()).unwrap_err().to_string();
        let expected = format!("line 3: {expected}");
        assert!(error.starts_with(&expected), "{error:?} for {line}");
    }
}

#[test]
fn a_line_without_end_is_refused_before_it_fills_the_memory() {
    let endless = std::io::BufReader::new(std::io::repeat(b'x'));
    let error = History::read_from(endless).unwrap_err();
    assert!(
        matches!(error, HistoryError::TooLong { line: 1 }),
        "{error}"
    );
}

#[test]
fn an_input_that_fails_is_named() {
    struct Broken;
    impl std::io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("no disk"))
        }
    }
    let error = History::read_from(std::io::BufReader::new(Broken)).unwrap_err();
    assert_eq!(error.to_string(), "line 1: cannot read: no disk");
}

fn any_operation() -> impl Strategy<Value = Operation> {
    let bytes = || prop::collection::vec(any::<u8>(), 1..12).prop_map(Bytes::from);
    let action = prop_oneof![
        prop::option::of(bytes()).prop_map(Action::Get),
        bytes().prop_map(Action::Set),
        Just(Action::Delete),
    ];
    let outcome = prop_oneof![
        Just(Outcome::Ok),
        Just(Outcome::Fail),
        Just(Outcome::Unknown)
    ];
    let version = prop::option::of((any::<[u64; 3]>(), any::<[u8; 16]>()));
    let times = any::<(u64, u64)>();
    (any::<u64>(), bytes(), action, outcome, version, times).prop_map(
        |(client, key, action, outcome, version, (a, b))| Operation {
            client,
            key: Key::new(key).unwrap(),
            action: match action {
                Action::Get(_) if outcome != Outcome::Ok => Action::Get(None),
                action => action,
            },
            start_ns: a.min(b),
            end_ns: a.max(b),
            outcome,
            version: version.map(|([generation, counter, rmw], op_id)| {
                Version(Timestamp {
                    generation,
                    counter,
                    op_id: OpId::from_bytes(op_id),
                    rmw,
                })
            }),
        },
    )
}

proptest! {
    #[test]
    fn histories_round_trip(operations in prop::collection::vec(any_operation(), 0..8)) {
        let history = History { operations };
        let mut file = Vec::new();
        history.write_to(&mut file).unwrap();
        prop_assert_eq!(file.iter().filter(|&&b| b == b'\n').count(), history.operations.len());
        prop_assert_eq!(History::read_from(file.as_slice()).unwrap(), history);
    }
}
