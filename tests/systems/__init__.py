"""macOS and Windows, simulated: our modules lack what those systems lack; everything else is unchanged.

A profile lists the names and modules that a system lacks, according to typeshed's stubs. `site/` applies the
profile named by `SIMULATED_SYSTEM` to every Python process that has it on PYTHONPATH; the worker inherits
both from the page. Only modules of `codegemma_ui` see the profile: asyncio, psutil and the tests still run on
Linux.
"""
