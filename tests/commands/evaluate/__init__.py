"""What `python -m codegemma_ui eval` rests on."""
