//! `with_item`: what the catalog has of the items of an answer.

use tonic::Status;

use crate::codec::convert::from_catalog_item;
use crate::proto;
use crate::serving::answer_room::{AnswerRoom, NoRoom};
use crate::serving::convert;
use crate::serving::reader::Reader;

/// What an answer says of an item.
pub(super) trait Listed {
    /// Which item.
    fn item_id(&self) -> &str;

    /// Where what the catalog has of it goes.
    fn item(&mut self) -> &mut Option<Box<proto::Item>>;
}

impl Listed for proto::RankedItem {
    fn item_id(&self) -> &str {
        &self.item_id
    }

    fn item(&mut self) -> &mut Option<Box<proto::Item>> {
        &mut self.item
    }
}

impl Listed for proto::TrendingItem {
    fn item_id(&self) -> &str {
        &self.item_id
    }

    fn item(&mut self) -> &mut Option<Box<proto::Item>> {
        &mut self.item
    }
}

/// Adds to listed items what the catalog has of each.
pub(super) fn add_items(
    reader: &Reader,
    listed: &mut [impl Listed],
    room: &mut AnswerRoom,
) -> Result<(), NoRoom> {
    let known = reader.items(listed.iter().map(Listed::item_id));
    for (listed, known) in listed.iter_mut().zip(known) {
        let Some(item) = known.map(|item| from_catalog_item(&item)) else { continue };
        room.take(&item)?;
        *listed.item() = Some(Box::new(item));
    }
    Ok(())
}

/// A list whose items do not fit.
pub(super) fn too_many(error: NoRoom) -> Status {
    convert::invalid("n", format!("items with `with_item` take {error}: ask for fewer"))
}
