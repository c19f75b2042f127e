"""How fast the engine is, beside other engines on the same weights: `python -m benchmarks.speed`.

All get the same prompts and threads. The runner and everything in this folder import no framework. Each
engine that is measured is a process of its own, from `engine/`, and all of them speak the small protocol of
`engine/subject.py`.

    subjects, shapes                     who can be measured, on which models: tables
    plan, prompts, typing_trace          what they are asked
    conversation, weights                their processes, and their weights in each one's format
    visit, comparisons, replay, runner   asking: one subject, one round; then all of them
    bandwidth                            what the memory could do
    figures, report, plot                from samples to medians, a page and a picture
"""
