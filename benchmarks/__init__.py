"""Benchmarks: each writes benchmarks/results/<name>.json and its table in README.md; `make bench` runs all."""
