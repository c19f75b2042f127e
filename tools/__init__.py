"""Developer tools, most of them run by `make`: long measurements, rehearsals and the screenshots.

    reliability      behaviour under load and when processes die; `soak` runs for hours
    fuzz             bad requests, documents that must survive byte for byte, and the longest texts
    space            a rehearsal of a Hugging Face Space
    container        a rehearsal of the container image
    screenshots      the pictures in docs/screenshots
    gpu              correctness, speed and training on a rented card
    weights.py       remakes what hangs on the bundled model's weights
    rehearsals.py    the table and the helpers that both rehearsals share

Tools use the fakes of the tests, and tests run tools with small counts. `codegemma_ui` imports neither.
"""
