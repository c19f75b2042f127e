"""Capacity of an engine in visitors: simulation, results, plot; `python -m benchmarks.sizing`."""
