"""How many visitors an engine serves: a simulation, its results, its plot; `python -m benchmarks.sizing`."""
