"""CodeGemma FIM Playground: see a language model write the code at your cursor.

Rooms, and the way the arrows run: `ui -> client -> messages <- engine`. `fim`, `presets`, `messages`,
`settings`, `errors`, `vocabulary` and `machine` know no framework and no web page; only `engine`
imports Keras, and it does so in a process of its own.
"""

__version__ = "0.1.0"
