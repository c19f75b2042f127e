"""How the bundled preset is made, from nothing: see README.md beside this file."""
