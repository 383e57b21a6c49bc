.PHONY: demo test bench
