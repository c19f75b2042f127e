"""Runs a program that a model wrote, where it reaches nothing but this Python and an empty folder.

`execution` starts this folder as a process of its own (`python -I -S containment PLAN`, see `plan`), with the
program on its stdin. Three processes follow one another, each out of the next one's reach:

1. `__main__` makes new namespaces (`namespaces`): no network device, no other process to see or to signal,
   no shared memory of others (https://man7.org/linux/man-pages/man7/namespaces.7.html);
2. `supervisor` is the first process in them. It builds a root folder (`root`) that holds the interpreter, the
   system's libraries and programs, all read-only, and a small folder in memory: no socket, pipe, terminal or
   file of the user's. It then starts the program with limits, watches its time and memory, and makes the
   verdict. A signal from inside does not reach it, and its end is the end of whatever the program started;
3. `program` runs what the model wrote, under a user without any right, with no descriptor but the one on
   which it reports.

The verdict is `passed` where that process ends with exit code 0 and its report has a word that was made
for this run alone. Nothing the program can name holds the word, and no descriptor gives it: leaving early, or
writing on whatever descriptor is open, does not pass.

What this is not: proof against a program that sets out to deceive its test. Both share one interpreter, as in
HumanEval's own harness. A program may return an object that says it equals anything, or search its own
interpreter's memory for the word. Nor is it proof against a fault in the kernel.

On stdout come `note SENTENCE` for what this machine lacks, `contained` once the walls stand, then `passed` or
`failed REASON`; or `refused REASON`, where nothing was run.
"""
