"""One command each, one JSON object each; docs/benchmarks.md has the figures and the machine."""
