//! Bytes as JSON: a string where they are UTF-8, `{"hex":"…"}` where not.

use bytes::Bytes;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

/// Bytes on their way into JSON.
pub(super) struct BytesText<'a>(pub(super) &'a [u8]);

impl Serialize for BytesText<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Ok(text) = std::str::from_utf8(self.0) {
            return serializer.serialize_str(text);
        }
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry("hex", &hex(self.0))?;
        map.end()
    }
}

/// The bytes that a JSON value stands for; otherwise what is wrong with it.
pub(super) fn parse_bytes(value: Value) -> Result<Bytes, String> {
    let digits = match value {
        Value::String(text) => return Ok(text.into()),
        Value::Object(mut map) if map.len() == 1 => map.remove("hex"),
        _ => None,
    };
    let Some(Value::String(digits)) = digits else {
        return Err("it is neither a string nor {\"hex\":\"…\"}".into());
    };
    unhex(&digits).ok_or_else(|| "its hex is not pairs of hexadecimal digits".into())
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

fn unhex(digits: &str) -> Option<Bytes> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pairs = digits.as_bytes().chunks(2).map(|pair| match *pair {
        [high, low] => Some((digit(high)? << 4 | digit(low)?) as u8),
        _ => None,
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_round_trip(bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..20),
            any::<String>().prop_map(String::into_bytes),
        ]) {
            let json = serde_json::to_string(&BytesText(&bytes)).unwrap();
            prop_assert!(!json.contains('\n'));
            let value = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(parse_bytes(value).unwrap(), bytes);
        }
    }

    #[test]
    fn texts_stay_readable() {
        let json = |bytes: &[u8]| serde_json::to_string(&BytesText(bytes)).unwrap();
        assert_eq!(json(b"hello"), r#""hello""#);
        assert_eq!(json("grüß".as_bytes()), r#""grüß""#);
        assert_eq!(json(b"\xff\x00"), r#"{"hex":"ff00"}"#);
    }

    #[test]
    fn other_json_is_refused() {
        for json in [
            "1",
            "null",
            "{}",
            r#"{"hex":1}"#,
            r#"{"hex":"ff","x":1}"#,
            "[255]",
        ] {
            let error = parse_bytes(serde_json::from_str(json).unwrap()).unwrap_err();
            assert!(error.starts_with("it is neither"), "{json}: {error}");
        }
        for json in [
            r#"{"hex":"f"}"#,
            r#"{"hex":"fg"}"#,
            r#"{"hex":"+1"}"#,
            r#"{"hex":"é"}"#,
        ] {
            let error = parse_bytes(serde_json::from_str(json).unwrap()).unwrap_err();
            assert!(error.starts_with("its hex"), "{json}: {error}");
        }
    }
}
