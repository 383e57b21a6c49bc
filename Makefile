# The front door. `make demo` shows what Lango does, `make test` proves it.
# Both do all of their own set-up.

.PHONY: help demo test bench bench-api bench-money bench-radius bench-smoke clean-test-servers

help:
	@echo "make demo    watch customers pay by phone, be connected and cut on two simulated routers (about a minute)"
	@echo "make test    everything that must hold: format, lints, docs, licences, all tests"
	@echo "make bench   the figures, each with its ratio (release build, about ten minutes)"
	@echo "make bench-radius   RADIUS beside FreeRADIUS 3.2, the same load for both (release build)"
	@echo "make bench-api   the API under load, and a thousand listeners (release build)"
	@echo "make bench-money how soon customers who paid are online, and a thousand payments at once"

demo:
	@scripts/set-up build
	cargo run --quiet --locked --bin lango -- demo

test:
	@scripts/set-up test
	@scripts/test-all

# BENCH="--only a,c" or "--scale 0.1" is less of it.
bench:
	@scripts/set-up build
	cargo run --release --locked -p lango-server --example bench_engine -- $(BENCH)
	cargo run --release --locked -p lango-store --example bench_store

# The doors under load: BENCH="--scale 0.1" is less of it.
bench-api:
	@scripts/set-up build
	cargo run --release --locked -p lango-server --example bench_api -- $(BENCH)

# RADIUS beside FreeRADIUS: BENCH="--scale 0.1" is less of it, BENCH="--only pap" a part.
bench-radius:
	@scripts/set-up bench
	cargo build --release --locked -p lango-server --example bench_radius
	@scripts/with-durable-postgres sh -c \
	  'exec target/release/examples/bench_radius --postgres "$$LANGO_TEST_POSTGRES" $(BENCH)'

# Purchases at a steady rate, then a thousand confirmations in a second: on SQLite, and on a
# PostgreSQL that syncs what it commits. BENCH="--scale 0.1 --seconds 30" is less of it.
bench-money:
	@scripts/set-up test
	cargo build --release --locked -p lango-server --example bench_money
	@scripts/with-durable-postgres target/release/examples/bench_money $(BENCH)

bench-smoke:
	cargo run --locked -p lango-server --example bench_engine -- --scale 0.01 --idle 3
	cargo run --locked -p lango-server --example bench_api -- --scale 0.005 --seconds 5
	cargo run --locked -p lango-server --example bench_radius -- --scale 0.01 --seconds 1 \
	  --servers lango-sqlite --only interims
	cargo run --locked -p lango-server --example bench_money -- --scale 0.06 --seconds 10

clean-test-servers:
	scripts/test-postgres stop
