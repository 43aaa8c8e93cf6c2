//! `headwater recommend --users`: a list for each user of a file, in the file's order, as JSON, a line each.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use serde::Serialize;
use serde_json::Value;
use tokio::task::JoinHandle;
use tonic::transport::Channel;

use super::super::client::{ClientError, patiently};
use super::super::error::CliError;
use super::super::print::{JsonForm, Shown, counted};
use super::super::progress::Bar;
use super::super::terminal::Visible;
use crate::files::TextFile;
use crate::proto;
use crate::proto::recommender_service_client::RecommenderServiceClient;

/// Requests on their way: less than a server lets one connection send at once.
const AT_ONCE: usize = 16;

/// What is written of a user.
#[derive(Serialize)]
struct Line<'a> {
    user_id: &'a str,
    #[serde(flatten)]
    answer: Option<Shown>,
    /// In the place of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Value>,
}

type Asked = (String, JoinHandle<Result<proto::RecommendResponse, ClientError>>);

/// Where lines go, and how many of them are errors.
struct Lists<'o> {
    to: Box<dyn Write + 'o>,
    /// What `to` is called.
    name: String,
    form: JsonForm,
    users: u64,
    failed: u64,
}

/// Asks as in `request` for each user of a file.
///
/// # Errors
/// The file can't be read or the lists can't be written; or, when all others have theirs, some users have none.
pub(super) async fn recommend_each(
    users: &Path,
    to: Option<&Path>,
    request: &proto::RecommendRequest,
    channel: Channel,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let file = TextFile::open(users)?;
    let bar = Bar::new(file.progress(), users);
    let mut lists = Lists::open(to, out)?;
    let client = RecommenderServiceClient::new(channel);
    let mut asked: VecDeque<Asked> = VecDeque::with_capacity(AT_ONCE);
    for line in file {
        bar.update();
        let user_id = line?;
        if asked.len() >= AT_ONCE {
            lists.write_next(&mut asked).await?;
        }
        let request = proto::RecommendRequest { user_id: user_id.clone(), ..request.clone() };
        asked.push_back((user_id, tokio::spawn(ask(client.clone(), request))));
    }
    while !asked.is_empty() {
        lists.write_next(&mut asked).await?;
    }
    drop(bar);
    lists.finish()
}

async fn ask(
    client: RecommenderServiceClient<Channel>,
    request: proto::RecommendRequest,
) -> Result<proto::RecommendResponse, ClientError> {
    patiently(|| {
        let (mut client, request) = (client.clone(), request.clone());
        async move { client.recommend(request).await }
    })
    .await
}

impl<'o> Lists<'o> {
    fn open(path: Option<&Path>, out: &'o mut dyn Write) -> Result<Self, CliError> {
        let (to, name): (Box<dyn Write + 'o>, _) = match path {
            None => (Box::new(out), "standard output".to_owned()),
            Some(path) => {
                let name = path.display().to_string();
                let file = File::create(path)
                    .map_err(|error| CliError::Failed(format!("can't write {name}: {error}")))?;
                (Box::new(Visible(BufWriter::new(file))), name)
            }
        };
        Ok(Self { to, name, form: JsonForm::of("RecommendResponse")?, users: 0, failed: 0 })
    }

    /// Writes the answer for the user who was asked for first.
    async fn write_next(&mut self, asked: &mut VecDeque<Asked>) -> Result<(), CliError> {
        let Some((user_id, answer)) = asked.pop_front() else { return Ok(()) };
        let answer = answer.await.map_err(|error| CliError::Failed(error.to_string()))?;
        self.users += 1;
        let (answer, error) = match answer {
            Ok(answer) => (Some(self.form.show(&answer)?), None),
            Err(error) => {
                self.failed += 1;
                (None, Some(CliError::from(error).to_json()["error"].take()))
            }
        };
        let line = Line { user_id: &user_id, answer, error };
        let line = serde_json::to_string(&line).map_err(|error| CliError::Failed(error.to_string()))?;
        writeln!(self.to, "{line}").map_err(|error| self.unwritable(error))
    }

    fn unwritable(&self, error: std::io::Error) -> CliError {
        // Whoever read our standard output may have read enough: that is told by its kind.
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => error.into(),
            _ => CliError::Failed(format!("can't write {}: {error}", self.name)),
        }
    }

    fn finish(mut self) -> Result<(), CliError> {
        self.to.flush().map_err(|error| self.unwritable(error))?;
        match self.failed {
            0 => Ok(()),
            failed => Err(CliError::Failed(format!(
                "there is no list for {failed} of {}: their lines in {} say why, under `error`",
                counted(self.users, "user"),
                self.name
            ))),
        }
    }
}
