"""A Hugging Face Space, rehearsed on this machine: `make space-check`."""
