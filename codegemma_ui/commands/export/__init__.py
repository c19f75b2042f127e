"""A preset for other programs: llama.cpp (one GGUF file) or Hugging Face transformers (a folder).

It reads a preset through KerasHub, so it needs a framework, as `workers/keras` does: the page and the
client never import it. `weights` and `pieces` say what a preset holds, once; `gguf_file` and
`transformers_files` each write that in one format; `folder` makes sure that a person finds a whole export
or none.
"""
