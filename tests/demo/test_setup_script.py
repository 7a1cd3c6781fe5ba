"""scripts/setup with stand-ins for Python and uv: which ones it picks, and when it has nothing to do."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UV = """#!/bin/sh
[ "$1" = --version ] && { echo "uv 0.0.0"; exit; }
echo "$*" >>"$0.log"
[ -e "$0.broken" ] && { echo "no route to the index"; exit 2; }
mkdir -p .venv/bin && : >.venv/bin/python && chmod +x .venv/bin/python
"""


@dataclass(frozen=True, slots=True)
class Checkout:
    """A checkout of nothing but what the set-up reads, and the folders on its PATH."""

    root: Path
    shims: Path
    good: Path

    def setup(self) -> subprocess.CompletedProcess[str]:
        # From elsewhere, with an empty home.
        home = self.root.parent / "home"
        home.mkdir(exist_ok=True)
        path = os.pathsep.join([str(self.shims), str(self.good), "/usr/bin", "/bin"])
        return subprocess.run(
            [self.root / "scripts" / "setup"],
            cwd="/",
            env={"HOME": str(home), "PATH": path},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    @property
    def uv_calls(self) -> list[str]:
        log = self.good / "uv.log"
        return log.read_text().splitlines() if log.exists() else []


def program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    checkout = Checkout(tmp_path / "a checkout", tmp_path / "py env" / "shims", tmp_path / "good ones")
    for folder in (checkout.root / "scripts", checkout.shims, checkout.good):
        folder.mkdir(parents=True)
    program(checkout.root / "scripts" / "setup", (ROOT / "scripts" / "setup").read_text())
    (checkout.root / "pyproject.toml").write_text("[project]\n")
    (checkout.root / "uv.lock").write_text("version = 1\n")
    program(checkout.shims / "python3.14", "#!/bin/sh\necho 'pyenv: version 3.14 is not installed' >&2; exit 127\n")
    program(checkout.good / "python3.14", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    program(checkout.good / "uv", UV)
    return checkout


def test_a_python_that_does_not_start_is_passed_over(checkout: Checkout) -> None:
    done = checkout.setup()
    assert (done.returncode, done.stdout) == (0, "")
    assert checkout.uv_calls == [f"sync --frozen --python {checkout.good / 'python3.14'}"]


def test_a_python_in_pyenvs_version_folder_is_found_by_the_shims_on_path(checkout: Checkout) -> None:
    versions = checkout.shims.parent / "versions" / "3.14.9" / "bin"
    versions.mkdir(parents=True)
    (checkout.good / "python3.14").rename(versions / "python3.14")
    done = checkout.setup()
    assert done.returncode == 0, done.stderr
    if not any(Path(folder, "python3.14").exists() for folder in ("/usr/bin", "/bin")):  # PATH comes first
        assert checkout.uv_calls == [f"sync --frozen --python {versions / 'python3.14'}"]


def test_a_second_run_does_nothing_and_a_new_lock_or_place_starts_again(checkout: Checkout, tmp_path: Path) -> None:
    checkout.setup()
    again = checkout.setup()
    assert (again.returncode, again.stderr, len(checkout.uv_calls)) == (0, "", 1)
    (checkout.root / "uv.lock").write_text("version = 2\n")
    checkout.setup()
    assert len(checkout.uv_calls) == 2
    (checkout.root / ".venv" / "of the old place").touch()
    moved = Checkout(checkout.root.rename(tmp_path / "moved"), checkout.shims, checkout.good)
    moved.setup()
    assert len(moved.uv_calls) == 3
    assert not (moved.root / ".venv" / "of the old place").exists()


def test_a_failed_installation_shows_why_and_is_tried_again(checkout: Checkout) -> None:
    broken = checkout.good / "uv.broken"
    broken.touch()
    failed = checkout.setup()
    assert failed.returncode == 1
    assert "no route to the index" in failed.stderr
    broken.unlink()
    assert checkout.setup().returncode == 0
    assert len(checkout.uv_calls) == 2


def test_the_scripts_can_be_run() -> None:
    scripts = [ROOT / "scripts" / name for name in ("setup", "demo", "test", "check")]
    assert all(os.access(script, os.X_OK) for script in [*scripts, ROOT / ".ci" / "run"])
