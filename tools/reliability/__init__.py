"""What must hold when people close tabs, click twice, come in crowds, and when processes die: measured.

Each scenario drives a playground of its own, a process as a person starts it, over HTTP as a page does. The
tests run them with small counts and room for a busy machine; `python -m tools.reliability` runs the full
counts and prints each figure beside what is promised.
"""
