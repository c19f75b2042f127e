"""Speed of the engine, compared with other engines on the same weights: `python -m benchmarks.speed`.

All get the same prompts and threads. The runner and everything in this folder import no framework. Each
measured engine runs in its own process, from `engine/`, with the small protocol of `engine/subject.py`.

    subjects, shapes                     tables of measurable engines and models
    plan, prompts, typing_trace          the requests
    conversation, weights                the processes, and the weights in each one's format
    visit, comparisons, replay, runner   measurement of one subject in one round; then of all
    bandwidth                            memory bandwidth
    figures, report, plot                from samples to medians, a page and a plot
"""
