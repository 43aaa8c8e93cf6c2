//! The story: a crowd, one person in it, and her list after everything that she does.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use indicatif::HumanCount;
use tokio::sync::watch;

use super::super::error::CliError;
use super::super::terminal::visible;
use super::args::DemoArgs;
use super::crowd::{Crowd, Label, Mood};
use super::frame::{Deed, Hint, Movement, Row, View};
use super::screen::Screen;
use super::script::{script, verb};
use super::service::{PATIENCE, Service, newest, until};
use crate::app::App;
use crate::clock::wall_clock;
use crate::codec::convert::from_time;
use crate::config::Config;
use crate::engine::events::event::Timestamp;
use crate::proto;

const NAME: &str = "Ada";
const LIST: u32 = 10;
/// How many items of a category she looks through, and which of them the crowd takes a liking to.
const SEARCHED: u32 = 50;
const HOT: usize = 8;
/// How often numbers are redrawn, and the list once the story is over.
const REDRAW: Duration = Duration::from_millis(250);
const REFRESH: Duration = Duration::from_secs(1);
/// Events of the crowd in a quarter of a second, during the story and after it.
const BUSY: usize = 5;
const CALM: usize = 1;

/// Tells the story.
pub(super) struct Story {
    pace: Duration,
    clicks: usize,
    seed: u64,
    exit: bool,
    models: String,
    address: std::net::SocketAddr,
    view: View,
    user: String,
    /// Her list as it was shown last.
    shown: Vec<proto::RankedItem>,
    recommendation_id: String,
    last_clicked: Option<String>,
    last_ts: i64,
    /// From a click's acknowledgement to the answer that holds it.
    waits: Vec<Duration>,
}

impl Story {
    pub fn new(args: &DemoArgs, config: &Config, app: &App) -> Self {
        let log = config.kafka().map_or_else(
            || "embedded journal".to_owned(),
            |kafka| format!("Kafka {}, topic {}", kafka.brokers, kafka.clicks_topic),
        );
        let view = View {
            log,
            grpc: app.grpc_addr().to_string(),
            http: app.http_addr().to_string(),
            ..View::default()
        };
        let file = config.models.dir.join(format!("{}.toml", config.models.default));
        Self {
            pace: Duration::from_millis(args.pace),
            clicks: args.clicks,
            seed: args.seed,
            exit: args.exit,
            models: if file.exists() { file.display().to_string() } else { String::new() },
            address: app.grpc_addr(),
            view,
            user: String::new(),
            shown: Vec::new(),
            recommendation_id: String::new(),
            last_clicked: None,
            last_ts: 0,
            waits: Vec::new(),
        }
    }

    pub async fn tell(&mut self, screen: &mut Screen<'_>) -> Result<(), CliError> {
        let service = Service::connect(self.address)?;
        let crowd = self.load(&service, screen).await?;
        let (mood, moods) = watch::channel(Mood { per_tick: BUSY, hot: None });
        let background = crowd.go_on(service.clone(), moods);
        self.begin(&service, &crowd, screen).await?;
        let deeds = script(&crowd.personas(), self.seed, self.clicks);
        let count = deeds.len();
        for (number, deed) in (1..).zip(deeds) {
            self.pause(&crowd, screen).await?;
            if deed.crowd_is_here && mood.borrow().hot.is_none() {
                let hot = self.find(&service, deed.category).await?.into_iter().nth(HOT);
                mood.send_modify(|mood| mood.hot = hot.map(|item| item.item_id.into()));
            }
            self.act(deed.kind, deed.category, &service, &crowd).await?;
            self.view.step = format!("{number}/{count}");
            screen.step(&self.view)?;
        }
        mood.send_replace(Mood { per_tick: CALM, hot: None });
        self.pause(&crowd, screen).await?;
        self.finish();
        screen.hints(&self.view)?;
        if !self.exit {
            self.watch(&service, &crowd, screen).await?;
        }
        drop(background);
        Ok(())
    }

    /// Everything before the first list.
    async fn load(&mut self, service: &Service, screen: &mut Screen<'_>) -> Result<Crowd, CliError> {
        self.loading(screen, "starting the service")?;
        until("starting the service", PATIENCE, async || {
            let answer = service.recommend(proto::RecommendRequest::default()).await?;
            Ok((!answer.degraded).then_some(()))
        })
        .await?;
        let mut crowd = Crowd::new(self.seed, wall_clock())?;
        self.loading(screen, "loading a catalog")?;
        crowd.load_catalog(service).await?;
        self.view.items = crowd.labels.len();
        self.loading(screen, "sending what people did in the last 24 hours")?;
        crowd.load_past(service).await?;
        self.view.people = crowd.people();
        self.count(&crowd);
        self.loading(screen, &format!("{} events applied", HumanCount(self.view.events)))?;
        self.view.loading = None;
        // Demos on the same log have met her before: the story is of someone new.
        for number in 1.. {
            let name = NAME.to_lowercase();
            self.user = if number == 1 { name } else { format!("{name}-{number}") };
            if service.profile(&self.user).await?.profile_as_of.is_none() {
                break;
            }
        }
        Ok(crowd)
    }

    fn loading(&mut self, screen: &mut Screen<'_>, what: &str) -> Result<(), CliError> {
        self.view.loading = Some(what.to_owned());
        Ok(screen.step(&self.view)?)
    }

    /// Her first list, which is of what is popular.
    async fn begin(
        &mut self,
        service: &Service,
        crowd: &Crowd,
        screen: &mut Screen<'_>,
    ) -> Result<(), CliError> {
        let answer = until("the first list", PATIENCE, async || {
            let answer = self.ask(service).await?;
            let popular = |item: &proto::RankedItem| {
                item.contributions.iter().any(|part| part.feature == "popularity" && part.value > 0.0)
            };
            Ok(answer.items.iter().any(popular).then_some(answer))
        })
        .await?;
        self.view.deed = Deed { what: format!("{NAME} is new here. Her list:"), ..Deed::default() };
        self.view.outcome = "what is popular and what is new, for want of anything better".to_owned();
        self.take(answer, crowd);
        self.view.rows.iter_mut().for_each(|row| row.movement = Movement::Stayed);
        self.look_around(service, crowd).await?;
        screen.step(&self.view)?;
        self.pause(crowd, screen).await
    }

    /// She does something; her list is asked for until it holds that.
    async fn act(
        &mut self,
        kind: &str,
        category: &str,
        service: &Service,
        crowd: &Crowd,
    ) -> Result<(), CliError> {
        let Some((item_id, surface)) = self.choose(kind, category, service, crowd).await? else {
            return Ok(());
        };
        self.last_ts = wall_clock().max(self.last_ts + 1);
        let event = proto::Event {
            event_id: format!("{}-{}", self.user, self.last_ts),
            user_id: self.user.clone(),
            item_id: item_id.clone(),
            r#type: kind.to_owned(),
            ts: Some(from_time(Timestamp(self.last_ts))),
            surface: surface.to_owned(),
            recommendation_id: self.recommendation_id.clone(),
            ..Default::default()
        };
        let sent = Instant::now();
        service.publish(vec![event]).await?;
        let acknowledged = Instant::now();
        let answer = until("the answer that knows of her click", PATIENCE, async || {
            let answer = self.ask(service).await?;
            Ok((newest(answer.profile_as_of.as_ref()) >= self.last_ts).then_some(answer))
        })
        .await?;
        let waited = acknowledged.elapsed();
        self.waits.push(waited);
        self.remember();
        self.view.deed = deed(kind, &item_id, crowd);
        self.view.outcome = format!(
            "in the next answer {} after it was acknowledged (which took {})",
            shown(waited),
            shown(acknowledged - sent)
        );
        self.take(answer, crowd);
        self.look_around(service, crowd).await?;
        if kind == "click" {
            self.last_clicked = Some(item_id);
        }
        Ok(())
    }

    /// What she turns to, and where she finds it: in her list, or by looking for it.
    async fn choose(
        &self,
        kind: &str,
        category: &str,
        service: &Service,
        crowd: &Crowd,
    ) -> Result<Option<(String, &'static str)>, CliError> {
        if let ("like", Some(item_id)) = (kind, &self.last_clicked) {
            return Ok(Some((item_id.clone(), "item")));
        }
        let found = self.find(service, category).await?;
        let in_list = self.shown.iter().map(|item| (item, "home"));
        let all: Vec<_> = in_list.chain(found.iter().map(|item| (item, "search"))).collect();
        let label = |item: &proto::RankedItem| crowd.labels.get(&*item.item_id);
        let mainly = |item| label(item).is_some_and(|label| label.main() == category);
        // An item of one category tells a clear story.
        let only = |item| mainly(item) && label(item).is_some_and(|label| label.categories.len() == 1);
        let chosen = all.iter().find(|(item, _)| only(item)).or(all.iter().find(|(item, _)| mainly(item)));
        Ok(chosen.map(|(item, surface)| (item.item_id.to_string(), *surface)))
    }

    /// The best items of a category.
    async fn find(&self, service: &Service, category: &str) -> Result<Vec<proto::RankedItem>, CliError> {
        let filter = proto::Filter { categories_any: vec![category.to_owned()], ..Default::default() };
        let request = proto::RecommendRequest { n: SEARCHED, filter: Some(filter), ..self.request() };
        Ok(service.recommend(request).await?.items)
    }

    fn request(&self) -> proto::RecommendRequest {
        proto::RecommendRequest { user_id: self.user.clone(), n: LIST, explain: true, ..Default::default() }
    }

    async fn ask(&self, service: &Service) -> Result<proto::RecommendResponse, CliError> {
        service.recommend(self.request()).await
    }

    /// Takes a list over into the picture.
    fn take(&mut self, answer: proto::RecommendResponse, crowd: &Crowd) {
        let place = |id: &str| self.shown.iter().position(|item| item.item_id == id);
        let row = |(after, item): (usize, &proto::RankedItem)| {
            let label = label(&item.item_id, crowd);
            // That which is the reason, where it is not the main one: a list explains itself.
            let named = item.reason.strip_prefix("interest in ");
            let reason = label.categories.iter().find(|category| Some(category.as_str()) == named);
            let category = reason.map_or(label.main(), String::as_str).to_owned();
            Row {
                rank: item.rank,
                movement: Movement::between(place(&item.item_id), after),
                title: label.title,
                category,
                score: item.score,
                reason: visible(&item.reason).into_owned(),
            }
        };
        self.view.rows = answer.items.iter().enumerate().map(row).collect();
        self.recommendation_id = answer.recommendation_id;
        self.shown = answer.items;
        if let Some(model) = answer.model {
            self.view.model = format!("{} {}", model.name, model.version.get(..8).unwrap_or(&model.version));
        }
    }

    /// Her interests, and what is trending.
    async fn look_around(&mut self, service: &Service, crowd: &Crowd) -> Result<(), CliError> {
        let profile = service.profile(&self.user).await?;
        let hour = profile.windows.into_iter().next().unwrap_or_default();
        let interests = hour
            .categories
            .into_iter()
            .map(|category| (visible(&category.category).into_owned(), category.interest));
        self.view.interests = interests.take(4).collect();
        let trending = service.trending(2).await?.into_iter();
        self.view.trending = trending.map(|item| (label(&item.item_id, crowd).title, item.recent)).collect();
        self.count(crowd);
        Ok(())
    }

    fn count(&mut self, crowd: &Crowd) {
        self.view.events = crowd.sent.load(Ordering::Relaxed) + self.waits.len() as u64;
    }

    fn remember(&mut self) {
        let View { step, deed: Deed { what, title, .. }, earlier, .. } = &mut self.view;
        if let (false, Some(waited)) = (title.is_empty(), self.waits.iter().rev().nth(1)) {
            earlier.insert(0, format!("{step:<7}{what} {title}, {}", shown(*waited)));
        }
    }

    async fn pause(&mut self, crowd: &Crowd, screen: &mut Screen<'_>) -> Result<(), CliError> {
        let until = tokio::time::Instant::now() + self.pace;
        while tokio::time::Instant::now() < until {
            tokio::time::sleep_until(until.min(tokio::time::Instant::now() + REDRAW)).await;
            self.count(crowd);
            screen.tick(&self.view)?;
        }
        Ok(())
    }

    /// What came of it, and what to try next.
    fn finish(&mut self) {
        let mut waits = self.waits.clone();
        waits.sort_unstable();
        if let (Some(median), Some(slowest)) = (waits.get(waits.len() / 2), waits.last()) {
            self.view.outcome = format!(
                "each was in the next answer after {} (median), {} (slowest)",
                shown(*median),
                shown(*slowest)
            );
        }
        let (user, grpc) = (&self.user, &self.view.grpc);
        let headwater = |words: &str| {
            let server = if grpc == "127.0.0.1:7400" { String::new() } else { format!("--server {grpc}") };
            [program()]
                .into_iter()
                .chain([words.to_owned()])
                .chain(Some(server).filter(|server| !server.is_empty()))
        };
        let item = self.shown.first().map_or("", |item| &item.item_id);
        let question = format!("'{{\"user_id\": \"{user}\", \"n\": 3}}'");
        let call = format!("{grpc} headwater.v1.RecommenderService/Recommend");
        let event =
            format!(r#"'{{"user_id":"{user}","item_id":"{item}","type":"like","ts":'$(date +%s%3N)'}}'"#);
        let mut hints = vec![
            Hint::Text("Try next, from another terminal:".to_owned()),
            Hint::Command(headwater(&format!("recommend {user} --explain")).collect()),
            Hint::Command(vec![format!("grpcurl -plaintext -d {question}"), call]),
        ];
        if !self.exit {
            let stops = "This list goes on moving with the crowd, and with what you send. ctrl-c stops.";
            hints.push(Hint::Text(stops.to_owned()));
        }
        hints.push(Hint::Command(headwater(&format!("explain {user} {item}")).collect()));
        let publish = headwater("publish - --format jsonl").collect::<Vec<_>>().join(" ");
        hints.push(Hint::Command(vec![format!("echo {event}"), format!("| {publish}")]));
        if !self.models.is_empty() && !self.exit {
            hints.push(Hint::Text(format!("Or change a weight in {} and look here.", self.models)));
        }
        self.view.hints = hints;
    }

    /// The picture follows whatever happens, from here or from elsewhere, until ctrl-c.
    async fn watch(
        &mut self,
        service: &Service,
        crowd: &Crowd,
        screen: &mut Screen<'_>,
    ) -> Result<(), CliError> {
        loop {
            tokio::time::sleep(REFRESH).await;
            let answer = self.ask(service).await?;
            let same =
                answer.items.iter().map(|item| &item.item_id).eq(self.shown.iter().map(|item| &item.item_id));
            let arrows: Vec<Movement> = self.view.rows.iter().map(|row| row.movement).collect();
            let latest = newest(answer.profile_as_of.as_ref());
            self.take(answer, crowd);
            if same {
                // The arrows of the last change stay until there is another.
                self.view.rows.iter_mut().zip(arrows).for_each(|(row, arrow)| row.movement = arrow);
            }
            if latest > self.last_ts {
                self.last_ts = latest;
                if let Some(event) = service.profile(&self.user).await?.recent_events.first() {
                    self.view.step = String::new();
                    self.view.deed = deed(&event.r#type, &event.item_id, crowd);
                    self.view.outcome = "sent by somebody else than this demo".to_owned();
                }
            }
            self.look_around(service, crowd).await?;
            screen.tick(&self.view)?;
        }
    }
}

fn label(item_id: &str, crowd: &Crowd) -> Label {
    let unknown = || Label { title: visible(item_id).into_owned(), categories: Vec::new() };
    crowd.labels.get(item_id).cloned().unwrap_or_else(unknown)
}

fn deed(kind: &str, item_id: &str, crowd: &Crowd) -> Deed {
    let label = label(item_id, crowd);
    let (what, category) = (format!("{NAME} {}", visible(verb(kind))), label.main().to_owned());
    Deed { what, title: label.title, category }
}

fn shown(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

/// The command as it was called, for people to call it again.
fn program() -> String {
    std::env::args().next().unwrap_or_else(|| "headwater".to_owned())
}
