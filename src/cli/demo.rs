//! `headwater demo`
use super::CliError;
use std::collections::BTreeMap;
use std::io::Write;
/// See it work
#[derive(clap::Args, Clone, Debug)]
pub(super) struct DemoArgs {}
pub(super) async fn run(
    _: &DemoArgs,
    _: &BTreeMap<String, String>,
    _: &mut dyn Write,
) -> Result<(), CliError> {
    Ok(())
}
