"""The command line: `main` parses it, and each command is a module or package of its own.

Knows flags and exit codes. May import any package, but imports each command only when it runs; no other
package imports this one.
"""
