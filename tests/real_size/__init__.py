"""`make real-size`, at a size that tests can wait for."""
