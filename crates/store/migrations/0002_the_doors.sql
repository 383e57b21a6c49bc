-- What programs need that talk to Lango: requests that may be repeated, addresses that are told what
-- happens, actions on many things at once.

CREATE TABLE requests (
  -- The token that asked and the key it gave.
  token_id {int} NOT NULL,
  key TEXT NOT NULL,
  -- What was asked, hashed: the same key may not ask for something else.
  fingerprint {bytes} NOT NULL,
  -- The ids of what came of it, as JSON; of an import how many customers and grants.
  made TEXT NOT NULL,
  at {time} NOT NULL,
  PRIMARY KEY (token_id, key)
) {strict};
CREATE INDEX requests_by_age ON requests (at);

CREATE TABLE webhooks (
  id {id} PRIMARY KEY,
  tenant_id {int} NOT NULL REFERENCES tenants (id),
  url TEXT NOT NULL,
  -- What it is told of: words of the account as JSON; an empty list is everything.
  topics TEXT NOT NULL,
  secret {bytes} NOT NULL,
  created_at {time} NOT NULL,
  -- While it is off nothing is sent; what happened meanwhile can be replayed.
  off_since {time},
  -- What it was to be told and never was: how many lines, when the last was given up, and the place
  -- after which it can be told again.
  given_up {int} NOT NULL DEFAULT 0,
  given_up_at {time},
  given_up_after {int},
  version {int} NOT NULL DEFAULT 1
) {strict};
CREATE INDEX webhooks_of_tenant ON webhooks (tenant_id, id);

CREATE TABLE deliveries (
  id {id} NOT NULL,
  tenant_id {int} NOT NULL,
  webhook_id {int} NOT NULL REFERENCES webhooks (id),
  activity_id {int} NOT NULL,
  attempt {int} NOT NULL,
  at {time} NOT NULL,
  took {time} NOT NULL,
  -- The status of the answer; none if there was no answer.
  status {int},
  error TEXT,
  PRIMARY KEY (webhook_id, id)
) {clustered};

-- What webhooks are still to be told: a queue of its own, so that a dead address keeps no message
-- waiting.
CREATE TABLE webhook_queue (
  webhook_id {int} NOT NULL REFERENCES webhooks (id),
  activity_id {int} NOT NULL,
  tenant_id {int} NOT NULL,
  place {int} NOT NULL,
  attempt {int} NOT NULL,
  since {time} NOT NULL,
  run_at {time} NOT NULL,
  PRIMARY KEY (webhook_id, activity_id)
) {clustered};
CREATE INDEX webhook_queue_due ON webhook_queue (run_at);
-- One with a long queue is asked for its next few lines only.
CREATE INDEX webhook_queue_of ON webhook_queue (webhook_id, run_at, activity_id);

CREATE TABLE tasks (
  id {id} NOT NULL,
  tenant_id {int} NOT NULL REFERENCES tenants (id),
  kind TEXT NOT NULL,
  actor TEXT NOT NULL,
  -- What is done to each row, as JSON.
  action TEXT NOT NULL,
  total {int} NOT NULL,
  done {int} NOT NULL,
  failed {int} NOT NULL,
  created_at {time} NOT NULL,
  finished_at {time},
  stopped_at {time},
  PRIMARY KEY (tenant_id, id)
) {clustered};

CREATE TABLE task_rows (
  task_id {int} NOT NULL,
  row_number {int} NOT NULL,
  -- The id of what is acted on.
  subject TEXT NOT NULL,
  -- Null while it waits; then whether it was done.
  ok {int},
  detail TEXT NOT NULL,
  PRIMARY KEY (task_id, row_number)
) {clustered};
CREATE INDEX task_rows_waiting ON task_rows (task_id, row_number) WHERE ok IS NULL;
