"""What every `RowStore` promises."""

from whence.elsewhere import Document, RowStore

ONE = Document(3, {"account_id": "A", "owner": "ann", "balance": "1.5", "deposits": [1]})
TWO = Document(5, {"account_id": "A", "owner": "bob", "balance": "2.5", "deposits": []})


def test_what_was_stored_is_found(store: RowStore) -> None:
    store.store("a", {"A": ONE, "B": TWO})
    assert store.load("a", ["A", "C", "B"]) == {"A": ONE, "B": TWO}
    assert dict(store.scan("a")) == {"A": ONE, "B": TWO}
    assert store.load("a", []) == {}


def test_tables_are_apart(store: RowStore) -> None:
    store.store("a", {"A": ONE})
    assert store.load("b", ["A"]) == {}
    assert dict(store.scan("b")) == {}


def test_only_what_is_newer_replaces(store: RowStore) -> None:
    store.store("a", {"A": TWO})
    store.store("a", {"A": ONE, "B": ONE})
    store.store("a", {"A": TWO._replace(row={"account_id": "A", "owner": "eve"})})
    assert store.load("a", ["A", "B"]) == {"A": TWO, "B": ONE}
    store.store("a", {"A": TWO._replace(position=6)})
    assert store.load("a", ["A"])["A"].position == 6


def test_what_was_deleted_stays_so(store: RowStore) -> None:
    store.store("a", {"A": Document(7, None)})
    store.store("a", {"A": TWO})
    assert store.load("a", ["A"]) == {"A": Document(7, None)}


def test_documents_are_forgotten(store: RowStore) -> None:
    store.store("a", {"A": ONE, "B": ONE, "C": ONE})
    store.delete("a", ["A", "X"])
    assert sorted(dict(store.scan("a"))) == ["B", "C"]
    store.store("a", {"A": ONE})  # there is nothing newer any more
    store.delete("a")
    assert dict(store.scan("a")) == {}
    store.delete("a")
    store.store("a", {"A": ONE})
    assert store.load("a", ["A"]) == {"A": ONE}


def test_keys_are_any_text(store: RowStore) -> None:
    keys = ["Ärger im Büro", "a b\nc", "x:y", "a", "A", "🙂" * 20, 'q"u\\o']
    store.store("a", {key: Document(n + 1, {"owner": key}) for n, key in enumerate(keys)})
    assert {key: one.row for key, one in store.load("a", keys).items()} == {
        key: {"owner": key} for key in keys
    }
    store.delete("a", keys[:3])
    assert sorted(dict(store.scan("a"))) == sorted(keys[3:])


def test_many_at_once(store: RowStore) -> None:
    many = {f"K{n}": Document(n + 1, {"owner": str(n)}) for n in range(5_000)}
    store.store("a", many)
    store.store("a", many)
    assert dict(store.scan("a")) == many
    assert len(store.load("a", list(many))) == 5_000
