"""Realistic documents: tabs, all line endings, trailing spaces, scripts of the world, emoji."""

from __future__ import annotations

from hypothesis import strategies as st

PIECES = (
    *("\t", "\t\t", "    ", "  \n", "\n", "\r\n", "\r", " \t\r\n", "\n\n\n", " ", "\u3000"),
    *("def f(x):", "return x", "# 한글 주석", "print('안녕')", "ㅎㅏㄴ", "שלום", "مرحبا بالعالم"),
    *("\u202eabc\u202c", "👩‍👩‍👧‍👦", "🦙", "🇰🇷", "e\u0301", "\u2028", "\ufeff", "\0", "𝔘𝔫𝔦"),
    *("<|fim_middle|>", "<eos>", "</script>", "${x}", "\\", '"', "'", "`", "&amp;", "<img>"),
)

# Text without lone surrogates, which are not valid Unicode and are refused.
ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)

DOCUMENTS = st.lists(st.sampled_from(PIECES) | ANY, max_size=12).map("".join)
