"""Reliability measurements: closed tabs, double clicks, overload, and processes that die.

Each scenario drives its own playground, a normal process, over HTTP as a page does. The tests run them with
small counts and slack for a busy machine; `python -m tools.reliability` runs the full counts and prints each
figure with its limit.
"""
