"""Asks the package index for known vulnerabilities of the packages in uv.lock. Run by scripts/check.

Exit 1 only when there are some. An index that cannot answer (no network, a mirror without advisories) is one line on
stderr: a check must work on a train.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

HOME: Final = Path(__file__).resolve().parent.parent
BIN: Final = Path(sys.executable).parent
ONE_S: Final = 15.0
ALL_S: Final = 120.0
Report = list[dict[str, Any]]


def locked() -> list[str]:
    """`name==version` of every package in the lock, for this platform or any other."""
    uv = BIN / "uv"
    command = [str(uv) if uv.exists() else "uv", "export", "--frozen", "--quiet", "--no-emit-project", "--no-hashes"]
    told = subprocess.run(
        [*command, "--no-annotate", "--no-header"], cwd=HOME, capture_output=True, text=True, check=True
    )
    return [line.partition(";")[0].strip() for line in told.stdout.splitlines() if "==" in line]


def ask(packages: list[str], timeout_s: float) -> Report | None:
    """The index's answer for each package, or None where it has none."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as requirements:
        requirements.write("\n".join(packages))
        requirements.flush()
        command = [str(BIN / "pip-audit"), "--requirement", requirements.name, "--no-deps", "--disable-pip"]
        command += ["--format", "json", "--progress-spinner", "off", "--timeout", "5"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
            report: Report = json.loads(done.stdout)["dependencies"]
        except (subprocess.TimeoutExpired, ValueError):
            return None
    return None if any("skip_reason" in package for package in report) else report


def main() -> int:
    packages = locked()
    report = ask(packages[:1], ONE_S) and ask(packages, ALL_S)  # one first: most indexes without advisories have none
    if report is None:
        print("audit: the package index has no answer about known vulnerabilities; left out", file=sys.stderr)
        return 0
    found = [(package, flaw) for package in report for flaw in package["vulns"]]
    for package, flaw in found:
        fixed = ", ".join(flaw["fix_versions"]) or "no version yet"
        print(f"audit: {package['name']} {package['version']}: {flaw['id']}, mended in {fixed}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
