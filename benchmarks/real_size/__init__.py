"""CodeGemma 2B's size on this machine: every backend and precision through the page, beside llama.cpp."""
