//! `CatalogService`.

use std::collections::HashSet;
use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::codec::convert::{from_catalog_item, into_item};
use crate::codec::{item_deletion, item_record};
use crate::log::{NewRecord, Topic};
use crate::proto;
use crate::proto::catalog_service_server::CatalogService;
use crate::serving::answer_room::AnswerRoom;
use crate::serving::appender::Appender;
use crate::serving::calls::Calls;
use crate::serving::convert;
use crate::serving::reader::Reader;
use crate::telemetry::{Call, Rpc};

/// The most items that can be asked for at once.
const MAX_ITEMS: usize = 1000;

/// Keeps the items that can be recommended.
pub struct Catalog {
    pub calls: Arc<Calls>,
    pub reader: Reader,
    pub appender: Appender,
}

#[tonic::async_trait]
impl CatalogService for Catalog {
    async fn put_items(
        &self,
        request: Request<proto::PutItemsRequest>,
    ) -> Result<Response<proto::PutItemsResponse>, Status> {
        self.calls.run(&Call::of(Rpc::PutItems), self.put(request.into_inner())).await
    }

    async fn delete_items(
        &self,
        request: Request<proto::DeleteItemsRequest>,
    ) -> Result<Response<proto::DeleteItemsResponse>, Status> {
        self.calls.run(&Call::of(Rpc::DeleteItems), self.delete(request.into_inner())).await
    }

    async fn get_item(
        &self,
        request: Request<proto::GetItemRequest>,
    ) -> Result<Response<proto::GetItemResponse>, Status> {
        self.calls.run(&Call::of(Rpc::GetItem), async { self.get(&request.into_inner().item_id) }).await
    }

    async fn get_items(
        &self,
        request: Request<proto::GetItemsRequest>,
    ) -> Result<Response<proto::GetItemsResponse>, Status> {
        self.calls.run(&Call::of(Rpc::GetItems), async { self.get_many(request.into_inner()) }).await
    }
}

impl Catalog {
    async fn put(&self, request: proto::PutItemsRequest) -> Result<proto::PutItemsResponse, Status> {
        convert::count("items", request.items.len(), convert::MAX_BATCH)?;
        let mut records = Vec::with_capacity(request.items.len());
        for (index, item) in request.items.into_iter().enumerate() {
            let wrong = |error: String| Status::invalid_argument(format!("`items[{index}]`: {error}"));
            let item = into_item(item).map_err(|error| wrong(error.to_string()))?;
            records.push(item_record(&item.check().map_err(|error| wrong(error.to_string()))?));
        }
        self.find_room(&records)?;
        Ok(proto::PutItemsResponse { accepted: self.appender.append(Topic::Items, records).await? })
    }

    /// Whether new items among these fit into the catalog, as far as it is known now: those that it has no room for
    /// when they come out of the log are dropped there.
    fn find_room(&self, records: &[NewRecord]) -> Result<(), Status> {
        let state = self.reader.state();
        let (catalog, most) = (state.catalog(), state.config().limits.items);
        let new: HashSet<&[u8]> = records.iter().map(|record| &*record.key).collect();
        let is_known = |key: &&&[u8]| std::str::from_utf8(key).is_ok_and(|id| catalog.get(id).is_some());
        let new = new.len() - new.iter().filter(is_known).count();
        if new > 0 && catalog.len() + new > most {
            return Err(Status::failed_precondition(format!(
                "the catalog holds {} items and `limits.items` is {most}: there is no room for {new} new ones. Delete \
                 items that nobody wants any more, or raise the limit",
                catalog.len()
            )));
        }
        Ok(())
    }

    async fn delete(&self, request: proto::DeleteItemsRequest) -> Result<proto::DeleteItemsResponse, Status> {
        convert::ids("item_ids", &request.item_ids, convert::MAX_BATCH)?;
        let records = request.item_ids.iter().map(|item_id| item_deletion(item_id)).collect();
        Ok(proto::DeleteItemsResponse { accepted: self.appender.append(Topic::Items, records).await? })
    }

    fn get(&self, item_id: &str) -> Result<proto::GetItemResponse, Status> {
        convert::required("item_id", item_id)?;
        let unknown = || Status::not_found(format!("`item_id` is `{item_id}`, which is not in the catalog"));
        let item = self.reader.items([item_id].into_iter()).pop().flatten().ok_or_else(unknown)?;
        Ok(proto::GetItemResponse { item: Some(from_catalog_item(&item)) })
    }

    fn get_many(&self, request: proto::GetItemsRequest) -> Result<proto::GetItemsResponse, Status> {
        convert::ids("item_ids", &request.item_ids, MAX_ITEMS)?;
        let known = self.reader.items(request.item_ids.iter().map(String::as_str));
        let (mut answer, mut room) = (proto::GetItemsResponse::default(), AnswerRoom::empty());
        // As much as all of them take if none is known.
        room.reserve(request.item_ids.iter().map(|item_id| item_id.len() + 4).sum());
        for (item_id, known) in request.item_ids.into_iter().zip(known) {
            let Some(item) = known.map(|item| from_catalog_item(&item)) else {
                answer.unknown_item_ids.push(item_id);
                continue;
            };
            let full = |error| convert::invalid("item_ids", format!("names items of {error}: ask for fewer"));
            room.take(&item).map_err(full)?;
            answer.items.push(item);
        }
        Ok(answer)
    }
}
