"""What is watched beside a run, whatever the run does: each watch is a context manager with `figures` at its end.

`memory` is about resident memory, `connections` about where processes connect to, `stranger` about an address
that nobody may connect to, `hangs` about whether the page answers meanwhile; `page` has all of a page's.
They read /proc, so they are for Linux.
"""
