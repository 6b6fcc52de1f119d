"""Which tests there are."""

import os

# A test that cannot run is not there, rather than skipped.
collect_ignore = [] if os.environ.get("REAL_LOCK_FILES") else ["test_real_locks.py"]
