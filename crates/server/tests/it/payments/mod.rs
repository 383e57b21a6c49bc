//! Money: the clients of payment providers against their stand-ins.

mod providers;
