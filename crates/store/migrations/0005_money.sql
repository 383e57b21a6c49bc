-- Money: where it comes from, what was asked for, what came, and where it went.

-- A business's accounts with payment providers.
CREATE TABLE gateways (
  id {id} PRIMARY KEY,
  tenant_id {int} NOT NULL REFERENCES tenants (id),
  name TEXT NOT NULL,
  provider TEXT NOT NULL,
  currency TEXT NOT NULL,
  -- How we are known there, with its secrets; sealed.
  settings {bytes} NOT NULL,
  -- Where it tells us of money that we did not ask for: the end of a path, sealed and hashed.
  door {bytes} NOT NULL,
  door_hash {bytes} NOT NULL,
  -- Customers are offered them in this order.
  place {int} NOT NULL,
  created_at {time} NOT NULL,
  removed_at {time},
  -- Up to when the money that it lists was compared with ours, and when that is done next.
  compared_until {time},
  compare_at {time},
  last_error TEXT,
  last_error_at {time},
  version {int} NOT NULL DEFAULT 1,
  UNIQUE (tenant_id, name)
) {strict};
CREATE UNIQUE INDEX gateways_by_door ON gateways (door_hash);

-- What we show a provider instead of a password. One for all nodes: at some providers a new one
-- ends the one before.
CREATE TABLE provider_tokens (
  gateway_id {id} PRIMARY KEY REFERENCES gateways (id),
  token {bytes},
  expires_at {time},
  -- Until then somebody is fetching a new one.
  fetched_until {time}
) {strict};

-- What customers were asked to pay, and what became of it.
CREATE TABLE payments (
  id {id} PRIMARY KEY,
  tenant_id {int} NOT NULL REFERENCES tenants (id),
  gateway_id {int} NOT NULL REFERENCES gateways (id),
  -- Ours, shown to the payer.
  reference TEXT NOT NULL,
  -- The end of the path by which the provider speaks of it, sealed and hashed.
  door {bytes} NOT NULL,
  door_hash {bytes} NOT NULL,
  -- The provider's number of the question.
  provider_id TEXT,
  state TEXT NOT NULL,
  -- The state with what is true in it, as JSON.
  standing TEXT NOT NULL,
  plan_id {int} NOT NULL REFERENCES plans (id),
  amount {int} NOT NULL,
  currency TEXT NOT NULL,
  -- Whose phone is asked, and the same while it may be ringing: one phone is asked one thing.
  phone TEXT NOT NULL,
  ringing TEXT,
  -- For whom; none is whoever has the phone.
  customer_id {int} REFERENCES customers (id),
  -- What it renews; none is a new grant.
  renews_id {int} REFERENCES grants (id),
  -- What it bought.
  grant_id {int} REFERENCES grants (id),
  -- Where the customer waits, and with what.
  router_id {int} REFERENCES routers (id),
  mac TEXT,
  address TEXT,
  language TEXT NOT NULL,
  created_at {time} NOT NULL,
  submitted_at {time},
  settled_at {time},
  -- When the provider is asked next: for the money, or what became of it.
  next_attempt_at {time},
  attempt {int} NOT NULL,
  last_error TEXT,
  version {int} NOT NULL DEFAULT 1,
  UNIQUE (reference, gateway_id)
) {strict};
CREATE UNIQUE INDEX payments_ringing ON payments (ringing, tenant_id) WHERE ringing IS NOT NULL;
CREATE UNIQUE INDEX payments_by_door ON payments (door_hash);
CREATE INDEX payments_due ON payments (gateway_id, next_attempt_at) WHERE next_attempt_at IS NOT NULL;
CREATE INDEX payments_by_provider_id ON payments (provider_id, gateway_id) WHERE provider_id IS NOT NULL;
CREATE INDEX payments_of_device ON payments (router_id, mac, id) WHERE mac IS NOT NULL;
CREATE INDEX payments_of_phone ON payments (phone, tenant_id, id);
CREATE INDEX payments_of_grant ON payments (grant_id, id) WHERE grant_id IS NOT NULL;
CREATE INDEX payments_of_customer ON payments (customer_id, id) WHERE customer_id IS NOT NULL;
CREATE INDEX payments_by_age ON payments (tenant_id, id);
CREATE INDEX payments_by_state ON payments (tenant_id, state, id);

-- What providers sent, as it came.
CREATE TABLE inbox (
  id {id} PRIMARY KEY,
  tenant_id {int} NOT NULL,
  gateway_id {int} NOT NULL,
  -- The payment whose path it came by.
  payment_id {int},
  -- Which of a gateway's doors it came by.
  door TEXT NOT NULL,
  source TEXT NOT NULL,
  headers TEXT NOT NULL,
  body {bytes} NOT NULL,
  received_at {time} NOT NULL,
  -- When it is worked off next; none if it is done.
  work_at {time},
  attempt {int} NOT NULL,
  outcome TEXT
) {strict};
CREATE INDEX inbox_waiting ON inbox (gateway_id, work_at) WHERE work_at IS NOT NULL;
CREATE INDEX inbox_by_age ON inbox (tenant_id, id);
CREATE INDEX inbox_of_payment ON inbox (payment_id, id) WHERE payment_id IS NOT NULL;

-- Money that came: one row for one receipt, however often and by whom it is told.
CREATE TABLE money_in (
  id {id} NOT NULL,
  tenant_id {int} NOT NULL REFERENCES tenants (id),
  gateway_id {int},
  provider TEXT NOT NULL,
  receipt TEXT NOT NULL,
  amount {int} NOT NULL,
  currency TEXT NOT NULL,
  -- What the payer typed, and what the provider says of him.
  account TEXT NOT NULL,
  payer TEXT,
  payer_name TEXT,
  paid_at {time} NOT NULL,
  heard_at {time} NOT NULL,
  -- used, waiting, credited, given_back
  state TEXT NOT NULL,
  -- Why it waits for a person.
  why TEXT,
  payment_id {int},
  customer_id {int},
  grant_id {int},
  version {int} NOT NULL DEFAULT 1,
  UNIQUE (receipt, provider, tenant_id),
  PRIMARY KEY (tenant_id, id)
) {strict};
CREATE INDEX money_in_by_state ON money_in (tenant_id, state, id);

-- The ledger: lines of one entry add up to nothing. Never changed, never removed.
CREATE TABLE postings (
  id {id} NOT NULL,
  tenant_id {int} NOT NULL REFERENCES tenants (id),
  entry_id {int} NOT NULL,
  -- clearing, suspense, wallet, revenue, refunds, fees
  account TEXT NOT NULL,
  -- Whose wallet, which gateway's clearing; 0 is nobody's.
  owner_id {int} NOT NULL,
  -- Debit is positive, credit negative.
  amount {int} NOT NULL,
  currency TEXT NOT NULL,
  at {time} NOT NULL,
  what TEXT NOT NULL,
  PRIMARY KEY (tenant_id, id)
) {clustered};
CREATE INDEX postings_of_account ON postings (tenant_id, account, owner_id, id);
CREATE INDEX postings_of_entry ON postings (entry_id, id);

-- What customers have with us: the sum of their wallet's postings, kept so that two purchases at
-- once cannot spend it twice.
CREATE TABLE wallets (
  tenant_id {int} NOT NULL,
  customer_id {int} NOT NULL REFERENCES customers (id),
  currency TEXT NOT NULL,
  balance {int} NOT NULL CHECK (balance >= 0),
  PRIMARY KEY (tenant_id, customer_id, currency)
) {clustered};

-- What renews itself from its customer's wallet, and when that is looked at next.
CREATE TABLE auto_renewals (
  grant_id {id} PRIMARY KEY REFERENCES grants (id),
  tenant_id {int} NOT NULL REFERENCES tenants (id),
  since {time} NOT NULL,
  look_at {time} NOT NULL
) {strict};
CREATE INDEX auto_renewals_due ON auto_renewals (look_at);

-- What was paid before there were books: it is money that came and was used.
INSERT INTO money_in (id, tenant_id, provider, receipt, amount, currency, account, paid_at,
  heard_at, state, grant_id)
SELECT id, tenant_id, provider, receipt, amount, currency, '', paid_at, paid_at, 'used', grant_id
FROM receipts;
