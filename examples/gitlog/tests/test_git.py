"""Reading real git repositories, also odd ones."""

import os
from pathlib import Path

import pytest

from gitlog.commits import Change
from gitlog.errors import NoHistory
from gitlog.paths import unquoted
from gitlog.repositories import Repository
from gitlog.sources import open_source
from gitlog.tests.git_repository import GitRepository

ODD_NAMES = [
    b"a b",
    b"tab\there",
    b"new\nline",
    b'"quoted"',
    b"back\\slash",
    "größe/東京.txt".encode(),
    b"latin-1-\xe9",
    b"\xff\xfe",
    b":100644",
    b" lead",
]

Tree = list[tuple[bytes, str, str]]


def trees(folder: Path) -> dict[str, Tree]:
    """The tree at every commit, as our domain folds it, in our order."""
    behaviour = Repository.__behaviour__
    state, found = behaviour.initial("pond"), dict[str, Tree]()
    for command in open_source(folder).commits("pond"):
        behaviour.decide(state, command, [])
        listed = [(unquoted(p), e.mode, e.blob) for p, e in state.tree.items()]
        found[command.commit] = sorted(listed)
    return found


def assert_same_trees(repository: GitRepository) -> None:
    found = trees(repository.folder)
    assert list(found) == repository.commits()
    for commit, tree in found.items():
        assert tree == repository.tree(commit)


def test_adding_changing_renaming_and_deleting_is_what_git_says(repository: GitRepository) -> None:
    repository.write("pond/duck", "quack")
    repository.write("reed", "green")
    repository.commit("add")
    repository.write("pond/duck", "quack quack")
    repository.commit("change")
    repository.git("mv", "pond/duck", "pond/drake")
    repository.commit("rename")
    repository.commit("nothing at all")
    repository.git("rm", "--quiet", "reed")
    repository.commit("delete")
    assert_same_trees(repository)
    assert len(repository.commits()) == 5


def test_links_programs_and_submodules_keep_their_modes(repository: GitRepository) -> None:
    repository.write("run", "#!/bin/sh")
    os.chmod(repository.folder / "run", 0o755)
    os.symlink("run", repository.folder / "link")
    first = repository.commit("program and link")
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{first},module")
    repository.git("commit", "--quiet", "--message=submodule")
    assert_same_trees(repository)
    modes = {path: mode for path, mode, _ in trees(repository.folder)[repository.head()]}
    assert modes == {b"run": "100755", b"link": "120000", b"module": "160000"}


def test_a_file_may_become_a_link_and_a_folder_a_file(repository: GitRepository) -> None:
    repository.write("thing", "a file")
    repository.write("place/inside", "a folder")
    repository.commit("before")
    (repository.folder / "thing").unlink()
    os.symlink("place", repository.folder / "thing")
    repository.git("rm", "--quiet", "-r", "place")
    repository.write("place", "a file")
    repository.commit("after")
    assert_same_trees(repository)
    *_, last = open_source(repository.folder).commits("pond")
    assert last.changes["thing"].status == "T"
    assert last.changes["place/inside"] == Change("D")


def test_a_merge_is_seen_from_its_first_parent(repository: GitRepository) -> None:
    repository.write("main", "1")
    repository.commit("main")
    repository.git("checkout", "--quiet", "-b", "side")
    repository.write("side/one", "1")
    repository.commit("one")
    repository.write("side/two", "2")
    repository.commit("two")
    repository.git("checkout", "--quiet", "main")
    repository.write("main", "2")
    repository.commit("meanwhile")
    repository.git("merge", "--quiet", "--no-ff", "side", "--message=merge")
    assert_same_trees(repository)
    *_, merge = open_source(repository.folder).commits("pond")
    assert merge.subject == "merge"
    assert set(merge.changes) == {"side/one", "side/two"}


def test_any_name_that_git_takes_is_kept(repository: GitRepository) -> None:
    for name in ODD_NAMES:
        repository.write(name, "odd")
    repository.commit("odd names")
    for name in ODD_NAMES[::2]:
        repository.write(name, "still odd")
    repository.commit("change half of them")
    assert_same_trees(repository)
    assert {path for path, _, _ in repository.tree("HEAD")} == set(ODD_NAMES)


def test_what_the_user_has_configured_changes_nothing(repository: GitRepository) -> None:
    repository.write("a/one", "1")
    repository.commit("größer")
    repository.git("checkout", "--quiet", "-b", "side")
    repository.git("mv", "a/one", "a/two")
    first = repository.commit("rename")
    repository.git("checkout", "--quiet", "main")
    repository.git("merge", "--quiet", "--no-ff", "side", "--message=merge")
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{first},a/module")
    repository.git("commit", "--quiet", "--message=submodule")
    for setting in (
        "log.diffMerges=combined",
        "log.showSignature=true",
        "diff.renames=copies",
        "diff.relative=true",
        "diff.ignoreSubmodules=all",
        "core.abbrev=4",
        "core.quotePath=true",
        "color.ui=always",
        "format.pretty=oneline",
        "i18n.logOutputEncoding=latin1",
    ):
        repository.git("config", *setting.split("="))
    assert_same_trees(repository)
    first_commit = next(open_source(repository.folder / "a").commits("pond"))
    assert (first_commit.author, first_commit.subject) == ("Zoë", "größer")


def test_an_import_from_inside_a_git_hook_reads_the_repository_it_was_given(
    repository: GitRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.commit("ours")
    other = GitRepository(tmp_path / "other")
    monkeypatch.setenv("GIT_DIR", str(other.folder / ".git"))
    assert open_source(repository.folder).total == 1


def test_a_commit_says_when_and_whom_it_follows(repository: GitRepository) -> None:
    first = repository.commit("first")
    second = repository.commit("second")
    one, two = open_source(repository.folder).commits("pond")
    assert (one.commit, one.parent) == (first, "")
    assert (two.commit, two.parent) == (second, first)
    assert two.time.isoformat() == "2026-01-01T02:00:00+02:00"


@pytest.mark.parametrize(
    ("ident", "time", "author"),
    [
        (b"Ann <a@b> -86400 +0000", "1970-01-01T00:00:00+00:00", "Ann"),  # before all dates of git
        (b"Ann <a@b> 99999999999999 +0000", "1970-01-01T00:00:00+00:00", "Ann"),  # after ours
        (b"Ann <a@b> 1000000000 +9999", "2001-09-09T01:46:40+00:00", "Ann"),
        (b"Ann <a@b> 253402300799 -1200", "9999-12-31T11:59:59-12:00", "Ann"),
        (b"Ann <a@b> tomorrow", "1970-01-01T00:00:00+00:00", "Ann"),
        (b"Ann", "1970-01-01T00:00:00+00:00", ""),
        (b"", "1970-01-01T00:00:00+00:00", ""),
        (b"Zo\xeb <a@b> 1000000000 +0000", "2001-09-09T01:46:40+00:00", "Zo\ufffd"),
    ],
)
def test_a_date_or_name_that_cannot_be_is_not_in_the_way(
    repository: GitRepository, ident: bytes, time: str, author: str
) -> None:
    odd = repository.commit_by(ident)
    following = repository.commit("and on")
    first, second = open_source(repository.folder).commits("pond")
    assert (first.commit, first.time.isoformat(), first.author) == (odd, time, author)
    assert (second.commit, second.parent, second.subject) == (following, odd, "and on")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (b"pond", "pond"),
        (b"pond/.git", "pond"),
        (b"pond/.git/refs", "pond"),
        (b"pond/reed/green", "pond"),
        (b"pond/reed/..", "pond"),
        (b"aside", "aside"),
        (b"bare.git", "bare"),
        (b"bare.git/refs", "bare"),
        (b"latin-1-\xe9", r'"latin-1-\351"'),
        (b"new\nline", r'"new\nline"'),
    ],
)
def test_a_repository_is_called_like_its_folder_wherever_one_stands_in_it(
    repository: GitRepository, path: bytes, name: str
) -> None:
    repository.write("reed/green/leaf", "green")
    repository.commit("begin")
    folders = repository.folder.parent
    for other in (b"latin-1-\xe9", b"new\nline"):
        GitRepository(folders / os.fsdecode(other)).commit("begin")
    repository.git("worktree", "add", "--quiet", "../aside")
    repository.git("clone", "--quiet", "--bare", ".", "../bare.git")
    source = open_source(folders / os.fsdecode(path))
    assert (source.name, source.total) == (name, 1)


def test_git_says_which_commit_a_name_stands_for(repository: GitRepository) -> None:
    first, second = repository.commit("one"), repository.commit("two")
    repository.git("tag", "-a", "v1", "--message=one", first)
    named = open_source(repository.folder).commit_named
    found = [named(name) for name in ("HEAD", "main", "v1", "HEAD~1", "@{0}", first[:7])]
    assert found == [second, second, first, first, second, first]
    nothing = ["v2", "HEAD~2", "HEAD:", "", "-x", "--all", "main..v1", "a b"]
    assert [named(name) for name in nothing] == [None] * len(nothing)


def test_an_empty_repository_has_no_commits(repository: GitRepository) -> None:
    source = open_source(repository.folder)
    assert source.total == 0
    assert list(source.commits("pond")) == []


def test_a_bare_repository_is_read_like_any_other(
    repository: GitRepository, tmp_path: Path
) -> None:
    repository.write("duck", "quack")
    repository.commit("duck")
    repository.git("clone", "--quiet", "--bare", ".", str(tmp_path / "bare.git"))
    source = open_source(tmp_path / "bare.git")
    assert source.name == "bare"
    assert trees(tmp_path / "bare.git") == trees(repository.folder)


def test_a_shallow_clone_begins_where_its_history_does(
    repository: GitRepository, tmp_path: Path
) -> None:
    for n in range(5):
        repository.write(f"file-{n}", "text")
        repository.commit(f"number {n}")
    origin = f"file://{repository.folder}"
    repository.git("clone", "--quiet", "--depth=2", origin, str(tmp_path / "shallow"))
    first, second = open_source(tmp_path / "shallow").commits("pond")
    assert first.parent == ""
    assert set(first.changes) == {"file-0", "file-1", "file-2", "file-3"}
    assert set(second.changes) == {"file-4"}


def test_a_folder_without_git_is_no_history(tmp_path: Path) -> None:
    with pytest.raises(NoHistory, match="neither a git repository nor a saved history"):
        open_source(tmp_path)


def test_what_is_not_there_is_no_history(tmp_path: Path) -> None:
    with pytest.raises(NoHistory, match="does not exist"):
        open_source(tmp_path / "nothing")


def test_a_damaged_repository_says_what_git_says(repository: GitRepository) -> None:
    repository.write("duck", "quack")
    repository.commit("first")
    tree = repository.git("rev-parse", "HEAD^{tree}").decode().strip()
    repository.commit("second")
    (repository.folder / ".git/objects" / tree[:2] / tree[2:]).unlink()
    with pytest.raises(NoHistory, match=tree):
        list(open_source(repository.folder).commits("pond"))


def test_a_git_that_is_killed_is_no_end_of_the_history(
    repository: GitRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.commit("one")
    source = open_source(repository.folder)
    program = tmp_path / "git"
    program.write_text("#!/bin/sh\ncase $* in *log*) kill -9 $$;; *) echo 1;; esac\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoHistory, match=r"pond: git ended with -9 and said nothing"):
        list(source.commits("pond"))


def test_reading_may_stop_at_any_commit(repository: GitRepository) -> None:
    for n in range(3):
        repository.commit(f"number {n}")
    commits = open_source(repository.folder).commits("pond")
    assert next(commits).subject == "number 0"
    commits.close()
