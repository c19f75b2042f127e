"""`python -m codegemma_ui`."""

from codegemma_ui.commands.main import main

if __name__ == "__main__":
    main()
