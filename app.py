"""The entry point that Hugging Face Spaces runs; `python app.py serve --help` lists what it takes."""

from codegemma_ui.commands.main import main

if __name__ == "__main__":
    main()
