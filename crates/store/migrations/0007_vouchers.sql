-- Vouchers on paper: made in batches, printed, given to people who sell them. And how plans are put
-- before customers.

-- How a plan is offered, as JSON: where, when, in which order. Read with the plan, never searched.
ALTER TABLE plans ADD COLUMN sale TEXT NOT NULL DEFAULT '{}';

-- Whom customers call; on vouchers and in the portal.
ALTER TABLE tenants ADD COLUMN help_phone TEXT;

CREATE TABLE resellers (
  id {id} PRIMARY KEY,
  tenant_id {int} NOT NULL REFERENCES tenants (id),
  name TEXT NOT NULL,
  phone TEXT,
  -- What he keeps of the price, in hundredths of a percent.
  commission {int} NOT NULL,
  created_at {time} NOT NULL,
  -- From then on he is given no vouchers; those he has stay good.
  removed_at {time},
  version {int} NOT NULL DEFAULT 1,
  UNIQUE (tenant_id, name)
) {strict};

CREATE TABLE voucher_batches (
  id {id} NOT NULL,
  tenant_id {int} NOT NULL REFERENCES tenants (id),
  plan_id {int} NOT NULL REFERENCES plans (id),
  reseller_id {int} REFERENCES resellers (id),
  -- The only router they are good for; none is all of the tenant's.
  router_id {int} REFERENCES routers (id),
  count {int} NOT NULL,
  -- Signs of a code, its check sign among them.
  signs {int} NOT NULL,
  -- What one voucher cost when they were made.
  price {int} NOT NULL,
  currency TEXT NOT NULL,
  -- The terms under which they were made: what is printed is what was promised.
  terms_id {int} NOT NULL REFERENCES terms (id),
  actor TEXT NOT NULL,
  created_at {time} NOT NULL,
  voided_at {time},
  PRIMARY KEY (tenant_id, id)
) {clustered};
CREATE INDEX voucher_batches_of_reseller ON voucher_batches (reseller_id, id) WHERE reseller_id IS NOT NULL;

CREATE TABLE batch_vouchers (
  batch_id {int} NOT NULL,
  -- From 1, as printed.
  serial {int} NOT NULL,
  grant_id {int} NOT NULL REFERENCES grants (id),
  -- When it was used for the first time: whoever used it had bought it.
  sold_at {time},
  PRIMARY KEY (batch_id, serial)
) {clustered};
CREATE UNIQUE INDEX batch_vouchers_of_grant ON batch_vouchers (grant_id);

-- Each time that codes went onto paper.
CREATE TABLE voucher_prints (
  batch_id {int} NOT NULL,
  -- The line of the account that says so.
  id {id} NOT NULL,
  at {time} NOT NULL,
  actor TEXT NOT NULL,
  -- Which sheet or roll, or that it was a table.
  layout TEXT NOT NULL,
  count {int} NOT NULL,
  PRIMARY KEY (batch_id, id)
) {clustered};

-- Who had a free trial: a device or a phone number, of each plan once.
CREATE TABLE trials (
  tenant_id {int} NOT NULL REFERENCES tenants (id),
  plan_id {int} NOT NULL REFERENCES plans (id),
  -- `mac AA:BB:CC:DD:EE:FF` or `phone +254…`.
  holder TEXT NOT NULL,
  taken_at {time} NOT NULL,
  PRIMARY KEY (tenant_id, plan_id, holder)
) {clustered};
