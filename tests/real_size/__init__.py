"""`make real-size`, with models small enough for tests."""
