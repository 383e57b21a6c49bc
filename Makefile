.PHONY: demo test bench bench-smoke

# The engine against how it is done elsewhere today, with a table at the end. BENCH="--only a,c"
# or "--scale 0.1" for less of it.
bench:
	cargo run --release -p lango-server --example bench_engine -- $(BENCH)

# The same with a hundredth of everything: seconds, for finding out whether it still works.
bench-smoke:
	cargo run --release -p lango-server --example bench_engine -- --scale 0.01 --idle 3
