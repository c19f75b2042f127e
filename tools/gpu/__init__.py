"""What needs a card, in calls of under nine minutes: correctness, speed, training and its evaluation.

`README.md` has the plan of the calls. Each is `python -m tools.gpu.NAME --out FOLDER`; `--small` runs the
same steps with small shapes, on a CPU too.
"""
