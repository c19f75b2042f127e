"""Small programs from a grammar: short, complete, idiomatic code, as typed into a playground.

Packages contain little of it. Names, sizes and forms are random, so that the model learns the forms and
copies the names. The programs are this project's own text.

    python -m training.grammar --folder build/training
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

from training import holes, pack
from training.samples import FIM_RATE, Sample, whole

PROGRAMS = 120_000

THINGS = (  # noqa: SIM905 - easier to read as one string
    "number value item word name line price score point row user record file path key node edge "
    "city color letter grade weight height age total size step level player card book page order "
    "product student message event task temperature speed distance amount volume digit char token "
    "field column entry"
).split()
VERBS = (  # noqa: SIM905
    "get find make build compute collect count list show print load read parse select check"
).split()
MODULES = {
    "sys": ("sys.exit({n})", "sys.argv[{n}]", "sys.stdin.read()", "sys.exit(main())"),
    "os": ('os.listdir("{a}")', 'os.path.join({a}, "{b}.txt")', "os.getcwd()", "os.remove({a})"),
    "math": ("math.sqrt({a})", "math.pi * {a} ** 2", "math.floor({a} / {n})", "math.gcd({a}, {b})"),
    "random": ("random.choice({a}s)", "random.randint(1, {n})", "random.shuffle({a}s)"),
    "json": ("json.loads({a})", "json.dumps({a}, indent=2)", "json.load({a})"),
    "re": ('re.findall(r"\\d+", {a})', 're.sub(r"\\s+", " ", {a})', 're.split(",", {a})'),
    "time": ("time.sleep({n})", "time.time()", "time.perf_counter()"),
    "csv": ("csv.reader({a})", "csv.DictReader({a})", "csv.writer({a})"),
    "itertools": ("itertools.chain({a}s, {b}s)", "itertools.product({a}s, {b}s)"),
    "datetime": ("datetime.date.today()", "datetime.datetime.now()"),
    "argparse": ("argparse.ArgumentParser()",),
    "collections": ("collections.Counter({a}s)", "collections.defaultdict(list)"),
    "shutil": ("shutil.copy({a}, {b})", "shutil.rmtree({a})"),
    "subprocess": ('subprocess.run(["{a}", "{b}"], check=True)',),
    "statistics": ("statistics.mean({a}s)", "statistics.median({a}s)"),
    "string": ("string.ascii_letters", "string.digits"),
}


def _names(random: Random) -> dict[str, object]:
    a, b, c = random.sample(THINGS, 3)
    number = random.randint(2, 20)
    verb = random.choice(VERBS)
    return {"a": a, "b": b, "c": c, "n": number, "m": number + random.randint(1, 80), "verb": verb}


def _docstring(random: Random, text: str) -> str:
    return f'    """{text}"""\n' if random.random() < 0.5 else ""


def _accumulate(random: Random) -> str:
    names = _names(random)
    start, change = random.choice(
        [
            ("0", "{c} += {a}"),
            ("0", "{c} += {a} * {a}"),
            ("1", "{c} *= {a}"),
            ("0", "{c} += 1"),
            ("[]", "{c}.append({a} * {n})"),
            ("[]", "{c}.append({a})"),
            ("{{}}", "{c}[{a}] = {c}.get({a}, 0) + 1"),
            ('""', "{c} += str({a})"),
            ("set()", "{c}.add({a})"),
        ]
    )
    test = random.choice(
        ["", "{a} > {n}", "{a} % {n} == 0", "{a} % 2 == 1", "{a} not in {b}s", "{a} is not None"]
    )
    sides = "{a}s, {b}s" if "{b}" in test else "{a}s"
    inner = f"        if {test}:\n            {change}\n" if test else f"        {change}\n"
    text = (
        f"def {{verb}}_{{a}}s({sides}):\n"
        + _docstring(random, "{verb} the {a}s.").replace("{verb}", "{Verb}")
        + f"    {{c}} = {start}\n    for {{a}} in {{a}}s:\n{inner}    return {{c}}\n"
    )
    call = (
        random.choice(["", "\n\nprint({verb}_{a}s([1, 2, {n}, {m}]))\n"]) if sides == "{a}s" else ""
    )
    return (text + call).format(**names, Verb=str(names["verb"]).capitalize())


def _extreme(random: Random) -> str:
    names = _names(random)
    word, measure, sign, best = random.choice(
        [
            ("largest", "{a}", ">", "{c}"),
            ("smallest", "{a}", "<", "{c}"),
            ("longest", "len({a})", ">", "len({c})"),
            ("shortest", "len({a})", "<", "len({c})"),
        ]
    )
    return (
        f"def {word}_{{a}}({{a}}s):\n"
        + _docstring(random, f"Return the {word} {{a}}.")
        + f"    {{c}} = {{a}}s[0]\n    for {{a}} in {{a}}s[1:]:\n        if {measure} {sign} {best}:\n"
        "            {c} = {a}\n    return {c}\n"
    ).format(**names)


def _table(random: Random) -> str:
    names = _names(random)
    first, second = random.choice(
        [("i", "j"), ("row", "column"), ("x", "y"), ("a", "b"), ("m", "n")]
    )
    what = random.choice(
        [
            'print(f"{{{i}}} x {{{j}}} = {{{i} * {j}}}")',
            'print({i}, "*", {j}, "=", {i} * {j})',
            'print({i} * {j}, end=" ")',
            'print({i} + {j}, end="\\t")',
            "print({i}, {j})",
            "print({i} ** {j})",
            'print("{{}} + {{}} = {{}}".format({i}, {j}, {i} + {j}))',
        ]
    ).format(i=first, j=second)
    text = f"for {first} in range(1, {names['n']}):\n    for {second} in range(1, {names['m']}):\n"
    text += f"        {what}\n"
    if "end=" in what or random.random() < 0.4:
        text += "    print()\n"
    if random.random() < 0.4:
        size, index = (
            random.choice(["size", "count", "limit", "number", "k"]),
            random.choice("ijkx"),
        )
        line = random.choice(
            ["print({s}, {i}, {s} * {i})", 'print({s} + {i}, end=" ")', "print({i} ** {s})"]
        )
        text = (
            f"def {names['verb']}_{names['a']}({size}):\n    for {index} in range(1, {names['n']}):\n        "
            + line.format(s=size, i=index)
            + "\n"
        )
        text += random.choice(["", f"\n\n{names['verb']}_{names['a']}({names['m']})\n"])
        return text
    if random.random() < 0.4:
        body = "".join(f"    {line}\n" for line in text.splitlines())
        text = f"def print_table():\n{body}\n\nprint_table()\n"
    return text


def _single_loop(random: Random) -> str:
    names = _names(random)
    loop = random.choice(
        [
            "for i in range({n}):\n    print(i)\n",
            "for i in range(1, {m}):\n    print(i, i ** 2)\n",
            "for {a} in {a}s:\n    print({a})\n",
            "for i, {a} in enumerate({a}s):\n    print(i, {a})\n",
            "for {a}, {b} in zip({a}s, {b}s):\n    print({a}, {b})\n",
            "for {a}, {b} in {c}s.items():\n    print({a}, {b})\n",
            'for i in range(1, 11):\n    print(f"{n} x {{i}} = {{{n} * i}}")\n',
            "i = 0\nwhile i < {n}:\n    print(i)\n    i += 1\n",
            "while {a} > 0:\n    {a} -= 1\n    print({a})\n",
        ]
    ).format(**names)
    heads = [
        f"{names[key]}s = [{', '.join(str(random.randint(0, 99)) for _ in range(4))}]\n"
        for key in "ab"
    ]
    used = [head for head in heads if head.split(" ")[0] in loop]
    return "".join(used) + ("\n" if used else "") + loop


def _class(random: Random) -> str:
    names = _names(random)
    title = str(names["c"]).capitalize()
    method = random.choice(
        [
            '    def __repr__(self):\n        return f"{T}({{self.{a}}}, {{self.{b}}})"\n',
            "    def set_{a}(self, {a}):\n        self.{a} = {a}\n",
            "    def get_{b}(self):\n        return self.{b}\n",
            "    def total(self):\n        return self.{a} + self.{b}\n",
            "    def __eq__(self, other):\n"
            "        return self.{a} == other.{a} and self.{b} == other.{b}\n",
            "    @property\n    def {verb}_{a}(self):\n        return self.{a} * {n}\n",
            "    def is_{b}(self, {b}):\n        return self.{b} == {b}\n",
        ]
    )
    text = (
        "class {T}:\n    def __init__(self, {a}, {b}):\n        self.{a} = {a}\n        self.{b} = {b}\n\n"
        + method
    )
    return text.format(T=title, **names)


def _recursion(random: Random) -> str:
    name = random.choice(
        ["factorial", "power", "fibonacci", "sum_to", "gcd", "reverse", "is_palindrome"]
    )
    n = random.choice(["n", "number", "x", "k", "value"])
    return {
        "factorial": f"def factorial({n}):\n    if {n} == 0:\n        return 1\n"
        f"    return {n} * factorial({n} - 1)\n",
        "power": f"def power(base, {n}):\n    if {n} == 0:\n        return 1\n"
        f"    return base * power(base, {n} - 1)\n",
        "fibonacci": f"def fibonacci({n}):\n    if {n} < 2:\n        return {n}\n"
        f"    return fibonacci({n} - 1) + fibonacci({n} - 2)\n",
        "sum_to": f"def sum_to({n}):\n    if {n} == 0:\n        return 0\n    return {n} + sum_to({n} - 1)\n",
        "gcd": "def gcd(a, b):\n    while b:\n        a, b = b, a % b\n    return a\n",
        "reverse": f"def reverse({n}):\n    return {n}[::-1]\n",
        "is_palindrome": f"def is_palindrome({n}):\n    return {n} == {n}[::-1]\n",
    }[name]


def _module(random: Random) -> str:
    """An import whose name only the following code reveals."""
    names = _names(random)
    module = random.choice(list(MODULES))
    use = random.choice(MODULES[module]).format(**names)
    form = random.choice(
        [
            "def {verb}_{a}({a}, {b}):\n    return {use}\n",
            "def main():\n    {c} = {use}\n    print({c})\n\n\nmain()\n",
            "{c} = {use}\nprint({c})\n",
            'if __name__ == "__main__":\n    {a} = {use}\n    print({a})\n',
            "for {c} in range({n}):\n    print({use})\n",
        ]
    )
    other = random.choice(list(MODULES))
    also = f"import {other}\n" if other != module and random.random() < 0.15 else ""
    return (
        f"{also}import {module}\n\n"
        + ("\n" if form.startswith("def") else "")
        + form.format(use=use, **names)
    )


def _branches(random: Random) -> str:
    names = _names(random)
    text = random.choice(
        [
            'def {verb}_{a}({a}):\n    if {a} > {m}:\n        return "{b}"\n    elif {a} > {n}:\n'
            '        return "{c}"\n    else:\n        return None\n',
            "def is_{b}({a}):\n    if {a} % {n} == 0:\n        return True\n    return False\n",
            "def absolute({a}):\n    if {a} < 0:\n        return -{a}\n    return {a}\n",
            "def clamp({a}, low, high):\n    if {a} < low:\n        return low\n    if {a} > high:\n"
            "        return high\n    return {a}\n",
            'with open("{a}.txt") as file:\n    for line in file:\n        print(line.strip())\n',
            "def {verb}_{a}s(path):\n    with open(path) as file:\n        return file.read().splitlines()\n",
            "try:\n    {a} = int(input())\nexcept ValueError:\n    {a} = {n}\nprint({a})\n",
            "{a}s = [{a} for {a} in {b}s if {a} > {n}]\nprint(len({a}s))\n",
            "{c}s = [{a} * {n} for {a} in range({m})]\nprint(sum({c}s))\n",
            "def average({a}s):\n    return sum({a}s) / len({a}s)\n",
            "def swap({a}, {b}):\n    return {b}, {a}\n",
            "def add({a}, {b}):\n    return {a} + {b}\n\n\nprint(add({n}, {m}))\n",
        ]
    )
    return text.format(**names)


def _counted(random: Random) -> str:
    """A loop over numbers whose bounds are in a docstring, a call or the surrounding code."""
    names = _names(random)
    word, sign = random.choice(
        [("plus", "+"), ("minus", "-"), ("times", "*"), ("over", "/"), ("to the power of", "**")]
    )
    size = random.choice(["n", "n", "number", "x", "k", "value", "base", "size"])
    index = random.choice(["i", "i", "i", "j", "x2", "step", "factor", "other"])
    first, last = random.choice([0, 1, 1, 1, 2]), random.randint(3, 20)
    told = random.choice(
        [
            f"Show {size} {word} {first} up to {size} {word} {last}.",
            f"Print {size} {word} each number from {first} to {last}.",
            f"Print {size} {word} {first}, and so on to {last}.",
            f"{size} {word} {first} to {last}",
        ]
    )
    shown = random.choice(
        [
            f"print({size}, '{sign}', {index}, '=', {size} {sign} {index})",
            f"print({size} {sign} {index})",
            f"print({size}, {index}, {size} {sign} {index})",
            f"print(f'{{{size}}} {sign} {{{index}}} is {{{size} {sign} {index}}}')",
            f"results.append({size} {sign} {index})",
        ]
    )
    hint, returned = random.choice([("", ""), (": int", " -> None")])
    keeps = "append" in shown
    returned = " -> list" if keeps and hint else returned
    end = f"range({first}, {last + 1})" if first else f"range({last + 1})"
    text = (
        f"def {names['verb']}_{names['a']}({size}{hint}){returned}:\n"
        + (f'    """{told}"""\n' if random.random() < 0.8 else "")
        + ("    results = []\n" if keeps else "")
        + f"    for {index} in {end}:\n        {shown}\n"
        + ("    return results\n" if keeps else "")
    )
    call = f"{names['verb']}_{names['a']}({names['n']})"
    return text + random.choice(["", f"\n\n{call}\n", f"\n{call}\n"])


def _iterated(random: Random) -> str:
    """Loops over things named in the surrounding code: a list, its indices, pairs, a file, a dictionary."""
    names = _names(random)
    loop, body = random.choice(
        [
            ("for {a} in {a}s:", "print({a})"),
            ("for {a} in sorted({a}s):", "print({a})"),
            ("for {a} in reversed({a}s):", "print({a})"),
            ("for i in range(len({a}s)):", "print(i, {a}s[i])"),
            ("for i, {a} in enumerate({a}s):", "print(i, {a})"),
            ("for i, {a} in enumerate({a}s, start=1):", 'print(f"{{i}}. {{{a}}}")'),
            ("for {a}, {b} in {a}s.items():", "print({a}, {b})"),
            ("for {b} in {a}s.values():", "print({b})"),
            ("for {b} in {a}.split():", "print({b}.upper())"),
            ("for line in {a}.splitlines():", "print(line.strip())"),
            ("for i in range({n}):", "print(i)"),
            ("for i in range({n}, 0, -1):", "print(i)"),
            ("for i in range(0, {m}, 2):", "print(i)"),
            ("while {a} < {n}:", "{a} += 1"),
            ("while {a}s:", "print({a}s.pop())"),
        ]
    )
    given = "{a}s" if "{a}s" in loop else "{a}"
    text = f"def {{verb}}_all({given}):\n" + (
        _docstring(random, "Go over the {a}s.") + f"    {loop}\n        {body}\n"
    )
    return text.format(**names)


FORMS: dict[Callable[[Random], str], int] = {
    _accumulate: 6,
    _extreme: 3,
    _table: 3,
    _counted: 5,
    _iterated: 4,
    _single_loop: 4,
    _class: 4,
    _recursion: 2,
    _module: 5,
    _branches: 6,
}
"""Relative frequency of each form."""


def program(random: Random) -> str:
    """Return one or two forms as one Python file, never one of the page's examples (a test checks)."""
    forms = random.choices(list(FORMS), list(FORMS.values()), k=random.choice([1, 1, 2]))
    texts = [form(random) for form in forms]
    # Imports come first.
    texts.sort(key=lambda text: not text.startswith("import"))
    text = "\n\n".join(texts)
    plain = "'" not in text and 'f"' not in text and '"""' not in text
    return text.replace('"', "'") if plain and random.random() < 0.4 else text


def samples(random: Random, programs: int = PROGRAMS) -> Iterator[Sample]:
    """Yield programs with a hole in each."""
    for _ in range(programs):
        text = program(random)
        source = holes.understand(text)
        source.body_lines = source.body_lines or source.other_lines
        hole = holes.import_hole(text, random) if random.random() < 0.4 else None
        if source.heads and random.random() < 0.25:
            hole = random.choice(source.heads)
        hole = hole or holes.draw(source, random)
        if hole is None or random.random() > FIM_RATE:
            yield Sample(text, None, "", ends=True)
            continue
        yield whole(text, hole, random)


def main() -> None:
    """Write `FOLDER/packed/grammar.npz`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("build/training"))
    pack_programs(parser.parse_args().folder)


def pack_programs(folder: Path, programs: int = PROGRAMS) -> None:
    """Write `FOLDER/packed/grammar.npz`, for all turns."""
    vocabulary = pack.vocabulary_in(folder)
    generator = Random(0)
    encoded = [pack.encode(sample, vocabulary) for sample in samples(generator, programs)]
    pack.save(folder / "packed" / "grammar.npz", encoded, generator)


if __name__ == "__main__":
    main()
