//! Several processes that share the partitions of one topic: each answers for what it holds and says
//! so for what it does not, and a partition's state moves with it, whoever comes, goes or hangs.

mod sandbox;

use std::path::PathBuf;

use prost::Message;
use sandbox::kafka::Broker;
use sandbox::messages::{profile, recommend, trending};
use sandbox::s3::S3;
use sandbox::service::{Clients, Home, Process, until};
use sandbox::world::World;
use tonic::{Code, Status};

const PARTITIONS: u64 = 4;

/// Processes on the same topics, in one group.
struct Group {
    first: Home,
    snapshots: PathBuf,
}

impl Group {
    async fn new() -> Self {
        let broker = tokio::task::spawn_blocking(Broker::shared).await.expect("a broker");
        let first = Home::on_kafka(broker).set("kafka.partitions", PARTITIONS.to_string());
        let snapshots = first.path("shared");
        Self { first, snapshots }
    }

    /// A process that takes all partitions, with snapshots of its own.
    async fn alone(&self) -> Process {
        self.first.spawn().await
    }

    /// A home for one more member of the group. Only what moves a partition writes snapshots.
    fn home(&self) -> Home {
        let topics = self.first.topics();
        Home::on_journal()
            .set("kafka.brokers", &Broker::shared().address)
            .set("kafka.properties.group.id", &topics.clicks)
            .set("kafka.properties.session.timeout.ms", "6000")
            .set("kafka.clicks_topic", topics.clicks)
            .set("kafka.items_topic", topics.items)
            .set("kafka.assignment", "group")
            .set("snapshot.url", self.snapshots.to_str().expect("a UTF-8 path"))
            .set("snapshot.interval", "1h")
    }
}

/// Waits until the members are ready and hold so many partitions each.
async fn until_held(members: &[&Process], expected: &[u64]) {
    until(&format!("{expected:?} partitions to be held"), async || {
        let mut held = Vec::new();
        for member in members {
            held.push(member.metrics().await.sum("headwater_partitions_held"));
            if !member.is_ready().await {
                return None;
            }
        }
        held.sort_unstable();
        (held == expected).then_some(())
    })
    .await;
}

/// What a member says of a user: a profile as bytes, or why there is none.
async fn ask(member: &Clients, user: &str, as_of: i64) -> Result<Vec<u8>, Status> {
    let answer = member.profiles().get_profile(profile(user, Some(as_of))).await;
    answer.map(|answer| answer.into_inner().encode_to_vec())
}

/// Waits until each user's profile is what the process says that was never disturbed, from the one
/// member that has it, while the others say that they have not.
async fn until_equal(world: &World, members: &[&Process], alone: &Process) {
    for user in (0..40).map(|user| format!("u{user}")) {
        let expected = ask(alone, &user, world.end()).await.expect("a profile");
        until(&format!("the profile of {user}"), async || {
            let mut answers = Vec::new();
            for member in members {
                match ask(member, &user, world.end()).await {
                    Ok(answer) => answers.push(answer),
                    // Unavailable: it is just being restored there.
                    Err(refusal) => assert!(
                        matches!(refusal.code(), Code::FailedPrecondition | Code::Unavailable),
                        "{refusal}"
                    ),
                }
            }
            assert!(answers.len() <= 1, "{} answers about {user}", answers.len());
            (answers.first() == Some(&expected)).then_some(())
        })
        .await;
    }
}

async fn publish(world: &World, member: &Process, alone: &Process, range: std::ops::Range<usize>) {
    let request = headwater::proto::PublishRequest { events: world.events[range.clone()].to_vec() };
    let published = member.events().publish(request).await.expect("published").into_inner();
    assert_eq!(published.accepted as usize, range.len());
    alone.until_events(range.end as u64).await;
}

/// Where the partitions began that a process has taken on.
fn recovered(log: &str) -> Vec<u64> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let recovered = lines.filter(|line| line["fields"]["message"] == "partition recovered");
    recovered.map(|line| line["fields"]["next_offset"].as_u64().expect("an offset")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_process_answers_for_what_it_holds_and_names_the_owner_of_what_it_does_not() {
    let (world, group) = (World::small(), Group::new().await);
    let alone = group.alone().await;
    world.put_items(&alone).await;
    let (one, two) = (group.home(), group.home());
    let (one, two) = (one.spawn().await, two.spawn().await);
    until_held(&[&one, &two], &[2, 2]).await;
    publish(&world, &one, &alone, 0..1000).await;
    until_equal(&world, &[&one, &two], &alone).await;

    let address = |process: &Process| process.grpc.to_string();
    for user in (0..40).map(|user| format!("u{user}")) {
        let here = ask(&one, &user, world.end()).await.is_ok();
        let (owner, other) = if here { (&one, &two) } else { (&two, &one) };
        // The group is asked now and then who has what.
        let refusal = until("the owner to be known", async || {
            let refusal = ask(other, &user, world.end()).await.expect_err("it lives elsewhere");
            let named = refusal.metadata().get("headwater-owner")?;
            (named == &*address(owner)).then_some(refusal)
        })
        .await;
        assert_eq!(refusal.code(), Code::FailedPrecondition);
        let message = refusal.message();
        assert!(message.starts_with("`user_id` lives in partition "), "{message}");
        assert!(message.ends_with(&format!("which is not held here: ask {}", address(owner))), "{message}");
        let refusal = other.recommender().recommend(recommend(&user, 5, None)).await.expect_err("elsewhere");
        assert_eq!(refusal.code(), Code::FailedPrecondition, "{refusal}");
        assert!(owner.recommender().recommend(recommend(&user, 5, None)).await.is_ok());
    }

    // What concerns nobody in particular is answered from what is here, and that is said.
    let popular = one.recommender().recommend(recommend("", 5, Some(world.end()))).await.expect("an answer");
    let expected = "popularity, trending and what people turn to next count 2 of 4 partitions: other processes hold the rest";
    assert_eq!(popular.get_ref().degraded_reason, expected);
    let answer = one.recommender().trending(trending(5, Some(world.end()))).await.expect("an answer");
    assert_eq!((answer.get_ref().degraded, &*answer.get_ref().degraded_reason), (true, expected));
    let all = alone.recommender().trending(trending(5, Some(world.end()))).await.expect("an answer");
    assert!(!all.get_ref().degraded);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partitions_state_moves_with_it_when_processes_come_go_and_die() {
    let (world, group) = (World::small(), Group::new().await);
    let alone = group.alone().await;
    world.put_items(&alone).await;
    let homes = [(); 3].map(|()| group.home());
    let one = homes[0].spawn().await;
    until_held(&[&one], &[4]).await;
    publish(&world, &one, &alone, 0..1000).await;
    until_equal(&world, &[&one], &alone).await;

    let two = homes[1].spawn().await;
    until_held(&[&one, &two], &[2, 2]).await;
    until_equal(&world, &[&one, &two], &alone).await;
    let from = recovered(&two.log());
    assert!(from.len() == 2 && !from.contains(&0), "it began from what the first had written: {from:?}");
    publish(&world, &two, &alone, 1000..2000).await;
    until_equal(&world, &[&one, &two], &alone).await;

    let three = homes[2].spawn().await;
    until_held(&[&one, &two, &three], &[1, 1, 2]).await;
    publish(&world, &three, &alone, 2000..3000).await;
    assert_eq!(two.terminate().await.code(), Some(0));
    until_held(&[&one, &three], &[2, 2]).await;
    until_equal(&world, &[&one, &three], &alone).await;

    publish(&world, &three, &alone, 3000..3500).await;
    one.signal("KILL");
    one.wait().await;
    publish(&world, &three, &alone, 3500..world.events.len()).await;
    until_held(&[&three], &[4]).await;
    until_equal(&world, &[&three], &alone).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_hangs_is_replaced_and_harms_nothing_when_it_wakes_up() {
    let (world, group) = (World::small(), Group::new().await);
    let alone = group.alone().await;
    world.put_items(&alone).await;
    let (one, two) = (group.home(), group.home());
    let (one, two) = (one.spawn().await, two.spawn().await);
    until_held(&[&one, &two], &[2, 2]).await;
    publish(&world, &one, &alone, 0..2000).await;
    until_equal(&world, &[&one, &two], &alone).await;

    two.signal("STOP");
    until_held(&[&one], &[4]).await;
    publish(&world, &one, &alone, 2000..3000).await;
    until_equal(&world, &[&one], &alone).await;

    two.signal("CONT");
    until("the hung process to notice", async || {
        let metrics = two.metrics().await;
        (metrics.with("headwater_partition_moves_total", "lost") > 0).then_some(())
    })
    .await;
    until_held(&[&one, &two], &[2, 2]).await;
    publish(&world, &two, &alone, 3000..world.events.len()).await;
    until_equal(&world, &[&one, &two], &alone).await;
    // What one has written last is newer than all that the other had: nothing was put back.
    assert_eq!(two.terminate().await.code(), Some(0));
    until_held(&[&one], &[4]).await;
    until_equal(&world, &[&one], &alone).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_that_waits_for_the_object_store_is_told_when_it_begins_and_when_it_is_over() {
    let (group, mut s3) = (Group::new().await, S3::start());
    // So that topics are there before the group meets.
    drop(group.alone().await);
    let home = || {
        let home = s3.keeps(group.home(), "shared").set("snapshot.s3_timeout", "1s");
        home.set("telemetry.log", "info,headwater=debug")
    };
    let (one, two) = (home(), home());
    let (one, two) = (one.spawn().await, two.spawn().await);
    until_held(&[&one, &two], &[2, 2]).await;
    s3.stop();
    two.signal("KILL");
    two.wait().await;
    let count = |text: &str| one.log().lines().filter(|line| line.contains(text)).count();
    until("some tries", async || (count("partitions still can't be restored") >= 3).then_some(())).await;
    s3.resume();
    until_held(&[&one], &[4]).await;
    assert_eq!(count("partitions can't be restored, trying again"), 1, "{}", one.log());
    assert_eq!(count("partitions can be restored again after "), 1, "{}", one.log());
    let warned = one.log().lines().filter(|line| line.contains("WARN") && line.contains("restored")).count();
    assert!(warned <= 3, "{}", one.log());
}
