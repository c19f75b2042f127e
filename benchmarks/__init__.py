"""Benchmarks: speed/ with its results.json, capacity in sizing/, a 2B model in real_size/."""
