"""macOS and Windows, simulated: our modules lack what is lacking there, and everything else runs as it is.

A profile says which names and modules a system lacks, by typeshed's stubs. `site/` holds every
Python process that has it on PYTHONPATH to the profile that `SIMULATED_SYSTEM` names, so the worker has it
from the page as it has the rest of its environment. Only modules of `codegemma_ui` see the profile: asyncio,
psutil and the tests still run on this Linux.
"""
