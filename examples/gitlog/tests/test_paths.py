"""Paths as text: any bytes, on one line, and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitlog.paths import quoted, unquoted


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (b"src/duck.py", "src/duck.py"),
        ("größe/東京".encode(), "größe/東京"),
        (b"a b", "a b"),
        (b"tab\there", r'"tab\there"'),
        (b"new\nline", r'"new\nline"'),
        (b'"quoted"', r'"\"quoted\""'),
        (b"back\\slash", r'"back\\slash"'),
        (b"bell\x07 and escape\x1b", r'"bell\a and escape\033"'),
        (b"latin-1-\xe9", r'"latin-1-\351"'),
        ("東京\t".encode(), '"東京\\t"'),
    ],
)
def test_a_path_is_written_as_git_writes_it(path: bytes, text: str) -> None:
    assert quoted(path) == text
    assert unquoted(text) == path


@given(st.binary(max_size=20) | st.text(max_size=20).map(lambda text: text.encode("utf-8")))
def test_any_path_comes_back_from_one_line_of_text(path: bytes) -> None:
    text = quoted(path)
    assert unquoted(text) == path
    assert not set("\n\r\t\0") & set(text)
    text.encode()
