"""What is watched beside a run, whatever that does: each watch is a context manager, and has `figures` after.

`memory` is about resident memory, `connections` about where processes connect to, `stranger` about an address
that nobody may connect to, `hangs` about whether the page answers meanwhile; `page` has all of a page's.
They read /proc, so they are for Linux.
"""
