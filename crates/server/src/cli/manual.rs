//! `lango completions` and `lango man`: what shells and readers of manuals want, made from the
//! commands themselves.

use super::Typed;
use super::output::{line, note};
use anyhow::Context;
use clap::CommandFactory;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Args)]
#[command(after_help = "Example:\n  \
                        lango completions bash > /etc/bash_completion.d/lango")]
pub(super) struct CompletionsArguments {
    /// For which shell
    shell: clap_complete::Shell,
}

#[derive(clap::Args)]
#[command(after_help = "Example:\n  lango man --to /usr/local/share/man/man1")]
pub(super) struct ManArguments {
    /// Write a page for every command into this directory; else the first page is printed
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
}

pub(super) fn completions(arguments: &CompletionsArguments) -> anyhow::Result<ExitCode> {
    // Into memory first: the generator does not expect a reader who has seen enough.
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut Typed::command(), "lango", &mut text);
    line(String::from_utf8_lossy(&text).trim_end())?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn man(arguments: &ManArguments) -> anyhow::Result<ExitCode> {
    let mut command = Typed::command();
    command.build();
    let Some(directory) = &arguments.to else {
        let mut text = Vec::new();
        clap_mangen::Man::new(command).render(&mut text)?;
        line(String::from_utf8_lossy(&text).trim_end())?;
        return Ok(ExitCode::SUCCESS);
    };
    let attempt = || format!("cannot write pages into {}", directory.display());
    std::fs::create_dir_all(directory).with_context(attempt)?;
    let count = write_pages(&command, "lango", directory).with_context(attempt)?;
    note(format!("{count} pages are in {}.", directory.display()));
    Ok(ExitCode::SUCCESS)
}

fn write_pages(command: &clap::Command, name: &str, to: &std::path::Path) -> io::Result<usize> {
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone()).title(name).render(&mut text)?;
    std::fs::write(to.join(format!("{name}.1")), text)?;
    let mut count = 1;
    for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
        count += write_pages(inner, &format!("{name}-{}", inner.get_name()), to)?;
    }
    Ok(count)
}
