//! What the walk lets through and what it refuses, whoever looks on.

use proptest::prelude::{any, proptest};

use super::{Fault, Path, Sink, Value, walk};

struct Nobody;

impl Sink for Nobody {
    fn value(&mut self, _: &Path<'_>, _: Value<'_>) -> Result<(), Fault> {
        Ok(())
    }
}

fn refused(bytes: &[u8]) -> (String, &'static str) {
    let fault = walk(bytes, 16, &mut Nobody).expect_err(&String::from_utf8_lossy(bytes));
    (fault.pointer, fault.rule)
}

#[test]
fn the_walk_names_the_place_and_the_rule() {
    for (text, pointer, rule) in [
        (r#"{"a":1,"a":2}"#, "/a", "DUPLICATE_KEY"),
        (r#"{"a":1,"\u0061":2}"#, "/a", "DUPLICATE_KEY"),
        (r#"{"x":[0,{"b":{},"b":{}}]}"#, "/x/1/b", "DUPLICATE_KEY"),
        (r#"{"x":[["\u0000"]]}"#, "/x/0/0", "FORMAT"),
        (r#"{"x":{"\u0000":1}}"#, "/x/\\0", "FORMAT"),
        (r#"{"x":"\ud800"}"#, "", "JSON"),
        (r#"{"x":1e400}"#, "", "JSON"),
        (r#"{"x":01}"#, "", "JSON"),
        (r#"{"x":NaN}"#, "", "JSON"),
        (r#"{"x":1,}"#, "", "JSON"),
        ("{\"x\":\"\n\"}", "", "JSON"),
        ("\u{feff}{}", "", "JSON"),
        ("{} {}", "", "JSON"),
        ("{", "", "JSON"),
        ("", "", "JSON"),
    ] {
        assert_eq!(refused(text.as_bytes()), (pointer.to_owned(), rule), "{text}");
    }
    assert_eq!(refused(b"{\"x\":\"\xff\"}"), (String::new(), "UTF8"));
    assert_eq!(refused(b"{\"\xed\xa0\x80\":1}"), (String::new(), "UTF8"));
}

#[test]
fn sixteen_levels_are_walked_and_the_seventeenth_is_refused() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert!(walk(nested(16).as_bytes(), 16, &mut Nobody).is_ok());
    let (pointer, rule) = refused(nested(17).as_bytes());
    assert_eq!((pointer, rule), ("/0".repeat(16), "MAX_DEPTH"));
    assert_eq!(refused("[".repeat(1_000_000).as_bytes()).1, "MAX_DEPTH");
    assert_eq!(refused(r#"{"a":"#.repeat(10_000).as_bytes()).1, "MAX_DEPTH");
}

#[test]
fn many_keys_and_long_numbers_cost_no_more_than_their_length() {
    let mut keys: Vec<String> = (0..20_000).map(|key| format!("\"k{key}\":0")).collect();
    assert!(walk(format!("{{{}}}", keys.join(",")).as_bytes(), 16, &mut Nobody).is_ok());
    keys.push("\"k777\":0".to_owned());
    assert_eq!(refused(format!("{{{}}}", keys.join(",")).as_bytes()), ("/k777".to_owned(), "DUPLICATE_KEY"));
    let digits = "9".repeat(100_000);
    assert_eq!(refused(digits.as_bytes()).1, "JSON");
    assert!(walk(format!("0.{digits}").as_bytes(), 16, &mut Nobody).is_ok());
}

#[test]
fn no_description_repeats_a_value() {
    for text in [r#"{"a":"canary","a":1}"#, r#"{"a":["canary\u0000"]}"#, r#"{"a":canary}"#, r#"{"a":"canary"#] {
        let fault = walk(text.as_bytes(), 16, &mut Nobody).unwrap_err();
        assert!(!format!("{fault:?}").contains("canary"), "{fault:?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_walked_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        drop(walk(&bytes, 16, &mut Nobody));
    }

    #[test]
    fn what_is_walked_is_json_to_everybody_else(text in "[\\[\\]{}:,\"\\\\a0-9eE.+\\- u]{0,24}") {
        if walk(text.as_bytes(), 16, &mut Nobody).is_ok() {
            serde_json::from_str::<serde_json::Value>(&text)?;
        }
    }
}
