//! `lango notify`: the messages that are due.

use super::Everywhere;
use super::desk::Desk;
use super::output::{counted, json, line};
use crate::jobs;
use crate::messaging::sender::Sender;
use crate::operations::end_due_grants::end_due_grants;
use std::process::ExitCode;

#[derive(clap::Args)]
#[command(after_help = "Example:\n  lango notify --once")]
pub(super) struct NotifyArguments {
    /// One pass, which is all there is: `lango serve` sends all the time
    #[arg(long)]
    once: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    everywhere: &Everywhere,
    arguments: NotifyArguments,
) -> anyhow::Result<ExitCode> {
    // Accepted for the crontabs that say it; there is no other way to run.
    let _ = arguments.once;
    let desk = Desk::open(everywhere).await?;
    // Warnings are deadlines like others: whoever works them off also ends what is due.
    let due = end_due_grants(&desk.app, desk.now()).await?;
    let mut handled = 0;
    loop {
        match jobs::pass(&desk.app, &Sender::default()).await? {
            0 => break,
            batch => handled += batch,
        }
    }
    if arguments.json {
        let (warned, ended) = (due.warned, due.ended);
        json(&serde_json::json!({ "warned": warned, "ended": ended, "messages": handled }))?;
    } else {
        let messages = counted(handled, "message", "messages");
        line(format!("{} to be warned, {messages} worked off", due.warned))?;
    }
    Ok(ExitCode::SUCCESS)
}
