"""A model that runs elsewhere: a worker process that asks a server in the protocol of OpenAI's completions.

The process speaks the same line as `workers/keras/worker.py`, so that the page, the shell and the API do not
know the difference; it imports no Keras. The prompt is made here, of the preset's own vocabulary.

    server.py      the connection: the `openai` library, its timeouts and retries
    stream.py      a streamed answer, in the forms that servers give it
    abilities.py   what this server can do, asked once
    answers.py     what a piece of an answer tells: ids, texts, log probabilities
    generation.py  one request to one stream of events
    failures.py    what goes wrong, in words
    health.py      whether it is there
    worker.py      the process

Protocol: https://platform.openai.com/docs/api-reference/completions. What servers add to it:
https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html and
https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md.
"""
