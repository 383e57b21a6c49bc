//! Lango's data: the only SQL of the program, on SQLite or PostgreSQL.
