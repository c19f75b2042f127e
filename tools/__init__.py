"""Tools that people run, most of them by `make`: long measurements, rehearsals and the screenshots.

    reliability      what must hold under load and when processes die; `soak` runs it for hours
    fuzz             bad requests, documents to be kept byte for byte, and the longest texts
    space            a rehearsal of a Hugging Face Space
    container        a rehearsal of the container image
    screenshots      the pictures in docs/screenshots
    rehearsals.py    the table and the helpers that both rehearsals share

Tools use the fakes of the tests, and tests run tools with small counts. `codegemma_ui` imports neither.
"""
