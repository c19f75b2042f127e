"""Real code with a cursor in it, which the decoder and KerasHub's `generate()` must continue alike.

Each entry is one file; `CURSOR` marks the position of the middle.
"""

CURSOR = "<CURSOR>"

SNIPPETS = (
    "import <CURSOR>\n\nif __name__ == '__main__':\n    sys.exit(0)\n",
    "def add(a, b):\n    return <CURSOR>\n\n\nprint(add(1, 2))\n",
    "def factorial(n):\n    if n <= 1:\n        <CURSOR>\n    return n * factorial(n - 1)\n",
    "class Stack:\n    def __init__(self):\n        self.items = []\n\n    def push(self, item):\n"
    "        <CURSOR>\n\n    def pop(self):\n        return self.items.pop()\n",
    "import json\n\n\ndef load(path):\n    with open(path) as file:\n        return <CURSOR>\n",
    "def mean(values):\n    <CURSOR>\n    return total / len(values)\n",
    "for i in range(10):\n    if i % 2 == 0:\n        <CURSOR>\n    else:\n        print('odd')\n",
    "import re\n\nWORD = re.compile(r'\\w+')\n\n\ndef words(text):\n    return <CURSOR>(text)\n",
    "from dataclasses import dataclass\n\n\n@dataclass\nclass Point:\n    x: float\n    <CURSOR>\n\n"
    "    def norm(self):\n        return (self.x ** 2 + self.y ** 2) ** 0.5\n",
    "def binary_search(items, target):\n    low, high = 0, len(items) - 1\n    while low <= high:\n"
    "        middle = (low + high) // 2\n        if items[middle] == target:\n"
    "            return middle\n        if items[middle] < target:\n            <CURSOR>\n"
    "        else:\n            high = middle - 1\n    return -1\n",
    "try:\n    import tomllib\nexcept <CURSOR>:\n    tomllib = None\n",
    "def test_addition():\n    result = 1 + 1\n    assert <CURSOR>\n",
    "import os\n\n\ndef files(folder):\n    for name in os.listdir(folder):\n"
    "        path = os.path.join(<CURSOR>)\n        if os.path.isfile(path):\n            yield path\n",
    "def fibonacci(n):\n    a, b = 0, 1\n    for _ in range(n):\n        <CURSOR>\n    return a\n",
    "def parse(argv):\n    parser = argparse.ArgumentParser()\n    parser.add_argument('--name')\n"
    "    <CURSOR>\n    return args\n",
    "function greet(name) {\n  return <CURSOR>;\n}\n\nconsole.log(greet('world'));\n",
    "#include <stdio.h>\n\nint main(void) {\n    for (int i = 0; i < 10; i++) {\n        <CURSOR>\n"
    "    }\n    return 0;\n}\n",
    "public class Counter {\n    private int count;\n\n    public void increment() {\n        <CURSOR>\n"
    "    }\n\n    public int get() {\n        return count;\n    }\n}\n",
    "squares = [<CURSOR> for n in range(10)]\nprint(sum(squares))\n",
    "def is_palindrome(text):\n    text = text.lower()\n    return <CURSOR>\n",
    "with open('notes.txt', 'w') as file:\n    file.<CURSOR>('hello')\n",
    "def merge(left, right):\n    merged = []\n    while left and right:\n"
    "        if left[0] < right[0]:\n            merged.append(left.pop(0))\n        else:\n"
    "            <CURSOR>\n    return merged + left + right\n",
)

LARGE_DTYPES = ("float32", "bfloat16", "float16", "int8")
"""Precisions that a large model is tried in."""
