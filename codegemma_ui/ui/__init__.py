"""The page and the HTTP API: the only room that imports Gradio, and it never imports Keras."""
