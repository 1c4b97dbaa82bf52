"""Reading saved histories, also broken ones."""

import gzip
from pathlib import Path

import pytest

from gitlog.commits import Change
from gitlog.errors import NoHistory
from gitlog.sources import open_source

FIRST = (
    '{"commit":"c1","time":"2026-01-01T10:00:00+02:00","author":"zoe","subject":"begin",'
    '"changes":[{"status":"A","path":"duck","mode":"100644","blob":"b1"}]}'
)
SECOND = (
    '{"commit":"c2","time":"2026-01-02T10:00:00Z","author":"zoe",'
    '"changes":[{"status":"D","path":"duck","mode":"000000","blob":"0"}]}'
)


def saved(folder: Path, *lines: str) -> Path:
    file = folder / "pond.jsonl"
    file.write_text("".join(f"{line}\n" for line in lines))
    return file


def test_each_line_is_a_commit_that_follows_the_line_before(tmp_path: Path) -> None:
    source = open_source(saved(tmp_path, FIRST, SECOND))
    assert (source.name, source.total) == ("pond", 2)
    one, two = source.commits("pond")
    assert (one.commit, one.parent, one.subject) == ("c1", "", "begin")
    assert (two.commit, two.parent, two.subject) == ("c2", "c1", "")
    assert one.changes == {"duck": Change("A", "100644", "b1")}
    assert two.changes == {"duck": Change("D")}
    assert one.time.isoformat() == "2026-01-01T10:00:00+02:00"


def test_a_zipped_history_is_the_same(tmp_path: Path) -> None:
    plain = saved(tmp_path, FIRST, SECOND)
    zipped = tmp_path / "pond.jsonl.gz"
    zipped.write_bytes(gzip.compress(plain.read_bytes()))
    assert open_source(zipped).name == "pond"
    assert list(open_source(zipped).commits("p")) == list(open_source(plain).commits("p"))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("not json", "line 2"),
        ('{"commit":"c2"}', "missing required field"),
        (SECOND.replace("Z", ""), "time"),
        (SECOND.replace('"D"', '"X"'), "Invalid enum value 'X'"),
        (SECOND.replace('"D"', '"D\udcff"'), "line 2"),
        (SECOND.replace("}]", '},{"status":"D","path":"duck"}]'), "names a path twice"),
    ],
)
def test_a_line_that_is_no_commit_is_named(tmp_path: Path, line: str, problem: str) -> None:
    file = tmp_path / "pond.jsonl"
    file.write_bytes(f"{FIRST}\n{line}\n".encode(errors="surrogateescape"))
    commits = open_source(file).commits("pond")
    assert next(commits).commit == "c1"
    with pytest.raises(NoHistory, match=r"pond\.jsonl, line 2: ") as error:
        next(commits)
    assert problem in str(error.value)


def test_a_truncated_file_is_said_to_be_so(tmp_path: Path) -> None:
    whole = gzip.compress(saved(tmp_path, FIRST, SECOND).read_bytes())
    file = tmp_path / "cut.jsonl.gz"
    file.write_bytes(whole[:-20])
    with pytest.raises(NoHistory, match=r"cut\.jsonl\.gz"):
        open_source(file)


def test_what_is_called_zipped_but_is_not_is_said_to_be_so(tmp_path: Path) -> None:
    file = tmp_path / "plain.jsonl.gz"
    file.write_text(FIRST)
    with pytest.raises(NoHistory, match=r"plain\.jsonl\.gz: .*gzip"):
        open_source(file)


def test_other_files_are_no_histories(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text(FIRST)
    with pytest.raises(NoHistory, match="neither a git repository nor a saved history"):
        open_source(file)
