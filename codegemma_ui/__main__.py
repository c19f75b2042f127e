"""`python -m codegemma_ui`."""

from codegemma_ui.cli import main

if __name__ == "__main__":
    main()
