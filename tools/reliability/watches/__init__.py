"""Watches during a run: each is a context manager with `figures` afterwards.

`memory` watches resident memory, `connections` the peers of processes, `stranger` an address that must not be
connected to, `hangs` the page's response times; `page` combines all of a page's. They read /proc, so they
need Linux.
"""
