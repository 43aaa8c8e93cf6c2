//! The RPCs that calls are counted and told by.

/// An RPC of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rpc {
    /// `RecommenderService`
    Recommend,
    /// `RecommenderService`
    BatchRecommend,
    /// `RecommenderService`
    Trending,
    /// `RecommenderService`
    Explain,
    /// `EventService`
    Publish,
    /// `CatalogService`
    PutItems,
    /// `CatalogService`
    DeleteItems,
    /// `CatalogService`
    GetItem,
    /// `CatalogService`
    GetItems,
    /// `ProfileService`
    GetProfile,
    /// `ModelService`
    ListModels,
    /// `ModelService`
    GetModel,
    /// `StatusService`
    GetStatus,
}

impl Rpc {
    /// Each, at the index that `as usize` gives.
    pub const ALL: [Self; 13] = [
        Self::Recommend,
        Self::BatchRecommend,
        Self::Trending,
        Self::Explain,
        Self::Publish,
        Self::PutItems,
        Self::DeleteItems,
        Self::GetItem,
        Self::GetItems,
        Self::GetProfile,
        Self::ListModels,
        Self::GetModel,
        Self::GetStatus,
    ];

    /// Its name in the protocol.
    pub fn name(self) -> &'static str {
        match self {
            Self::Recommend => "Recommend",
            Self::BatchRecommend => "BatchRecommend",
            Self::Trending => "Trending",
            Self::Explain => "Explain",
            Self::Publish => "Publish",
            Self::PutItems => "PutItems",
            Self::DeleteItems => "DeleteItems",
            Self::GetItem => "GetItem",
            Self::GetItems => "GetItems",
            Self::GetProfile => "GetProfile",
            Self::ListModels => "ListModels",
            Self::GetModel => "GetModel",
            Self::GetStatus => "GetStatus",
        }
    }
}
