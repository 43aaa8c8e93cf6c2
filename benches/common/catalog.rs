//! A large catalog, as a shop would put it in: items with a title of 40 bytes, two categories and four
//! attributes, of which one value is the item's own and the others are shared by many.

use headwater::proto;

const CATEGORIES: u32 = 400;
const BRANDS: u32 = 1_000;
const PRICES: u32 = 10_000;
const COLOURS: [&str; 8] = ["black", "white", "red", "blue", "green", "yellow", "grey", "brown"];
/// The catalog has grown over this time, in ms.
const GROWN_OVER: i64 = 90 * 24 * 60 * 60 * 1000;

/// The id of an item.
pub fn item_id(number: u32) -> String {
    format!("item-{number:07}")
}

/// An item of a catalog of `items` that has grown up to `now`.
pub fn item(number: u32, items: u32, now: i64) -> proto::Item {
    let age = GROWN_OVER * i64::from(items - number) / i64::from(items);
    let scattered = number.wrapping_mul(2_654_435_761);
    let category = |shift: u32| format!("category-{:03}", (scattered >> shift) % CATEGORIES);
    let attributes = [
        ("brand", format!("brand-{:03}", (scattered >> 7) % BRANDS)),
        ("colour", COLOURS[scattered as usize % COLOURS.len()].to_owned()),
        ("price", format!("{:.2}", f64::from((scattered >> 5) % PRICES) / 100.0)),
        ("sku", format!("{scattered:010}")),
    ];
    proto::Item {
        item_id: item_id(number),
        categories: vec![category(3), category(13)],
        created_at: Some(prost_types::Timestamp {
            seconds: (now - age).div_euclid(1000),
            nanos: ((now - age).rem_euclid(1000) * 1_000_000) as i32,
        }),
        attributes: attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        title: format!("{:40}", format!("The title of number {number}, in words")),
        ..proto::Item::default()
    }
}
