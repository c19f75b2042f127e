"""How well a preset fills in the middle, on tasks in the form of HumanEval-Infilling.

`tasks` reads a dataset, `infilling` asks the engine, `scoring` compares, `execution` runs the tests of a
task in `containment`, `results` keeps a line for each task so that an interrupted run goes on where it
stopped. The command itself is `codegemma_ui/commands/evaluate/command.py`.
"""
