-- From "granted" to "this device is online": who waits to be logged in, where, and what came of it.

CREATE TABLE admissions (
  router_id {int} NOT NULL REFERENCES routers (id),
  mac TEXT NOT NULL,
  tenant_id {int} NOT NULL,
  grant_id {int} NOT NULL REFERENCES grants (id),
  -- Where its owner's browser says it is; the router knows better.
  address TEXT,
  -- wanted, handed_over, other_device, connected or refused.
  state TEXT NOT NULL,
  asked_at {time} NOT NULL,
  -- From then on it is not tried any more.
  wanted_until {time} NOT NULL,
  -- Null when there is no work: this is the queue.
  next_attempt_at {time},
  -- Grows with every wish and every claim: a report that names an older one changes nothing.
  attempt {int} NOT NULL,
  failures {int} NOT NULL,
  last_error TEXT,
  -- Whether a session of another device may be ended for this one, however busy it is.
  moves {int} NOT NULL,
  other_mac TEXT,
  connected_at {time},
  -- Sealed; null when there is none or it was used.
  password {bytes},
  password_until {time},
  PRIMARY KEY (router_id, mac)
) {clustered};
CREATE INDEX admissions_due ON admissions (router_id, next_attempt_at) WHERE next_attempt_at IS NOT NULL;
CREATE INDEX admissions_handed_over ON admissions (grant_id, router_id) WHERE password IS NOT NULL;
CREATE INDEX admissions_old ON admissions (wanted_until);

-- A device that asks by itself is known by its router and one of these.
CREATE INDEX sessions_of_device ON sessions (router_id, mac) WHERE ended_at IS NULL;
CREATE INDEX sessions_at_address ON sessions (router_id, address) WHERE ended_at IS NULL;
