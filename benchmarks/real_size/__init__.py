"""A model of CodeGemma 2B's size on this machine: every backend and precision through the page, and
llama.cpp."""
