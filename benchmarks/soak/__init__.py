"""The soak: workers under load and random faults. The README of `benchmarks` says what counts."""
