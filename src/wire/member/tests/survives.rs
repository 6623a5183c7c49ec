//! What must come through an import unharmed: everything, and above all what this version does not know.

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use serde_json::{Map, Value, json};

use super::super::parse;
use super::{recorded, written};

const ID: &str = "7d368843-6f0c-4037-8d0e-b7e36a8a0c32";

/// Reads a line and writes what it holds.
fn through(line: &str) -> String {
    written(&recorded(parse(line.as_bytes()).unwrap_or_else(|invalid| panic!("{line}: {invalid}"))))
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn renaming_never_touches_custom_or_unknown_fields() {
    let line = json!({
        "_id": ID.to_uppercase(),
        "contact": {
            "_id": "kept", "customFields": {
                "custom._id": { "name": "n", "value": { "_id": 1, "_createdDate": null, "id": 2 } },
                "_id": null, "id": "x", "custom.id": [],
            },
            "addresses": [{ "_id": "renamed", "_createdDate": "kept", "streetAddress": { "_id": "kept", "name": "x" } }],
        },
        "profile": { "_id": "kept", "photo": { "_id": "renamed", "_updatedDate": 0 }, "cover": { "_id": "" }, "badge": { "_id": 1 } },
        "_unknown": { "_id": [{ "_createdDate": {} }] },
    });
    let member = json_of(&through(&line.to_string()));
    assert_eq!(member["id"], ID);
    let [contact, profile] = [&member["contact"], &member["profile"]];
    assert_eq!(contact["_id"], "kept");
    assert_eq!(contact["customFields"], line["contact"]["customFields"]);
    let address = json!({ "id": "renamed", "_createdDate": "kept", "streetAddress": { "_id": "kept", "name": "x" } });
    assert_eq!(contact["addresses"], json!([address]));
    assert_eq!(profile["photo"], json!({ "id": "renamed", "_updatedDate": 0 }));
    assert_eq!((&profile["_id"], &profile["cover"]), (&json!("kept"), &json!({ "id": "" })));
    assert_eq!((&profile["badge"], &member["_unknown"]), (&json!({ "_id": 1 }), &line["_unknown"]));
}

#[test]
fn numbers_survive_digit_for_digit_and_space_between_parts_does_not() {
    let value = r#"[1.0, 1.10, 12345678901234567890123, 1e2, -0, 0.1e-7, "a \" b\\", { "x" : [ ] } ]"#;
    let line = format!(r#"{{"id":"{ID}","contact":{{"customFields":{{"a" : {value}}}}},"b":{value}}}"#);
    let squeezed = r#"[1.0,1.10,12345678901234567890123,1e2,-0,0.1e-7,"a \" b\\",{"x":[]}]"#;
    let member = through(&line);
    assert!(member.contains(&format!(r#""customFields":{{"a":{squeezed}}}"#)), "{member}");
    assert!(member.ends_with(&format!(r#","b":{squeezed}}}"#)), "{member}");
}

#[test]
fn null_is_absence_where_a_field_is_known_and_a_value_where_it_is_not() {
    let line = json!({
        "id": ID, "loginEmail": null, "status": null, "contactId": null, "lastLoginDate": null, "createdDate": null,
        "contact": { "phones": null, "firstName": null, "customFields": null, "nick": null }, "profile": null, "x": null,
    });
    let imported = parse(line.to_string().as_bytes()).unwrap();
    assert_eq!((imported.status, imported.created_date, &imported.profile), (None, None, &None));
    let member = json_of(&written(&recorded(imported)));
    assert_eq!(
        member["contact"],
        json!({ "nick": null, "phones": [], "emails": [], "addresses": [], "customFields": {} })
    );
    let keys: Vec<_> = member.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["activityStatus", "contact", "createdDate", "id", "privacyStatus", "status", "updatedDate", "x"]);
}

#[test]
fn a_wrapper_is_only_what_holds_a_member_and_nothing_else() {
    let wrapped = through(&format!(r#"{{"member":{{"_id":"{ID}"}}}}"#));
    assert_eq!(wrapped, through(&format!(r#"{{"id":"{ID}"}}"#)));
    let beside = json_of(&through(&format!(r#"{{"id":"{ID}","member":{{"_id":1}}}}"#)));
    assert_eq!(beside["member"], json!({ "_id": 1 }));
}

#[test]
fn times_are_cut_to_milliseconds_and_their_order_is_nobodys_business() {
    let line = json!({
        "id": ID, "createdDate": "2024-02-22T10:44:37Z", "updatedDate": "2024-02-22T12:44:36.939999999+02:00",
        "lastLoginDate": "2024-02-22T10:44:36.236054Z",
    });
    let member = json_of(&through(&line.to_string()));
    assert_eq!(member["createdDate"], "2024-02-22T10:44:37.000Z");
    assert_eq!(member["updatedDate"], "2024-02-22T10:44:36.939Z");
    assert_eq!(member["lastLoginDate"], "2024-02-22T10:44:36.236Z");
}

fn keys() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-z]{1,3}(\\.[a-z]{1,2})?",
        2 => prop_oneof![Just("_id"), Just("id"), Just("custom.id"), Just("_createdDate"), Just("é\"\\")].prop_map(str::to_owned),
    ]
}

fn values() -> impl Strategy<Value = Value> {
    let leaves = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[ -~é\n]{0,6}".prop_map(Value::from),
    ];
    leaves.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(keys(), inner, 0..4).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn objects() -> impl Strategy<Value = Map<String, Value>> {
    btree_map(keys(), values(), 0..5).prop_map(|fields| fields.into_iter().collect())
}

proptest! {
    #[test]
    fn whatever_a_file_holds_comes_out_again(
        unknown in objects(),
        custom_fields in objects(),
        beside in option::of(values()),
        sdk_names in any::<bool>(),
    ) {
        let names = if sdk_names { ["_id", "_createdDate", "_updatedDate"] } else { ["id", "createdDate", "updatedDate"] };
        let at = "2024-02-22T13:52:00.674Z";
        let address = json!({ names[0]: "a", "unknown": beside });
        let contact = json!({
            "phones": ["1"], "emails": [], "addresses": [address], "customFields": custom_fields, "unknown": beside,
        });
        let mut line = json!({
            names[0]: ID, names[1]: at, names[2]: at, "status": "PENDING", "privacyStatus": "PUBLIC",
            "activityStatus": "MUTED", "contact": contact, "profile": { "nickname": "é", "unknown": beside },
        });
        for (key, value) in unknown.iter().filter(|(key, _)| !["id", "_id", "_createdDate"].contains(&key.as_str())) {
            line[key.as_str()] = value.clone();
        }
        let once = through(&line.to_string());
        assert_eq!(through(&once), once, "read again it is another member");
        let mut expected = line.as_object().cloned().unwrap_or_default();
        for (name, rest) in names.into_iter().zip(["id", "createdDate", "updatedDate"]) {
            let value = expected.remove(name).unwrap_or_default();
            expected.insert(rest.to_owned(), value);
        }
        expected["contact"]["addresses"][0] = json!({ "id": "a", "unknown": beside });
        assert_eq!(json_of(&once), Value::Object(expected));
    }
}
