"""Training of the bundled preset from scratch: see README.md beside this file."""
