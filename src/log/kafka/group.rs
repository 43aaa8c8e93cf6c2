//! Membership in a consumer group, which says which partitions this process is to read.
//!
//! The member's own consumer reads nothing: what it is assigned it pauses at once, and readers are
//! assigned by hand as they are without a group. So it makes no difference to a reader how its
//! partitions were chosen, and a member that is thrown out of the group can harm nobody. It also
//! commits: the coordinator refuses the commits of those who are not in the group any more.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset as KafkaOffset, TopicPartitionList};
use tokio::sync::{mpsc, oneshot};

use crate::background::forever;
use crate::log::kafka::admin;
use crate::log::kafka::context::{self, Aside};
use crate::log::kafka::numbers;
use crate::log::kafka::owners::{Owners, owners};
use crate::log::kafka::settings;
use crate::log::kafka::settings::KafkaSettings;
use crate::log::membership::{Change, Notice};
use crate::log::{LogError, Offset, Partition, Topic};
use crate::telemetry::LogTrouble;

/// How long a poll waits: how soon a wish to leave is noticed.
const POLL: Duration = Duration::from_millis(100);
/// How often the group is asked who has what.
const ASK: Duration = Duration::from_secs(2);
/// How long leaving may take.
const LEAVE: Duration = Duration::from_secs(5);

type Notices = mpsc::Sender<Notice>;

/// A member of a group.
pub struct GroupMember {
    consumer: Arc<Aside<BaseConsumer<Member>>>,
    address: String,
    owners: Arc<ArcSwap<Owners>>,
    leave: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl GroupMember {
    /// Joins. What the group decides is sent to `notices`; `address` is where others send those who
    /// ask for what this process has.
    pub fn join(
        settings: &KafkaSettings,
        address: &str,
        notices: Notices,
        trouble: &Arc<LogTrouble>,
    ) -> Result<Self, LogError> {
        let topic = settings.name(Topic::Clicks).to_owned();
        let what = format!("joining the group that reads `{topic}`");
        let config = settings::member(settings, address)?;
        let group = config.get("group.id").unwrap_or_default().to_owned();
        let lost = Arc::new(AtomicBool::new(false));
        let owners = Arc::new(ArcSwap::<Owners>::default());
        let consumer: BaseConsumer<Member> = config
            .create_with_context(Member {
                topic: topic.clone(),
                notices: notices.clone(),
                lost: Arc::clone(&lost),
                owners: Arc::clone(&owners),
                trouble: Arc::clone(trouble),
            })
            .map_err(|error| admin::classify(error, &what))?;
        consumer.subscribe(&[&topic]).map_err(|error| admin::classify(error, &what))?;
        let (consumer, leave) = (Arc::new(Aside::from(consumer)), Arc::new(AtomicBool::new(false)));
        let following = Following {
            consumer: Arc::clone(&consumer),
            notices,
            owners: Arc::clone(&owners),
            leave: Arc::clone(&leave),
            lost,
            trouble: Arc::clone(trouble),
            group,
            topic,
        };
        let told = following.notices.clone();
        let panicked = move || {
            let why = "what follows the group has panicked, as the log says above: start the service again";
            tell(&told, Change::Ended(LogError::Fatal(why.to_owned())));
        };
        let thread = forever("group", move || following.run(), panicked)
            .map_err(|error| LogError::Fatal(format!("{what}: {error}")))?;
        Ok(Self { consumer, address: address.to_owned(), owners, leave, thread: Mutex::new(Some(thread)) })
    }

    /// Which other member has a partition, as the group said last.
    pub fn owner(&self, partition: Partition) -> Option<String> {
        self.owners.load().get(&partition).filter(|owner| **owner != self.address).cloned()
    }

    /// Commits, if the group still takes it from us.
    pub fn commit(&self, list: &TopicPartitionList) -> Result<(), KafkaError> {
        self.consumer.commit(list, CommitMode::Async)
    }

    /// What the group was last told of a partition: where whoever had it would go on.
    pub fn committed(&self, topic: &str, partition: Partition) -> Result<Option<Offset>, LogError> {
        let number = numbers::to_kafka(partition)?;
        let what = format!("what was committed of partition {partition} of `{topic}`");
        let failed = |error| admin::classify(error, &what);
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, number, KafkaOffset::Invalid).map_err(failed)?;
        let told = self.consumer.committed_offsets(list, admin::TIMEOUT).map_err(failed)?;
        match told.find_partition(topic, number).map(|element| element.offset()) {
            Some(KafkaOffset::Offset(offset)) => Ok(numbers::offset(offset)),
            _ => Ok(None),
        }
    }

    /// Leaves, so that others need not wait until this member is missed. May take seconds.
    pub fn leave(&self) {
        self.leave.store(true, Ordering::Release);
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // What it panics with has been caught: then nobody is left to leave in order, and others wait until
            // this member is missed.
            let _ = thread.join();
        }
    }
}

/// The thread that follows what the group says.
struct Following {
    consumer: Arc<Aside<BaseConsumer<Member>>>,
    notices: Notices,
    owners: Arc<ArcSwap<Owners>>,
    leave: Arc<AtomicBool>,
    /// The membership was lost: what is known of owners is of before.
    lost: Arc<AtomicBool>,
    trouble: Arc<LogTrouble>,
    group: String,
    topic: String,
}

impl Following {
    fn run(self) {
        let mut ask_at = Instant::now();
        while !self.leave.load(Ordering::Acquire) {
            match self.consumer.poll(POLL) {
                None | Some(Ok(_) | Err(KafkaError::PartitionEOF(_))) => {}
                Some(Err(error)) => {
                    if !self.go_on(error) {
                        return;
                    }
                }
            }
            if self.lost.swap(false, Ordering::AcqRel) || Instant::now() >= ask_at {
                self.ask();
                ask_at = Instant::now() + ASK;
            }
        }
        self.depart();
    }

    /// False where the membership is over.
    fn go_on(&self, error: KafkaError) -> bool {
        match admin::classify(error, &format!("in the group that reads `{}`", self.topic)) {
            LogError::Unavailable(error) => {
                self.trouble.failed("group", &error);
                true
            }
            error => {
                tell(&self.notices, Change::Ended(error));
                false
            }
        }
    }

    fn ask(&self) {
        match self.consumer.fetch_group_list(Some(&self.group), POLL * 10) {
            Ok(list) => self.owners.store(Arc::new(owners(&list, &self.topic))),
            Err(error) => tracing::debug!(%error, "can't ask who has what"),
        }
    }

    fn depart(&self) {
        if !context::close(&self.consumer, LEAVE) {
            tracing::warn!("the group has not answered that it was left");
        }
    }
}

/// Passes on what the group decides, on the thread that polls.
struct Member {
    topic: String,
    notices: Notices,
    lost: Arc<AtomicBool>,
    owners: Arc<ArcSwap<Owners>>,
    trouble: Arc<LogTrouble>,
}

impl ClientContext for Member {
    fn error(&self, error: KafkaError, reason: &str) {
        context::tell(&self.trouble, &error, reason);
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        context::tell_line(&self.trouble, level, facility, line);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        context::tell_statistics(statistics);
    }
}

impl ConsumerContext for Member {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(list) => {
                // Where it would start does not matter, as long as it need not look it up.
                for partition in self.partitions(list) {
                    let number = numbers::to_kafka(partition).ok();
                    if let Some(mut element) =
                        number.and_then(|number| list.find_partition(&self.topic, number))
                    {
                        let _ = element.set_offset(KafkaOffset::End);
                    }
                }
            }
            Rebalance::Revoke(list) => {
                let partitions = self.partitions(list);
                let lost = consumer.assignment_lost();
                if lost {
                    // Who has what is not known any more.
                    self.owners.store(Arc::default());
                    self.lost.store(true, Ordering::Release);
                }
                let change = if lost { Change::Lost(partitions) } else { Change::Revoked(partitions) };
                if let Some(done) = tell(&self.notices, change) {
                    // Until this returns nobody else gets them. Without an answer there is nobody
                    // left here who could still use them.
                    let _ = done.blocking_recv();
                }
            }
            Rebalance::Error(error) => tracing::warn!(%error, "rebalance"),
        }
    }

    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Assign(list) = rebalance {
            if let Err(error) = consumer.pause(list) {
                tracing::warn!(%error, "partitions of the group's member were not paused");
            }
            tell(&self.notices, Change::Assigned(self.partitions(list)));
        }
    }
}

impl Member {
    fn partitions(&self, list: &TopicPartitionList) -> Vec<Partition> {
        let elements = list.elements();
        let ours = elements.iter().filter(|element| element.topic() == self.topic);
        ours.filter_map(|element| numbers::partition(element.partition())).collect()
    }
}

/// Sends a notice; none if nobody listens any more.
fn tell(notices: &Notices, change: Change) -> Option<oneshot::Receiver<()>> {
    let (done, answer) = oneshot::channel();
    notices.blocking_send(Notice { change, done }).ok().map(|()| answer)
}
