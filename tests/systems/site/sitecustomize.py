"""Python imports this by itself; where the profile cannot be applied, no program must run as if it were."""

import os
import traceback

try:
    import simulated_system  # noqa: F401
except Exception:
    traceback.print_exc()
    os._exit(70)
