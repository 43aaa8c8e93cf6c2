//! What the fields of rows are called.

/// The fields of events and of items.
pub(super) const FIELDS: &[&str] = &[
    "user_id",
    "item_id",
    "type",
    "ts",
    "event_id",
    "value",
    "session_id",
    "surface",
    "recommendation_id",
    "categories",
    "created_at",
    "expires_at",
    "available",
    "attributes",
    "title",
];

/// The field that was most likely meant by a name that is none.
pub(super) fn nearest_field(name: &str, fields: &[&'static str]) -> Option<&'static str> {
    /// So alike are `category` and `categories`, and `user` and `user_id`; `time` and `title` are not.
    const ALIKE: f64 = 0.9;
    let plain = |name: &str| -> String {
        name.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let wanted = plain(name);
    let alike = fields.iter().map(|field| (strsim::jaro_winkler(&wanted, &plain(field)), *field));
    let best = alike.max_by(|left, right| left.0.total_cmp(&right.0))?;
    (best.0 >= ALIKE).then_some(best.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_nearly_ours_is_known_and_another_is_not() {
        for (name, meant) in [
            ("category", "categories"),
            ("userId", "user_id"),
            ("User ID", "user_id"),
            ("user", "user_id"),
            ("created", "created_at"),
            ("typ", "type"),
        ] {
            assert_eq!(nearest_field(name, FIELDS), Some(meant), "{name}");
        }
        for name in ["time", "mood", "genres", "price", ""] {
            assert_eq!(nearest_field(name, FIELDS), None, "{name}");
        }
        assert_eq!(nearest_field("created_src", &["categories", "expires_at"]), None);
    }
}
