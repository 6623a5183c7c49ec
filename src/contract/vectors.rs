//! The test vectors: written by hand, carried by the program so that it can hand them out.

/// The files, by their names.
pub(super) const FILES: [(&str, &str); 6] = [
    ("decisions.json", include_str!("../../contract/v1/vectors/decisions.json")),
    ("events.json", include_str!("../../contract/v1/vectors/events.json")),
    ("profiles.json", include_str!("../../contract/v1/vectors/profiles.json")),
    ("requests-invalid.json", include_str!("../../contract/v1/vectors/requests-invalid.json")),
    ("requests-valid.json", include_str!("../../contract/v1/vectors/requests-valid.json")),
    ("webhooks.json", include_str!("../../contract/v1/vectors/webhooks.json")),
];
