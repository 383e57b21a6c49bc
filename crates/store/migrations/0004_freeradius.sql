-- Beside FreeRADIUS: how far its account of sessions was read. Its own tables are in a schema of
-- their own, radius, and not in Lango's backups; this is, so that a restored meter and what was
-- counted into it go back together.

CREATE TABLE freeradius_sessions (
  -- As FreeRADIUS names it; opaque.
  unique_id TEXT NOT NULL PRIMARY KEY,
  grant_id {int} NOT NULL REFERENCES grants (id),
  -- The highest counters that were ever read: these are in the grant's meter.
  uptime {int} NOT NULL,
  data {int} NOT NULL,
  -- Whether it counts as a device that is online.
  online {int} NOT NULL,
  -- When a counter last grew, by our clock, and how often one did.
  grown_at {time} NOT NULL,
  readings {int} NOT NULL,
  -- Since when its NAS says that there is no such session; none if it never did.
  gone_at {time},
  -- How long its row is read again, for a stop that comes late.
  watched_until {time} NOT NULL
) {strict};
CREATE INDEX freeradius_sessions_online ON freeradius_sessions (grant_id) WHERE online = 1;
CREATE INDEX freeradius_sessions_watched ON freeradius_sessions (watched_until);
