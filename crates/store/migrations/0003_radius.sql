-- What NASes tell us by RADIUS: their sessions as they count them, and how they sign.

CREATE TABLE nases (
  router_id {id} PRIMARY KEY REFERENCES routers (id),
  tenant_id {int} NOT NULL,
  -- learning, required or off: whether its requests must carry a Message-Authenticator.
  signature TEXT NOT NULL,
  -- When it last asked or told us anything that we could trust.
  heard_at {time},
  -- When it last signed anything with the secret that we know.
  proven_at {time},
  -- When it last sent something that another secret had signed.
  mistrusted_at {time},
  -- How far its clock was ahead of ours when it last said what time it is.
  clock_ahead_seconds {int},
  -- When it last reported of a session that it goes on: some never do, and their silence means
  -- nothing.
  interim_at {time}
) {strict};

CREATE TABLE radius_sessions (
  id {id} PRIMARY KEY,
  tenant_id {int} NOT NULL,
  router_id {int} NOT NULL REFERENCES routers (id),
  -- None: somebody else's customer, or the NAS's own.
  grant_id {int} REFERENCES grants (id),
  -- By what the NAS names it, hashed; with the router in it.
  key {bytes} NOT NULL,
  -- The attributes that name it to the NAS, exactly as received.
  identifiers {bytes} NOT NULL,
  mac TEXT,
  address TEXT,
  started_at {time} NOT NULL,
  updated_at {time} NOT NULL,
  -- The hour of it, by which silent sessions are found: an index by the instant would have to be
  -- written anew with every report, and keep PostgreSQL from updating rows in place.
  heard_in {time} NOT NULL,
  ended_at {time},
  cause TEXT,
  -- The highest that the NAS counted. Input is what the customer sent.
  uptime {int} NOT NULL,
  input {int} NOT NULL,
  output {int} NOT NULL,
  -- How much of it the grant was told, and whether it must be told at every report.
  uptime_noted {int} NOT NULL,
  data_noted {int} NOT NULL,
  metered {int} NOT NULL,
  -- How much of it is in usage_hours: what lasts within its hour is written once, not twice.
  input_counted {int} NOT NULL,
  output_counted {int} NOT NULL,
  -- Which writing this is: whoever remembers an older one must read again before he writes.
  version {int} NOT NULL
) {strict};
CREATE UNIQUE INDEX radius_sessions_by_key ON radius_sessions (key);
CREATE INDEX radius_sessions_open ON radius_sessions (router_id, grant_id) WHERE ended_at IS NULL;
CREATE INDEX radius_sessions_stale ON radius_sessions (heard_in) WHERE ended_at IS NULL;

-- What a grant used in an hour, for graphs.
CREATE TABLE usage_hours (
  grant_id {int} NOT NULL,
  hour {time} NOT NULL,
  input {int} NOT NULL,
  output {int} NOT NULL,
  PRIMARY KEY (grant_id, hour)
) {clustered};
CREATE INDEX usage_hours_by_age ON usage_hours (hour, grant_id);

-- The same in a day, in UTC, when its hours are of no interest any more.
CREATE TABLE usage_days (
  grant_id {int} NOT NULL,
  day {time} NOT NULL,
  input {int} NOT NULL,
  output {int} NOT NULL,
  PRIMARY KEY (grant_id, day)
) {clustered};
CREATE INDEX usage_days_by_age ON usage_days (day, grant_id);

-- Who is online by a grant is asked at every login.
CREATE INDEX sessions_open_by_grant ON sessions (grant_id) WHERE ended_at IS NULL;

-- A session that must be over by then, whatever the NAS was told: another device took its place, or
-- the hours of its plan end. The grant's own end is not written here.
ALTER TABLE sessions ADD COLUMN due_at {time};
-- displaced or hours.
ALTER TABLE sessions ADD COLUMN due_why TEXT;
CREATE INDEX sessions_due ON sessions (due_at) WHERE ended_at IS NULL AND due_at IS NOT NULL;
