"""The pictures of the README: the dashboard over the demo's data. `scripts/screenshots` makes them anew."""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal, NamedTuple

from playwright.sync_api import Page, expect, sync_playwright

ROOT: Final = Path(__file__).resolve().parents[1]
FOLDER: Final = ROOT / "docs" / "images"
HELIOGRAPH: Final = str(Path(sys.executable).with_name("heliograph"))
CALLS: Final = "600"
VIEWPORT: Final = {"width": 1280, "height": 860}


class Picture(NamedTuple):
    """`follow`: the link that is opened on the page at `path`; "": none."""

    name: str
    path: str
    follow: str
    theme: Literal["light", "dark"]


PICTURES: Final = (
    Picture("overview", "/ui/overview?since=30d", "", "light"),
    Picture("request", "/ui/requests?stream=yes&session=*&tokens=40..400", "tr[data-row] a", "dark"),
    Picture("session", "/ui/sessions?sort=calls", "tr[data-row] a", "light"),
)


def main() -> int:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        print("screenshots: there is no chromium; apt-get install chromium", file=sys.stderr)
        return 1
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        data = Path(folder) / "data"
        # Outside of this repository, which would be named as the callers' own.
        command = [HELIOGRAPH, "demo", "--data", str(data), "--calls", CALLS]
        subprocess.run(command, check=True, capture_output=True, cwd=folder)
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage"])
        with dashboard(data) as address:
            for picture in PICTURES:
                context = browser.new_context(
                    base_url=address,
                    viewport=VIEWPORT,  # type: ignore[arg-type]
                    color_scheme=picture.theme,
                    timezone_id="UTC",
                )
                take(context.new_page(), picture)
                context.close()
        browser.close()
    return 0


@contextmanager
def dashboard(data: Path) -> Iterator[str]:
    """Its address."""
    command = [HELIOGRAPH, "dashboard", "--data", str(data), "--port", "0", "--no-open"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout
        try:
            for line in process.stdout:
                if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                    yield found[0]
                    break
            else:
                raise RuntimeError("the dashboard did not start")
        finally:
            process.terminate()


def take(page: Page, picture: Picture) -> None:
    arrive(page, picture.path)
    if picture.follow:
        href = page.locator(picture.follow).first.get_attribute("href")
        assert href
        arrive(page, href)
    file = FOLDER / f"{picture.name}.png"
    page.screenshot(path=file)
    print(file.relative_to(ROOT))


def arrive(page: Page, path: str) -> None:
    """Until all parts are there, and the charts are drawn."""
    page.goto(path)
    expect(page.locator(".part[aria-busy]")).to_have_count(0, timeout=60_000)
    page.wait_for_timeout(500)


if __name__ == "__main__":
    sys.exit(main())
