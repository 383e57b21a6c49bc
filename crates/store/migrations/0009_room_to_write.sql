-- Every report of a session writes its row anew. Where its page has room for that, PostgreSQL need
-- not touch the four indexes, and vacuum finds little to do. SQLite writes in place anyway.
{postgres} ALTER TABLE radius_sessions SET (fillfactor = 70);
