"""Export of a preset for other programs: llama.cpp (one GGUF file) or Hugging Face transformers (a folder).

It reads a preset through KerasHub, so it needs a framework, like `workers/keras`: the page and the client
never import it. `weight_reader` and `pieces` extract a preset's contents; `gguf_file` and
`transformers_files` each write one format; `folder` makes sure that users find a complete export or none.
"""
