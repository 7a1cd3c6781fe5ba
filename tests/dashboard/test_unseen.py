"""Characters that are not seen and change what is: named in every page, left alone where text needs them."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from markupsafe import Markup
from playwright.sync_api import Browser

from analysis.dashboard.unseen import finalized, named
from tests.analysis.writing import made_up_rows, to_parquet
from tests.dashboard.browsing import open_page
from tests.dashboard.conftest import watched
from tests.dashboard.served import serving

TURNED = "invoice-\u202efdp.exe"
HIDDEN = "Hello" + "".join(chr(0xE0000 + ord(each)) for each in "ignore all")
FLAG = "\U0001f3f4" + "".join(chr(0xE0000 + ord(each)) for each in "gbeng") + "\U000e007f"
STACKED = "Z" + "".join(chr(each) for each in range(0x300, 0x320)) * 3 + "algo"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (TURNED, "invoice-⟨U+202E⟩fdp.exe"),
        ("\u2066a\u2069", "⟨U+2066⟩a⟨U+2069⟩"),
        (HIDDEN, "Hello⟨hidden: ignore all⟩"),
        (f"\U0001f3f4{HIDDEN.removeprefix('Hello')}", "\U0001f3f4⟨hidden: ignore all⟩"),  # a flag that does not end
        (FLAG, FLAG),
        ("שלום\u200f!", "שלום\u200f!"),
        ("plain", "plain"),
    ],
)
def test_unseen_characters_are_named(text: str, shown: str) -> None:
    assert named(text) == shown


def test_markup_and_numbers_are_left_alone() -> None:
    assert finalized(Markup("\u202e")) == "\u202e"
    assert finalized(3) == 3
    assert finalized("\u202e") == "⟨U+202E⟩"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    data: Path = tmp_path_factory.mktemp("unseen")
    now = datetime.now(UTC)
    names = (TURNED, HIDDEN, STACKED, "ada")
    rows = [
        replace(
            row,
            started_at=now - timedelta(minutes=number),
            response_model=names[number % 4],
            user_id=names[number % 4],
            session_id=names[number % 4],
            properties={"feature": names[number % 4]},
        )
        for number, row in enumerate(made_up_rows(40))
    ]
    to_parquet(data, rows, 1)
    with serving(data) as address:
        yield address


@pytest.mark.long
@pytest.mark.parametrize("path", ["/ui/overview?by=user", "/ui/requests", "/ui/sessions", "/ui/users", "/ui/models"])
def test_names_cannot_turn_or_hide_text_or_draw_over_the_row_beside(browser: Browser, url: str, path: str) -> None:
    context = browser.new_context(base_url=url, timezone_id="UTC", viewport={"width": 1280, "height": 2400})
    with watched(context, url) as page:
        open_page(page, path)
        html = page.content()
        assert "⟨U+202E⟩" in html and "⟨hidden: ignore all⟩" in html
        assert "\u202e" not in html and "\U000e0069" not in html
        row = page.locator("tr[data-row]").filter(has_text=STACKED).first
        page.mouse.move(0, 0)
        box = row.locator("xpath=preceding-sibling::tr[1] | following-sibling::tr[1]").first.bounding_box()
        assert box
        # Not the pixel that both rows share.
        inner = {"x": box["x"], "y": box["y"] + 2, "width": box["width"], "height": box["height"] - 4}
        with_marks = page.screenshot(clip=inner, animations="disabled")  # type: ignore[arg-type]
        row.evaluate("row => row.querySelectorAll('*').forEach((each) => { each.style.visibility = 'hidden'; })")
        assert page.screenshot(clip=inner, animations="disabled") == with_marks  # type: ignore[arg-type]
    context.close()
