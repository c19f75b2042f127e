"""A worker process that uses a remote server speaking OpenAI's completions protocol.

It exchanges the same messages as `workers/keras/worker.py`, so that the page, the CLI and the API see no
difference. It imports no Keras, and builds the prompt itself with the preset's vocabulary.

    server.py        connection: the `openai` library with our timeouts and retries
    stream.py        streamed answers, in the forms that servers send
    abilities.py     detection of what the server supports
    answers.py       ids, texts and log probabilities of an answer's chunks
    generation.py    one request to one stream of events
    failures.py      error messages
    availability.py  whether the server responds, for `doctor`
    worker.py        the process

Protocol: https://platform.openai.com/docs/api-reference/completions. What servers add to it:
https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html and
https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md.
"""
