//! Keys and values as JSON.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

/// Adds bytes to an object: as the string `name` where they are UTF-8, and otherwise as
/// `name_base64` (RFC 4648, with padding).
pub(crate) fn insert(object: &mut Map<String, Value>, name: &str, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => object.insert(name.to_owned(), text.into()),
        Err(_) => object.insert(format!("{name}_base64"), STANDARD.encode(bytes).into()),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_no_text_is_base64() {
        let mut object = Map::new();
        insert(&mut object, "empty", b"");
        insert(&mut object, "text", "grüß\n".as_bytes());
        insert(&mut object, "value", b"\xff\x00\x01");
        let expected = serde_json::json!({
            "empty": "", "text": "grüß\n", "value_base64": "/wAB"
        });
        assert_eq!(Value::Object(object), expected);
    }
}
