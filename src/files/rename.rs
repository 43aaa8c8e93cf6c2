//! Fields that a file calls otherwise than we do.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::Serializer;
use serde_json::Value;

use super::fields::{FIELDS, nearest_field};

/// What a file's fields are called here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Renames(Vec<(String, &'static str)>);

impl Renames {
    /// Adds `THEIRS=OURS`.
    ///
    /// # Errors
    /// It is not of that form, or we have no such field.
    pub fn add(&mut self, text: &str) -> Result<(), String> {
        let (theirs, ours) = text
            .split_once('=')
            .ok_or_else(|| format!("`{text}` is expected as THEIRS=OURS, such as userId=user_id"))?;
        let (theirs, ours) = (theirs.trim(), ours.trim());
        match FIELDS.iter().find(|field| **field == ours) {
            Some(field) => self.0.push((theirs.to_owned(), field)),
            None => {
                let meant = nearest_field(ours, FIELDS);
                let meant = meant.map(|field| format!("; did you mean `{field}`?")).unwrap_or_default();
                return Err(format!("`{ours}` is no field of an event or an item{meant}"));
            }
        }
        Ok(())
    }

    /// What we call a field.
    pub(super) fn ours<'a>(&self, theirs: &'a str) -> &'a str
    where
        Self: 'a,
    {
        self.0.iter().find(|(name, _)| name == theirs).map_or(theirs, |(_, ours)| *ours)
    }

    /// A JSON object with its fields renamed. What is none is for whoever decodes it to complain about.
    pub(super) fn json(&self, bytes: Vec<u8>) -> Vec<u8> {
        if self.0.is_empty() {
            return bytes;
        }
        let Ok(Fields(fields)) = serde_json::from_slice(&bytes) else { return bytes };
        let renamed = fields.iter().map(|(name, value)| (self.ours(name), value));
        let mut written = Vec::with_capacity(bytes.len());
        let outcome = serde_json::Serializer::new(&mut written).collect_map(renamed);
        outcome.map_or(bytes, |()| written)
    }
}

/// The fields of an object in their order, repeated ones too.
struct Fields(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_renamed_and_nothing_else_is_changed() {
        let mut renames = Renames::default();
        renames.add("userId=user_id").expect("a field");
        renames.add(" when = ts").expect("a field");
        let renamed = |text: &str| String::from_utf8(renames.json(text.into())).expect("UTF-8");
        assert_eq!(
            renamed(r#"{"when": 5, "userId": "u", "x": {"userId": 1.50}, "x": 2}"#),
            r#"{"ts":5,"user_id":"u","x":{"userId":1.5},"x":2}"#
        );
        assert_eq!(renamed("not json"), "not json");
        assert_eq!(Renames::default().json(b"{ }".to_vec()), b"{ }");
    }

    #[test]
    fn a_name_that_we_do_not_have_is_refused_with_the_one_that_was_meant() {
        let refused = |text: &str| Renames::default().add(text).expect_err(text);
        assert_eq!(
            refused("u=userid"),
            "`userid` is no field of an event or an item; did you mean `user_id`?"
        );
        assert_eq!(refused("u=zzz"), "`zzz` is no field of an event or an item");
        assert_eq!(refused("u"), "`u` is expected as THEIRS=OURS, such as userId=user_id");
    }
}
