//! A short dialogue, for what was not given as a flag. Questions go to stderr, answers come from
//! stdin, also from a pipe.

use anyhow::bail;
use std::io::{self, IsTerminal, Write};
use std::process::{Command, Stdio};

/// Asks until something is answered.
pub(super) fn ask(question: &str, flag: &str) -> anyhow::Result<String> {
    loop {
        let answer = answer_to(&format!("{question}: "), flag)?;
        if !answer.is_empty() {
            return Ok(answer);
        }
    }
}

/// Asks; nothing answered is the proposal.
pub(super) fn ask_or(question: &str, proposal: &str, flag: &str) -> anyhow::Result<String> {
    let answer = answer_to(&format!("{question} [{proposal}]: "), flag)?;
    Ok(if answer.is_empty() { proposal.to_owned() } else { answer })
}

/// Asks for something that nobody should read over a shoulder.
pub(super) fn ask_secretly(question: &str, flag: &str) -> anyhow::Result<String> {
    if !io::stdin().is_terminal() {
        return ask(question, flag);
    }
    let hidden = stty("-echo");
    let answer = ask(question, flag);
    if hidden {
        stty("echo");
        super::output::note("");
    }
    answer
}

fn answer_to(prompt: &str, flag: &str) -> anyhow::Result<String> {
    let mut stderr = io::stderr().lock();
    // A prompt that cannot be shown is no reason not to listen.
    let _ = write!(stderr, "{prompt}").and_then(|()| stderr.flush());
    let mut answer = String::new();
    if io::stdin().read_line(&mut answer)? == 0 {
        bail!("the dialogue ended before it was answered: give {flag}");
    }
    Ok(answer.trim().to_owned())
}

/// Whether the terminal took it; without `stty` the answer is simply seen.
fn stty(setting: &str) -> bool {
    let told = Command::new("stty").arg(setting).stdin(Stdio::inherit()).status();
    told.is_ok_and(|status| status.success())
}
