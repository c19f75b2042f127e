"""Imported by Python at startup; if the profile cannot be applied, the program must not run."""

import os
import traceback

try:
    import simulated_system  # noqa: F401
except Exception:
    traceback.print_exc()
    os._exit(70)
