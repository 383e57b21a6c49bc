//! Start, stop, drain. The one place where long tasks begin: each has a name, a way to be stopped
//! and somebody who waits for its end.

use crate::app::App;
use crate::messaging::sender::Sender;
use crate::observe::pulse::{self, Engine};
use crate::operations::clean_up;
use crate::reconcile::supervisor::{Boards, Supervisor};
use crate::{deadlines, feed, jobs, radius, web, webhooks};
use lango_domain::time::Span;
use lango_routeros::Timeouts;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long the first look at the routers may keep the deadlines waiting. Logins that happened
/// while we were down should be known before anything is ended; a dead router must not hold up the
/// others for it.
const FIRST_LOOK: Duration = Duration::from_millis(1500);
/// How long tasks may take to end after a stop.
const DRAIN: Duration = Duration::from_secs(10);

/// A running server.
pub struct Running {
    stop: CancellationToken,
    tasks: JoinSet<&'static str>,
    boards: Boards,
}

/// Where the web is served, and how it behaves.
pub struct Http {
    /// Where.
    pub listener: TcpListener,
    /// How requests are dealt with.
    pub manners: web::Manners,
    /// How connections are dealt with.
    pub connections: web::listen::Settings,
}

/// Starts the engines, and the entrances for which there is a place.
pub fn start(
    app: &App,
    sender: Sender,
    timeouts: Timeouts,
    http: Option<Http>,
    radius: Option<radius::Bound>,
) -> Running {
    let (stop, boards) = (CancellationToken::new(), Boards::default());
    let mut tasks = JoinSet::new();
    let supervisor = Supervisor::new(app.clone(), timeouts, boards.clone());
    spawn(&mut tasks, "routers", supervisor.run(stop.clone()));
    spawn(&mut tasks, "deadlines", after_first_look(app.clone(), boards.clone(), stop.clone()));
    spawn(&mut tasks, "jobs", jobs::run(app.clone(), sender, stop.clone()));
    spawn(&mut tasks, "housekeeping", housekeeping(app.clone(), stop.clone()));
    spawn(&mut tasks, "feed", feed::run(app.clone(), stop.clone()));
    spawn(&mut tasks, "webhooks", webhooks::run(app.clone(), stop.clone()));
    spawn(&mut tasks, "pulse", pulse::run(app.clone(), stop.clone()));
    if let Some(bound) = radius {
        spawn(&mut tasks, "radius", radius::serve(app.clone(), bound, stop.clone()));
    }
    if let Some(Http { listener, manners, connections }) = http {
        let routes = web::routes(app.clone(), boards.clone(), manners);
        let serve = web::listen::serve(routes, listener, connections, stop.clone());
        spawn(&mut tasks, "web", serve);
    }
    Running { stop, tasks, boards }
}

fn spawn(
    tasks: &mut JoinSet<&'static str>,
    name: &'static str,
    task: impl Future<Output = ()> + Send + 'static,
) {
    tasks.spawn(async move {
        task.await;
        name
    });
}

impl Running {
    /// How the routers are doing.
    pub fn boards(&self) -> &Boards {
        &self.boards
    }

    /// Waits until a task ends by itself, which none should: then its name is returned.
    pub async fn until_broken(&mut self) -> &'static str {
        match self.tasks.join_next().await {
            Some(Ok(name)) => name,
            Some(Err(_)) => "a task that panicked",
            None => "everything",
        }
    }

    /// Stops all tasks and waits for their end.
    pub async fn stop(mut self) {
        self.stop.cancel();
        let drained =
            tokio::time::timeout(DRAIN, async { while self.tasks.join_next().await.is_some() {} });
        if drained.await.is_err() {
            tracing::warn!("some tasks did not end in time and are cut off; their work stays work");
        }
    }
}

async fn after_first_look(app: App, boards: Boards, stop: CancellationToken) {
    let looked = async {
        // The supervisor fills the boards first; with no router there is nothing to wait for.
        tokio::time::sleep(Duration::from_millis(20)).await;
        while !boards.all_tried() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let _ = tokio::time::timeout(FIRST_LOOK, looked).await;
    deadlines::run(app, stop).await;
}

/// What is done once a day: unused devices are retired, long ended objects taken off routers.
async fn housekeeping(app: App, stop: CancellationToken) {
    const LOOK_EVERY: Span = Span::hours(1);
    while !stop.is_cancelled() {
        if let Err(error) = keep_house(&app).await {
            tracing::error!(%error, "housekeeping failed; trying again in an hour");
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = app.clock().sleep(LOOK_EVERY) => {}
        }
    }
}

async fn keep_house(app: &App) -> Result<(), lango_store::Error> {
    let now = app.clock().now();
    app.pulse().beat(Engine::Housekeeping, now);
    if clean_up::next_retirement(app).await? > now {
        return Ok(());
    }
    clean_up::forget_what_is_old(app, now).await?;
    clean_up::roll_up_usage(app, now).await?;
    let retired = clean_up::retire_devices(app, now).await?;
    tracing::info!(retired, "{retired} devices retired that were unused for their retention time");
    Ok(())
}
