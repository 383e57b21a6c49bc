-- What was paid, what routers should hold, what they confirmed.
-- Instants are microseconds since 1970 in UTC, money is minor units, ids are made by the program.
-- JSON is text, and only what is never searched.
-- What is listed by tenant and never looked up by its id has its key begin with the tenant: beside
-- a key of the id alone PostgreSQL would walk through the rows of all tenants for a page of one.

CREATE TABLE tenants (
  id {id} PRIMARY KEY,
  name TEXT NOT NULL,
  country TEXT NOT NULL,
  zone TEXT NOT NULL,
  language TEXT NOT NULL,
  currency TEXT NOT NULL,
  device_retention {time} NOT NULL,
  created_at {time} NOT NULL,
  version {int} NOT NULL DEFAULT 1
) {strict};

CREATE TABLE staff (
  id {id} PRIMARY KEY,
  tenant_id {int} NOT NULL REFERENCES tenants (id),
  email TEXT NOT NULL,
  password_hash TEXT NOT NULL,
  role TEXT NOT NULL,
  created_at {time} NOT NULL,
  UNIQUE (tenant_id, email)
) {strict};

CREATE TABLE tokens (
  id {id} PRIMARY KEY,
  -- None is above all businesses.
  tenant_id {int} REFERENCES tenants (id),
  name TEXT NOT NULL,
  hash {bytes} NOT NULL,
  role TEXT NOT NULL,
  created_at {time} NOT NULL,
  expires_at {time},
  UNIQUE (hash)
) {strict};
CREATE INDEX tokens_of_tenant ON tokens (tenant_id, name);

CREATE TABLE routers (
  id {id} PRIMARY KEY,
  tenant_id {int} NOT NULL REFERENCES tenants (id),
  name TEXT NOT NULL,
  endpoint TEXT NOT NULL,
  credentials {bytes} NOT NULL,
  created_at {time} NOT NULL,
  removed_at {time},
  observed TEXT NOT NULL,
  last_contact_at {time},
  last_sync_at {time},
  last_error TEXT,
  last_error_at {time},
  version {int} NOT NULL DEFAULT 1,
  UNIQUE (tenant_id, name)
) {strict};

CREATE TABLE terms (
  id {id} PRIMARY KEY,
  tenant_id {int} NOT NULL REFERENCES tenants (id),
  hash {bytes} NOT NULL,
  body TEXT NOT NULL,
  UNIQUE (tenant_id, hash)
) {strict};

CREATE TABLE plans (
  id {id} PRIMARY KEY,
  tenant_id {int} NOT NULL REFERENCES tenants (id),
  name TEXT NOT NULL,
  price {int} NOT NULL,
  currency TEXT NOT NULL,
  terms_id {int} NOT NULL REFERENCES terms (id),
  created_at {time} NOT NULL,
  -- From then on it is not sold any more; what was sold keeps it.
  retired_at {time},
  version {int} NOT NULL DEFAULT 1,
  UNIQUE (tenant_id, name)
) {strict};

CREATE TABLE customers (
  id {id} PRIMARY KEY,
  tenant_id {int} NOT NULL REFERENCES tenants (id),
  name TEXT NOT NULL,
  name_fold {key} NOT NULL,
  phone TEXT,
  language TEXT,
  created_at {time} NOT NULL,
  version {int} NOT NULL DEFAULT 1,
  UNIQUE (tenant_id, phone)
) {strict};
CREATE INDEX customers_by_name ON customers (tenant_id, name_fold, id);
CREATE INDEX customers_by_age ON customers (tenant_id, id);

CREATE TABLE grants (
  id {id} PRIMARY KEY,
  tenant_id {int} NOT NULL REFERENCES tenants (id),
  plan_id {int} NOT NULL REFERENCES plans (id),
  customer_id {int} REFERENCES customers (id),
  -- The only router it is good for; none is all of the tenant's.
  router_id {int} REFERENCES routers (id),
  kind TEXT NOT NULL,
  -- What staff may see: a user name, an address, a masked code.
  label {key} NOT NULL,
  login_hash {bytes} NOT NULL,
  access {bytes} NOT NULL,
  terms_id {int} NOT NULL REFERENCES terms (id),
  state TEXT NOT NULL,
  life TEXT NOT NULL,
  ends_at {time},
  ended_at {time},
  next_deadline {time},
  version {int} NOT NULL,
  created_at {time} NOT NULL,
  -- The hash first: nothing that lists a tenant's grants may walk this index.
  UNIQUE (login_hash, tenant_id)
) {strict};
CREATE INDEX grants_due ON grants (next_deadline) WHERE next_deadline IS NOT NULL;
CREATE INDEX grants_ending ON grants (tenant_id, ends_at, id) WHERE ended_at IS NULL AND ends_at IS NOT NULL;
CREATE INDEX grants_by_customer ON grants (customer_id, id) WHERE customer_id IS NOT NULL;
CREATE INDEX grants_by_label ON grants (tenant_id, label, id);
CREATE INDEX grants_everywhere ON grants (tenant_id, id) WHERE ended_at IS NULL AND router_id IS NULL;
CREATE INDEX grants_by_kind ON grants (tenant_id, kind, id);
CREATE INDEX grants_by_age ON grants (tenant_id, id);
CREATE INDEX grants_by_state ON grants (tenant_id, state, id);

CREATE TABLE enforcements (
  router_id {int} NOT NULL REFERENCES routers (id),
  grant_id {int} NOT NULL REFERENCES grants (id),
  tenant_id {int} NOT NULL,
  access TEXT NOT NULL,
  wanted TEXT NOT NULL,
  -- Grows with every change of what is wanted; equal to the confirmed one when there is no work.
  revision {int} NOT NULL,
  since {time} NOT NULL,
  -- The instant from which lateness counts.
  due_at {time} NOT NULL,
  confirmed_revision {int},
  confirmed_access TEXT,
  confirmed_at {time},
  confirmed_by TEXT,
  -- Null when there is no work: this is the queue.
  next_attempt_at {time},
  attempt {int} NOT NULL,
  -- Tries since the last success.
  failures {int} NOT NULL,
  last_error TEXT,
  devices {int} NOT NULL,
  uptime_seen {int} NOT NULL,
  data_seen {int} NOT NULL,
  PRIMARY KEY (router_id, grant_id)
) {clustered};
CREATE INDEX enforcements_pending ON enforcements (router_id, next_attempt_at) WHERE next_attempt_at IS NOT NULL;
CREATE INDEX enforcements_of_grant ON enforcements (grant_id, router_id);
CREATE INDEX enforcements_uncut ON enforcements (tenant_id, due_at) WHERE next_attempt_at IS NOT NULL AND access IN ('cut', 'walled');
CREATE INDEX enforcements_over ON enforcements (router_id, confirmed_at) WHERE next_attempt_at IS NULL AND access = 'cut';

CREATE TABLE cuts (
  id {id} NOT NULL,
  tenant_id {int} NOT NULL,
  router_id {int} NOT NULL,
  grant_id {int} NOT NULL,
  due_at {time} NOT NULL,
  confirmed_at {time} NOT NULL,
  lateness {int} NOT NULL,
  attempts {int} NOT NULL,
  confirmed_by TEXT NOT NULL,
  sessions_ended {int} NOT NULL,
  PRIMARY KEY (tenant_id, id)
) {clustered};
CREATE INDEX cuts_of_grant ON cuts (grant_id, id);

CREATE TABLE receipts (
  id {id} NOT NULL,
  tenant_id {int} NOT NULL REFERENCES tenants (id),
  provider TEXT NOT NULL,
  receipt TEXT NOT NULL,
  grant_id {int} NOT NULL REFERENCES grants (id),
  amount {int} NOT NULL,
  currency TEXT NOT NULL,
  paid_at {time} NOT NULL,
  UNIQUE (tenant_id, provider, receipt),
  PRIMARY KEY (tenant_id, id)
) {clustered};
CREATE INDEX receipts_of_grant ON receipts (grant_id, id);

CREATE TABLE sessions (
  id {id} PRIMARY KEY,
  tenant_id {int} NOT NULL,
  router_id {int} NOT NULL REFERENCES routers (id),
  grant_id {int} NOT NULL REFERENCES grants (id),
  mac TEXT,
  address TEXT,
  started_at {time} NOT NULL,
  ended_at {time},
  uptime {int} NOT NULL,
  data {int} NOT NULL
) {strict};
CREATE INDEX sessions_open ON sessions (router_id, grant_id) WHERE ended_at IS NULL;
CREATE INDEX sessions_of_grant ON sessions (grant_id, id);
CREATE INDEX sessions_by_age ON sessions (tenant_id, id);
CREATE INDEX sessions_live ON sessions (tenant_id, id) WHERE ended_at IS NULL;

CREATE TABLE devices (
  tenant_id {int} NOT NULL,
  mac TEXT NOT NULL,
  grant_id {int} NOT NULL REFERENCES grants (id),
  first_seen_at {time} NOT NULL,
  last_seen_at {time} NOT NULL,
  retired_at {time},
  PRIMARY KEY (tenant_id, mac)
) {strict};
CREATE INDEX devices_unretired ON devices (tenant_id, last_seen_at) WHERE retired_at IS NULL;
CREATE INDEX devices_of_grant ON devices (grant_id, mac);

CREATE TABLE jobs (
  id {id} PRIMARY KEY,
  tenant_id {int} NOT NULL,
  grant_id {int},
  kind TEXT NOT NULL,
  -- At most one job ever for this reason.
  once_key TEXT NOT NULL,
  payload TEXT NOT NULL,
  run_at {time},
  attempt {int} NOT NULL,
  last_error TEXT,
  finished_at {time},
  gave_up {int} NOT NULL,
  UNIQUE (once_key, tenant_id)
) {strict};
CREATE INDEX jobs_pending ON jobs (run_at) WHERE run_at IS NOT NULL;
CREATE INDEX jobs_by_age ON jobs (tenant_id, id);
CREATE INDEX jobs_given_up ON jobs (tenant_id, finished_at) WHERE gave_up = 1;

CREATE TABLE messages (
  id {id} NOT NULL,
  tenant_id {int} NOT NULL,
  job_id {int} NOT NULL,
  grant_id {int},
  recipient TEXT NOT NULL,
  body TEXT NOT NULL,
  reason TEXT NOT NULL,
  sent_at {time} NOT NULL,
  UNIQUE (job_id),
  PRIMARY KEY (tenant_id, id)
) {clustered};

CREATE TABLE activity (
  id {id} NOT NULL,
  tenant_id {int} NOT NULL,
  at {time} NOT NULL,
  actor TEXT NOT NULL,
  grant_id {int},
  router_id {int},
  what TEXT NOT NULL,
  detail TEXT NOT NULL,
  -- Its place in the order of commits, given shortly after its own: ids are made before.
  place {int},
  PRIMARY KEY (tenant_id, id)
) {clustered};
CREATE INDEX activity_of_grant ON activity (grant_id, id) WHERE grant_id IS NOT NULL;
CREATE INDEX activity_of_router ON activity (router_id, id) WHERE router_id IS NOT NULL;
CREATE INDEX activity_unplaced ON activity (id) WHERE place IS NULL;
CREATE INDEX activity_news ON activity (tenant_id, place) WHERE place IS NOT NULL;

CREATE TABLE strangers (
  router_id {int} NOT NULL REFERENCES routers (id),
  menu TEXT NOT NULL,
  name TEXT NOT NULL,
  why TEXT NOT NULL,
  seen_at {time} NOT NULL,
  PRIMARY KEY (router_id, menu, name)
) {strict};

CREATE TABLE facts (
  name TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) {strict};
