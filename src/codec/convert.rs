//! Events and items between the wire's types and the engine's, for all who meet both.
//!
//! On the wire an empty string is an absent one. Nothing is checked here but what the engine's
//! types can't hold: `check` of the draft and of the item does the rest.

use std::borrow::Cow;

use crate::engine::events::catalog_item::CatalogItem;
use crate::engine::events::event::{EventDraft, Timestamp};
use crate::engine::events::item::Item;
use crate::proto;

/// A `google.protobuf.Timestamp` that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` has {nanos} nanos, expected 0 to 999999999")]
pub struct InvalidTime {
    /// The field that holds it.
    pub field: &'static str,
    /// What was sent.
    pub nanos: i32,
}

/// The draft of an event, borrowed from the message.
///
/// # Errors
/// Its time is no time.
pub fn event_draft(event: &proto::Event) -> Result<EventDraft<'_>, InvalidTime> {
    Ok(EventDraft {
        event_id: text(&event.event_id),
        user_id: text(&event.user_id),
        item_id: text(&event.item_id),
        kind: text(&event.r#type),
        ts: event.ts.as_ref().map(|ts| millis("ts", ts)).transpose()?,
        value: event.value,
        session_id: text(&event.session_id),
        surface: text(&event.surface),
        recommendation_id: text(&event.recommendation_id),
        categories: event.categories.iter().map(|category| Cow::Borrowed(category.as_str())).collect(),
    })
}

/// The draft of an event, taken out of the message.
///
/// # Errors
/// Its time is no time.
pub fn into_event_draft(event: proto::Event) -> Result<EventDraft<'static>, InvalidTime> {
    Ok(EventDraft {
        ts: event.ts.as_ref().map(|ts| millis("ts", ts)).transpose()?,
        event_id: owned(event.event_id),
        user_id: owned(event.user_id),
        item_id: owned(event.item_id),
        kind: owned(event.r#type),
        value: event.value,
        session_id: owned(event.session_id),
        surface: owned(event.surface),
        recommendation_id: owned(event.recommendation_id),
        categories: event.categories.into_iter().map(Cow::Owned).collect(),
    })
}

/// The message of an event.
pub fn from_event_draft(draft: &EventDraft<'_>) -> proto::Event {
    let text = |text: &Option<Cow<'_, str>>| text.as_deref().unwrap_or_default().to_owned();
    proto::Event {
        event_id: text(&draft.event_id),
        user_id: text(&draft.user_id),
        item_id: text(&draft.item_id),
        r#type: text(&draft.kind),
        ts: draft.ts.map(|ts| from_time(Timestamp(ts))),
        value: draft.value,
        session_id: text(&draft.session_id),
        surface: text(&draft.surface),
        recommendation_id: text(&draft.recommendation_id),
        categories: draft.categories.iter().map(|category| category.clone().into_owned()).collect(),
    }
}

/// An item that is not checked yet.
///
/// # Errors
/// One of its times is no time.
pub fn into_item(item: proto::Item) -> Result<Item, InvalidTime> {
    let time = |field, time: Option<prost_types::Timestamp>| {
        time.map(|time| millis(field, &time).map(Timestamp)).transpose()
    };
    Ok(Item {
        created_at: time("created_at", item.created_at)?,
        expires_at: time("expires_at", item.expires_at)?,
        item_id: item.item_id,
        categories: item.categories,
        available: item.available.unwrap_or(true),
        attributes: item.attributes.into_iter().collect(),
        title: (!item.title.is_empty()).then_some(item.title),
    })
}

/// The message of an item.
pub fn from_item(item: &Item) -> proto::Item {
    proto::Item {
        item_id: item.item_id.clone(),
        categories: item.categories.clone(),
        created_at: item.created_at.map(from_time),
        expires_at: item.expires_at.map(from_time),
        available: Some(item.available),
        attributes: item.attributes.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
        title: item.title.clone().unwrap_or_default(),
    }
}

/// The message of an item that a catalog has.
pub fn from_catalog_item(item: &CatalogItem) -> proto::Item {
    proto::Item {
        item_id: item.item_id().to_string(),
        categories: item.categories().iter().map(|name| name.to_string()).collect(),
        created_at: item.created_at().map(from_time),
        expires_at: item.expires_at().map(from_time),
        available: Some(item.available()),
        attributes: item.attributes().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        title: item.title().unwrap_or_default().to_owned(),
    }
}

/// The message of an instant.
pub fn from_time(time: Timestamp) -> prost_types::Timestamp {
    let nanos = time.0.rem_euclid(1000) * 1_000_000;
    prost_types::Timestamp { seconds: time.0.div_euclid(1000), nanos: i32::try_from(nanos).unwrap_or(0) }
}

/// Milliseconds since the epoch, rounded down; as far as time goes where the seconds go further.
///
/// # Errors
/// The nanoseconds are no part of a second.
pub fn millis(field: &'static str, time: &prost_types::Timestamp) -> Result<i64, InvalidTime> {
    match time.nanos {
        0..=999_999_999 => {
            Ok(time.seconds.saturating_mul(1000).saturating_add(i64::from(time.nanos) / 1_000_000))
        }
        nanos => Err(InvalidTime { field, nanos }),
    }
}

fn text(text: &str) -> Option<Cow<'_, str>> {
    (!text.is_empty()).then_some(Cow::Borrowed(text))
}

fn owned(text: String) -> Option<Cow<'static, str>> {
    (!text.is_empty()).then_some(Cow::Owned(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_strings_of_an_event_are_absent() {
        let event = proto::Event { user_id: "u".into(), ..proto::Event::default() };
        let expected = EventDraft { user_id: Some("u".into()), ..EventDraft::default() };
        assert_eq!(event_draft(&event), Ok(expected.clone()));
        assert_eq!(into_event_draft(event), Ok(expected));
    }

    #[test]
    fn an_event_comes_back_as_it_was() {
        let draft = EventDraft {
            event_id: Some("e".into()),
            user_id: Some("u".into()),
            item_id: Some("i".into()),
            kind: Some("click".into()),
            ts: Some(1_700_000_000_123),
            value: Some(2.5),
            session_id: Some("s".into()),
            surface: Some("home".into()),
            recommendation_id: Some("r".into()),
            categories: vec!["a".into(), "b".into()],
        };
        let message = from_event_draft(&draft);
        assert_eq!(event_draft(&message), Ok(draft.clone()));
        assert_eq!(into_event_draft(message), Ok(draft));
    }

    #[test]
    fn times_before_the_epoch_survive_both_ways() {
        for time in [-62_135_596_800_000, -1, 0, 999, 1_700_000_000_123] {
            let message = from_time(Timestamp(time));
            assert_eq!(millis("created_at", &message), Ok(time), "{message:?}");
        }
    }

    #[test]
    fn a_time_that_is_none_is_named() {
        let ts = Some(prost_types::Timestamp { seconds: 1, nanos: -1 });
        let event = proto::Event { ts, ..proto::Event::default() };
        let message = event_draft(&event).expect_err("no time").to_string();
        assert_eq!(message, "`ts` has -1 nanos, expected 0 to 999999999");
    }

    #[test]
    fn an_item_comes_back_as_it_was() {
        let mut item = Item::new("i", ["a", "b"]);
        item.available = false;
        item.created_at = Some(Timestamp(-5));
        item.attributes.insert("lang".into(), "en".into());
        item.title = Some("I".into());
        assert_eq!(into_item(from_item(&item)), Ok(item));
        let unset = proto::Item { item_id: "i".into(), ..proto::Item::default() };
        assert!(into_item(unset).expect("valid").available);
    }
}
