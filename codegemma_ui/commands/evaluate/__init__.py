"""Evaluation of a preset's fill-in-the-middle, on tasks in the format of HumanEval-Infilling.

`tasks` reads a dataset, `infilling` runs the engine, `scoring` compares, `execution` runs the tests of a task
in `containment`, `results` stores one line per task so that an interrupted run can continue. The command
itself is `codegemma_ui/commands/evaluate/command.py`.
"""
