//! The whole service against a naive oracle, through a real Kafka and through the journal: profile,
//! popularity counts, trends, explanations and lists, asked over gRPC on the way through a stream.
//!
//! A generated stream with late and duplicate events always runs. The real clickstreams run where
//! the folder that `HEADWATER_TEST_DATA` names (`../shared/data`) is there.

mod oracle;
mod sandbox;

#[path = "real_input/compare.rs"]
mod compare;
#[path = "real_input/data.rs"]
mod data;
#[path = "real_input/feed.rs"]
mod feed;
#[path = "real_input/trial.rs"]
mod trial;

use trial::Trial;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_generated_stream_gives_the_answers_of_the_oracle_from_kafka_and_from_the_journal() {
    let mut trial = Trial::start("generated", data::generated()).await;
    trial.run(30, 25).await;
    assert!(trial.fates("late") > 0 && trial.fates("duplicate") > 0, "the stream is not hard enough");
    trial.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_news_clicks_give_the_answers_of_the_oracle_from_kafka_and_from_the_journal() {
    let Some(data) = data::real("news") else { return };
    let mut trial = Trial::start("news", data).await;
    trial.run(40, 18).await;
    trial.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_movie_ratings_give_the_answers_of_the_oracle_from_kafka_and_from_the_journal() {
    let Some(data) = data::real("movies") else { return };
    let mut trial = Trial::start("movies", data).await;
    trial.run(40, 20).await;
    trial.finish().await;
}
