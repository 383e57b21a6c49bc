//! Owns when scheduler entries run. They follow the router's own clock: a first run one interval
//! after creation unless a start is given, and a run that was missed while the clock was wrong or
//! the router was off stays missed. (MikroTik manual, "Scheduler".)

use super::menus::Place;
use super::table::Id;
use super::units::{Civil, SECOND, duration, wall_micros};
use super::{Deadline, Permissions, World};

#[derive(Debug, Default)]
pub(crate) struct Schedule {
    pub(crate) runs: u64,
    /// On the router's own clock.
    pub(crate) next_wall: Option<i64>,
    due: Option<i64>,
}

impl World {
    /// Works out the next run of a new or changed entry.
    pub(super) fn plan_schedule(&mut self, id: Id, new: bool) {
        if new {
            let here = Civil::at(self.wall());
            let table = self.table_mut(Place::Scheduler);
            if !table.is_written(id, "name") {
                table.put_named(id, "name", &format!("schedule{id}"));
            }
            let iso = self.iso_dates();
            let table = self.table_mut(Place::Scheduler);
            for (name, value) in [("start-date", here.date(iso)), ("start-time", here.time())] {
                if !table.is_written(id, name) {
                    table.put_named(id, name, &value);
                }
            }
        }
        self.replan(id);
    }

    fn replan(&mut self, id: Id) {
        let next = self.next_run(id);
        let due = next.map(|wall| wall - self.wall_offset);
        let schedule = self.schedules.entry(id).or_default();
        schedule.next_wall = next;
        schedule.due = due;
        if let Some(due) = due {
            self.at(due, Deadline::Schedule(id));
        }
    }

    fn next_run(&self, id: Id) -> Option<i64> {
        let table = self.table(Place::Scheduler);
        if table.item(id).is_none() || !table.is_enabled(id) {
            return None;
        }
        let interval = duration(&table.text(id, "interval")).filter(|span| *span > 0);
        let time = table.text(id, "start-time");
        let start = if time == "startup" {
            self.booted_at + self.wall_offset
        } else {
            wall_micros(&table.text(id, "start-date"), &time)?
        };
        let now = self.wall();
        if start > now {
            return Some(start);
        }
        // Written without a start it began in this very second: one interval from now, exactly.
        let start = if now - start < SECOND { now } else { start };
        let interval = interval?;
        Some(start + ((now - start) / interval + 1) * interval)
    }

    pub(super) fn check_schedule(&mut self, id: Id) {
        let due = self.schedules.get(&id).and_then(|schedule| schedule.due);
        if due.is_none_or(|due| due > self.now) {
            return;
        }
        if let Some(schedule) = self.schedules.get_mut(&id) {
            schedule.runs += 1;
        }
        let script = self.table(Place::Scheduler).text(id, "on-event");
        let runs_as = Permissions::of_list(&self.table(Place::Scheduler).text(id, "policy"));
        self.run_event(&script, &runs_as);
        if self.table(Place::Scheduler).item(id).is_some() {
            self.replan(id);
        }
    }

    /// Every entry is planned anew after the router's clock jumped.
    pub(super) fn replan_all(&mut self) {
        let ids: Vec<Id> = self.table(Place::Scheduler).ids().collect();
        for id in ids {
            self.replan(id);
        }
    }

    /// `on-event` is source, or the name of a script.
    fn run_event(&mut self, event: &str, permissions: &Permissions) {
        let scripts = self.table(Place::Script);
        let source = scripts.first("name", event).map(|id| scripts.text(id, "source"));
        let source = source.unwrap_or_else(|| event.to_owned());
        if let Err(trap) = self.run_script(&source, permissions) {
            self.note("script,error", format!("executing script failed: {}", trap.message));
        }
    }
}
