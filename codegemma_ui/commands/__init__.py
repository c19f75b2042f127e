"""What is typed in a shell: `main` reads the line, and each command is a module or a folder of its own.

Knows flags and exit codes. Imports any room, each command when it runs and no more; no other room imports
it.
"""
