-- Gateways that take texts, what became of each text, and the words of each business.

CREATE TABLE senders (
  id {id} PRIMARY KEY,
  tenant_id {int} NOT NULL REFERENCES tenants (id),
  name TEXT NOT NULL,
  -- Texts go to the first that takes them.
  place {int} NOT NULL,
  -- How it is spoken to, without what is secret, as JSON.
  gateway TEXT NOT NULL,
  secret {bytes} NOT NULL,
  -- The name that it shows, if not the business's.
  from_name TEXT,
  -- Of one part, in ten-thousandths of the business's currency.
  part_price {int},
  created_at {time} NOT NULL,
  off_since {time},
  -- Texts that it did not take, one after the other, and since when.
  failures {int} NOT NULL DEFAULT 0,
  failing_since {time},
  last_error TEXT,
  -- Until then it is tried last.
  rests_until {time},
  -- What it said was left, in ten-thousandths of its own currency.
  balance {int},
  balance_currency TEXT,
  balance_at {time},
  -- Below this somebody should buy more.
  low_balance {int},
  version {int} NOT NULL DEFAULT 1,
  UNIQUE (tenant_id, name)
) {strict};

-- Sender's name, quiet hours and texts of their own, as JSON.
CREATE TABLE message_settings (
  tenant_id {int} PRIMARY KEY REFERENCES tenants (id),
  settings TEXT NOT NULL,
  version {int} NOT NULL
) {strict};

-- What was handed over before this was noted.
ALTER TABLE messages ADD COLUMN state TEXT NOT NULL DEFAULT 'sent';
ALTER TABLE messages ADD COLUMN state_at {time} NOT NULL DEFAULT 0;
-- The one that has it, or had it last.
ALTER TABLE messages ADD COLUMN sender_id {int};
-- Every handing over, as JSON; one without an outcome is unknown.
ALTER TABLE messages ADD COLUMN tries TEXT NOT NULL DEFAULT '[]';
ALTER TABLE messages ADD COLUMN try_count {int} NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN parts {int} NOT NULL DEFAULT 1;
ALTER TABLE messages ADD COLUMN cost {int};
ALTER TABLE messages ADD COLUMN last_error TEXT;
-- When to ask next what became of it; null if nobody is asked.
ALTER TABLE messages ADD COLUMN poll_at {time};
ALTER TABLE messages ADD COLUMN polls {int} NOT NULL DEFAULT 0;
CREATE INDEX messages_to_poll ON messages (poll_at) WHERE poll_at IS NOT NULL;

-- What gateways call the parts of messages. A report can come before the answer that says which
-- message it is about: then it waits here without one.
CREATE TABLE message_parts (
  sender_id {int} NOT NULL,
  gateway_id {key} NOT NULL,
  tenant_id {int} NOT NULL,
  message_id {int},
  state TEXT,
  detail TEXT,
  at {time} NOT NULL,
  PRIMARY KEY (sender_id, gateway_id)
) {clustered};
CREATE INDEX message_parts_of ON message_parts (tenant_id, message_id) WHERE message_id IS NOT NULL;
CREATE INDEX message_parts_by_age ON message_parts (at);
