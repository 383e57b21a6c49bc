//! The engine's benchmarks: `make bench`. Real engine, real SQLite file, simulated routers in a
//! process of their own on real sockets. Each figure comes with its ratio to how it is done
//! elsewhere today, measured in the same run, and every promise is checked with the routers: exit
//! code 1 if anybody was left on, or anybody else was cut.

mod cost;
mod ends;
mod figures;
mod peer;
mod serve;
mod simulators;
mod start_up;
mod world;

use anyhow::bail;
use clap::Parser;
use figures::Figures;
use std::process::ExitCode;

/// What to measure.
#[derive(Parser, Clone, Debug)]
#[command(about = "Measures Lango's engine against how it is done elsewhere today.")]
struct Arguments {
    /// How much of everything: 1.0 is 100,000 grants on 50 routers, and 1,000,000 for d, e and f.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// Which figures: some of a,b,c,d,e,f.
    #[arg(long, value_delimiter = ',', default_value = "a,b,c,d,e,f")]
    only: Vec<char>,
    /// Seconds of idleness to measure (e) over.
    #[arg(long, default_value_t = 30)]
    idle: u64,
    /// This process plays the routers, told by its standard input. For the benchmark itself.
    #[arg(long, hide = true)]
    play_routers: bool,
    /// This process is the server, on that database. For the benchmark itself.
    #[arg(long, hide = true)]
    serve: Option<std::path::PathBuf>,
    /// With `--serve`: how many grants wait to be cut.
    #[arg(long, hide = true, default_value_t = 0)]
    waiting: u64,
}

/// How big everything is.
#[derive(Clone, Copy, Debug)]
struct Size {
    scale: f64,
}

impl Size {
    fn routers(self) -> usize {
        self.of(50).clamp(2, 50)
    }

    fn of(self, whole: usize) -> usize {
        ((whole as f64 * self.scale).ceil() as usize).max(1)
    }
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    lango_server::observe::tracing_setup::start("warn", false);
    if arguments.play_routers {
        return simulators::play().map(|()| ExitCode::SUCCESS);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if let Some(database) = &arguments.serve {
        let served = serve::serve(database, arguments.waiting, arguments.idle);
        return runtime.block_on(served).map(|()| ExitCode::SUCCESS);
    }
    runtime.block_on(measure(&arguments))
}

async fn measure(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { scale, only, .. } = arguments;
    if !(0.001..=10.0).contains(scale) {
        bail!("--scale {scale}: give a number from 0.001 to 10");
    }
    let size = Size { scale: *scale };
    let mut figures = Figures::default();
    let asked = |letters: &str| only.iter().any(|letter| letters.contains(*letter));
    if asked("abc") {
        ends::measure(size, only, &mut figures).await?;
    }
    if asked("def") {
        start_up::measure(size, arguments.idle, only, &mut figures).await?;
    }
    figures.print(*scale);
    Ok(if figures.promises_are_kept() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
