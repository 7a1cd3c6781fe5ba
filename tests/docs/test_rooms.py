"""The check of the arrows between rooms, on small trees of its own."""

from pathlib import Path

from scripts import rooms


def tree(root: Path, **files: str) -> list[rooms.Import]:
    """The imports of a tree; `files` maps `room__module` to source text."""
    for name, text in files.items():
        file = root.joinpath("addon", *name.split("__")).with_suffix(".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (root / "analysis").mkdir(exist_ok=True)
    return list(rooms.imports(root))


def complaints_about(found: list[rooms.Import]) -> list[str]:
    return rooms.complaints(found, ("hooks", "caching", "ids"))


def test_an_import_of_a_lower_room_is_allowed(tmp_path: Path) -> None:
    found = tree(
        tmp_path, hooks__cache="from addon.caching.key import key", caching__key="from addon import ids", ids=""
    )
    assert [(each.room, each.imported) for each in found] == [("caching", "ids"), ("hooks", "caching")]
    assert complaints_about(found) == []


def test_an_import_of_a_higher_room_is_named_with_file_and_line(tmp_path: Path) -> None:
    found = tree(tmp_path, hooks__cache="", caching__key="def late():\n    import addon.hooks.cache\n")
    assert complaints_about(found) == [
        "addon/caching/key.py:2: caching imports hooks, which stands above it (ORDER in scripts/rooms.py)"
    ]


def test_a_room_without_a_place_in_the_order_is_named(tmp_path: Path) -> None:
    found = tree(tmp_path, hooks__cache="from addon.attic.box import box", attic__box="")
    assert complaints_about(found) == ["scripts/rooms.py: the room attic has no place in ORDER"]


def test_files_that_import_each_other_in_a_circle_are_named(tmp_path: Path) -> None:
    tree(
        tmp_path,
        caching__key="from addon.caching.store import store",
        caching__store="def late():\n    from addon.caching.policy import policy\n",
        caching__policy="from addon.caching import key\n",
    )
    first, *others = rooms.circle(tmp_path)
    assert others[-1] == first
    assert set(others) == {"addon.caching.key", "addon.caching.store", "addon.caching.policy"}


def test_files_in_a_row_are_not_a_circle(tmp_path: Path) -> None:
    tree(tmp_path, caching__key="from addon import ids", caching__store="from addon.caching.key import key", ids="")
    assert rooms.circle(tmp_path) == []
