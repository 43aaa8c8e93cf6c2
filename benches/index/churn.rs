//! A catalog that changes while nobody acts on anything: items come, and others get another title, other
//! categories, another age, or can't be had for a while.

use std::time::{Duration, Instant};

use headwater::clock::wall_clock;
use headwater::proto;

use super::catalog;
use super::fill::put;
use super::sandbox::service::Clients;

/// Of those that are there, one each so often; and in each of so many of these steps a new one.
const STEP: Duration = Duration::from_millis(100);
const STEPS_A_NEW_ITEM: u32 = 10;

/// Changes a catalog of `items` at a steady pace for so long, the same whatever its size.
pub async fn churn(clients: &Clients, items: u32, length: Duration) {
    let mut ticks = tokio::time::interval(STEP);
    let (started, mut step) = (Instant::now(), 0_u32);
    while started.elapsed() < length {
        ticks.tick().await;
        let mut changes = vec![changed(step, items)];
        if step.is_multiple_of(STEPS_A_NEW_ITEM) {
            let like = catalog::item(scattered(step, items), items, wall_clock());
            changes.push(proto::Item { item_id: format!("{}-{step}", like.item_id), ..like });
        }
        put(clients, changes).await;
        step += 1;
    }
}

/// Another item in each step, and each of its fields in turn.
fn changed(step: u32, items: u32) -> proto::Item {
    let (number, now) = (scattered(step, items), wall_clock());
    let item = catalog::item(number, items, now);
    let other = catalog::item((number + 1) % items, items, now);
    match step % 4 {
        0 => proto::Item { title: format!("{} for now", item.title.trim()), ..item },
        1 => proto::Item { categories: other.categories, ..item },
        2 => proto::Item { available: Some(false), ..item },
        _ => proto::Item { created_at: catalog::item(items - 1, items, now).created_at, ..item },
    }
}

fn scattered(step: u32, items: u32) -> u32 {
    (u64::from(step) * 7_919 % u64::from(items)) as u32
}
