"""Run a model-written program with access to nothing but this Python and an empty folder.

`execution` starts this folder as a process of its own (`python -I -S containment PLAN`, see `plan`), with the
program on its stdin. Three processes start each other, each out of reach of the next:

1. `__main__` creates new namespaces (`namespaces`): no network device, no other process to see or to signal,
   no shared memory of others (https://man7.org/linux/man-pages/man7/namespaces.7.html);
2. `supervisor` is the first process in them. It builds a root folder (`root`) that contains the interpreter,
   the system's libraries and programs, all read-only, and a small folder in memory: no socket, pipe, terminal
   or file of the user's. It then starts the program with limits, watches its time and memory, and determines
   the verdict. A signal from inside does not reach it, and everything the program started ends with it;
3. `program` runs the model's code, as a user without any rights, with no descriptor but the one for its
report.

The verdict is `passed` if that process ends with exit code 0 and its report contains a word generated for
this run only. Nothing the program can name holds the word, and no descriptor yields it: exiting early, or
writing to open descriptors, does not pass.

This is not proof against a program that sets out to deceive its test. Both share one interpreter, as in
HumanEval's own harness. A program may return an object that claims to equal anything, or search its own
interpreter's memory for the word. Nor is it proof against kernel bugs.

stdout gets `note SENTENCE` for what this machine lacks, `contained` once the containment is complete, then
`passed` or `failed REASON`; or `refused REASON`, if nothing was run.
"""
