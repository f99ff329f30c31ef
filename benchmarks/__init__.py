"""Benchmarks: `python -m benchmarks`. README.md says what is compared, and why that is fair."""
