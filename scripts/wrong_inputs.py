"""Wrong inputs and their answers: docs/reference/wrong-inputs.md is made of this table, and a test looks at each answer.

A command runs in this process, in an empty home. `up` runs in a process of its own, because it replaces the process that it is in.
"""

import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from click.testing import CliRunner

_ID: Final = "0199a3f2-7c1e-7b3a-9d2f-3f1d2c4b5a69"
_DATA: Final = "DATA"  # the data folder, wherever it is
# Exports for `reconcile`, right or wrong in one thing.
_BILL: Final = "start_time,end_time,amount_value,amount_currency,line_item\n1793491200,1793577600,0.25,usd,\n"
_FILES: Final = {
    "bill.csv": _BILL,
    "unknown.csv": "when,how much\n2026-11-01,3\n",
    "cut.csv": _BILL[:-10],
    "cut.json": '{"object": "page", "data": [{"start_time": 17934',
    "lacking.csv": _BILL.replace("line_item", "item"),
    "empty.csv": _BILL.partition("\n")[0] + "\n",
    "euro.csv": _BILL.replace("usd", "eur"),
}
_PROGRAM: Final = "import sys; from addon.commands.cli import main; sys.exit(main(prog_name='heliograph'))"

COMMANDS: Final = (
    "heliograph reprot",
    "heliograph --verison",
    "heliograph up --lisen 127.0.0.1:9000",
    "heliograph up --listen 127.0.0.1:http",
    "heliograph up --listen 127.0.0.1:99999",
    "heliograph up --listen 0.0.0.0:8787",
    "heliograph up now",
    "heliograph run",
    "heliograph run --base-urls -- python app.py",
    "heliograph run -- no-such-program",
    "heliograph run -- /etc/passwd",
    "heliograph run --upstream openai -- python app.py",
    "heliograph run --upstream opnai=http://127.0.0.1:9001 -- python app.py",
    "heliograph run --upstream openai=127.0.0.1:9001 -- python app.py",
    "heliograph run --upstream openai=http://127.0.0.1:9001/v1 -- python app.py",
    "heliograph run --upstream gateway=http://127.0.0.1:9001 -- python app.py",
    "heliograph run --upstream-timeout 0 -- python app.py",
    "heliograph run --project 'my shop' -- python app.py",
    "heliograph run --config none.toml -- python app.py",
    "heliograph run --data /etc/passwd -- python app.py",
    "heliograph record",
    "heliograph record parcels",
    "heliograph record /etc/passwd -- python app.py",
    "heliograph replay parcels",
    "heliograph replay parcels -- python app.py",
    "heliograph replay /etc/passwd -- python app.py",
    "heliograph replay --speed -1 parcels -- python app.py",
    "heliograph replay --strict --record-missing parcels -- python app.py",
    "heliograph import",
    "heliograph import no-such-file.jsonl",
    "heliograph import /etc/passwd",
    "heliograph import --data /etc/passwd /etc/hosts",
    "heliograph env --key 'not a key'",
    "heliograph env --listen nowhere",
    "heliograph env --data /etc/passwd",
    "heliograph demo --calls 0",
    "heliograph demo --calls many",
    "heliograph fake --port 70000",
    "heliograph fake --answer statsu=503",
    "heliograph fake --answer delay=soon",
    "heliograph export requsts",
    "heliograph export requests -o calls.txt",
    "heliograph export requests -o /etc/passwd --format csv",
    "heliograph export requests -o no-such-folder/calls.csv",
    "heliograph export requests --format xlsx",
    "heliograph export requests --where 'modle = 1'",
    "heliograph export fine-tuning",
    "heliograph export fine-tuning --format alpaca",
    "heliograph export fine-tuning --format openai --score accuracy",
    "heliograph export fine-tuning --format openai --rating good",
    "heliograph export fine-tuning --format openai --property feature",
    "heliograph export otlp",
    "heliograph export otlp --endpoint 127.0.0.1:4318",
    "heliograph export otlp --endpoint http://127.0.0.1:9 --header token",
    "heliograph export har",
    "heliograph export har --session nobody",
    "heliograph report modles",
    "heliograph report costs models --json",
    "heliograph report --json --html page.html",
    "heliograph report --plot -o picture.pdf",
    "heliograph report -o picture.png",
    "heliograph report --html /etc/passwd",
    "heliograph report --parquet no-such-folder/costs.parquet",
    "heliograph report --watch",
    "heliograph report summary --plot",
    "heliograph report --since yesterdya",
    "heliograph report --since 2026-13-01",
    "heliograph report --since 2026-11-02 --until 2026-11-01",
    "heliograph report --by modle",
    "heliograph report --by model,model",
    "heliograph report requests --by model",
    "heliograph report errors --by status",
    "heliograph report --sql-dir nowhere",
    "heliograph report --every dya",
    "heliograph report summary --every day",
    "heliograph report --compare before",
    "heliograph report requests --compare previous",
    "heliograph report --where 'model ='",
    "heliograph report --where \"modle = 'gpt-5'\"",
    "heliograph report --where 'model = \"gpt-5\"'",
    "heliograph report --where 'status = two'",
    "heliograph report --where 'count(*) > 1'",
    "heliograph report --where \"model = 'a'; drop view calls\"",
    "heliograph report --where \"exists (from read_csv('/etc/passwd'))\"",
    "heliograph report --by property:",
    "heliograph report --tz Europe/Berln",
    "heliograph report --limit few",
    "heliograph report --json --csv",
    "heliograph report --data /etc/passwd",
    "heliograph sql",
    "heliograph sql 'selct 1'",
    "heliograph sql 'select model from requests'",
    "heliograph sql 'select * from request'",
    "heliograph sql 'delete from requests'",
    "heliograph sql 'select 1; select 2'",
    "heliograph sql \"select * from read_csv('/etc/passwd')\"",
    "heliograph sql --json --csv 'select 1'",
    "heliograph tail --lines -1",
    "heliograph tail --errros",
    "heliograph show",
    "heliograph show abc",
    "heliograph explain",
    "heliograph explain abc",
    f"heliograph explain {_ID}",
    "heliograph prices show",
    "heliograph prices gpt-4o --on yesterday",
    "heliograph prices gtp-4o --on 2026-11-21",
    "heliograph prices gpt-4o --provider opnai",
    "heliograph reconcile",
    "heliograph reconcile no-such-file.csv",
    "heliograph reconcile bill.csv --by user",
    "heliograph reconcile unknown.csv",
    "heliograph reconcile cut.csv",
    "heliograph reconcile cut.json",
    "heliograph reconcile lacking.csv",
    "heliograph reconcile empty.csv",
    "heliograph reconcile euro.csv",
    "heliograph reconcile bill.csv bill.csv",
    "heliograph reconcile bill.csv --by key",
    "heliograph reconcile bill.csv --since 2027-01-01",
    "heliograph reprice",
    "heliograph reprice --since 2026-11-02 --until 2026-11-01",
    "heliograph reprice --since 7d --where 'modle = 1' --dry-run",
    "heliograph budgets team",
    "heliograph forget",
    "heliograph forget --user ''",
    "heliograph forget --property customer",
    "heliograph forget --where \"usr = 'ann'\"",
    "heliograph forget --user ann --data nowhere",
    "heliograph forget --expired --user ann",
    "heliograph limits house",
    "heliograph limits --limit -1",
    "heliograph alerts --test spending",
    "heliograph redact no-such-file.txt",
    "heliograph reload now",
    "heliograph reload --config none.toml",
    "heliograph service instal",
    "heliograph service install --kind upstart",
    "heliograph service install --listen 0.0.0.0:8787",
    "heliograph completion install tcsh",
    "heliograph tail --tz Europe/Berln",
    "heliograph report summary --by model",
    "heliograph keys ad",
    "heliograph keys add",
    "heliograph keys add 'my key'",
    "heliograph keys add ci --role admin",
    "heliograph keys remove ci",
    "heliograph cache clear --older-than old",
    "heliograph feedback",
    "heliograph feedback abc up",
    f"heliograph feedback {_ID} uo",
    f"heliograph feedback {_ID}",
    f"heliograph feedback {_ID} --score quality",
    f"heliograph feedback {_ID} --score quality=good",
    "heliograph doctor --listen :http",
)  # fmt: skip

SETTINGS: Final = (
    "colour = 'blue'",
    "[[budget]]\nname = 'team'",
    "[[budgets]]\nname = 'team'\nusd = '50'\nperiod = 'month'",
    "[retention]\nrequests = '0d'",
    "[retention]\nbodies = '6m'",
    "[retention]\nbodies = 30",
    "[retention]\nrequest = '2y'",
    "[[retention.rules]]\nprovider = 'openai'",
    "[[retention.rules]]\nbodies = '7d'",
    "[retention]\nrequests = '7d'\n[[budgets]]\nname = 'team'\nusd = 50\nperiod = 'month'",
    "[[budgets]]\nname = 'team'\nusd = 50\nperiod = 'monthly'",
    "[[budgets]]\nname = 'team'\nusd = 50\nperoid = 'month'",
    "[[limits]]\nname = 'house'\nquota = 10\nwindow = '1 day'",
    "[[limits]]\nname = 'house'\nquota = 10\nwindow = '1d'\nper = 'usr'",
    "[upstreams]\nopnai = 'http://127.0.0.1:9001'",
    "[timeouts]\nfirst_byte_s = 'ten'",
    "[[fallbacks]]\nmodel = 'gpt-4o'\ntarget_url = 'https://api.groq.com/openai/v1'\nheaders = { Authorization = 'Bearer $UNSET_KEY' }",
    "[[alerts]]\nname = 'spending'\nwhen = 'spending'\nat_least = 20\nto = ['https://example.org/hook']",
    "[[alerts]]\nname = 'spending'\nat_least = 20\nto = ['https://example.org/hook']",
    "[[alerts]]\nname = 'spending'\nwhen = 'spend'\nat_least = 20\nto = ['ops@example.org']",
    "[[alerts]]\nname = 'spending'\nwhen = 'spend'\nat_least = 20\nto = ['mailto:ops@example.org']",
    "[redact]\npatterns = ['mails']",
    "[redact]\npatterns = []",
    "[[redact.own]]\nname = 'employee'\npattern = '(?<=EMP-)[0-9]+'",
    "[[redact.own]]\nname = 'employee'\npattern = '.*'",
    "[[redact.own]]\nname = 'employee'\npattern = '.+'",
    "[[redact.own]]\nname = 'mail'\npattern = 'EMP-[0-9]+'",
    "[usage\ninject = true",
)  # fmt: skip

HEADERS: Final = (
    "Helicone-Cache-Enabeld: true",
    "Helicone-Cache-Enabled: yes",
    "Helicone-Cache-Bucket-Max-Size: 50",
    "Helicone-RateLimit-Policy: 10 per minute",
    "Helicone-Retry-Num: lots",
    "Helicone-Request-Id: 42",
    "Helicone-Timeout: 30",
    "Helicone-Fallbacks: openai,anthropic",
    "Helicone-User-ID-: ann",
    "Helicone-Moderations-Enabled: true",
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a wrong input gets. `exit_code` is None for a header, whose call is served."""

    asked: str
    exit_code: int | None
    says: str


def answers() -> Iterator[Answer]:
    """One for each input of the table, in its order."""
    with _empty_home() as home:
        for command in COMMANDS:
            yield _answer(command, home)
        for settings in SETTINGS:
            file = home / "data" / "heliograph.toml"
            file.write_text(settings)
            ended = _answer("heliograph run -- true", home)
            yield Answer(settings, ended.exit_code, ended.says)
    yield from map(_of_header, HEADERS)


def _of_header(header: str) -> Answer:
    from addon.config.controls import parse_controls

    name, _, value = header.partition(": ")
    more = [("Helicone-Retry-Enabled", "true")] if "Retry" in name else []
    more += [("Helicone-Cache-Enabled", "true")] if "Bucket" in name else []
    return Answer(header, None, "; ".join(parse_controls([(name, value), *more]).warnings))


def _answer(command: str, home: Path) -> Answer:
    words = shlex.split(command)[1:]
    code, said = _apart(words, home) if words[0] == "up" else _here(words, home)
    return Answer(command, code, _short(said, home))


def _here(words: list[str], home: Path) -> tuple[int, str]:
    from addon.commands.cli import main

    unset: dict[str, str | None] = dict.fromkeys(os.environ)
    ended = CliRunner(env=unset | _variables(home)).invoke(main, words, prog_name="heliograph")
    if ended.exception and not isinstance(ended.exception, SystemExit):
        raise ended.exception
    return ended.exit_code, ended.output


def _apart(words: list[str], home: Path) -> tuple[int, str]:
    ended = subprocess.run(
        [sys.executable, "-O", "-c", _PROGRAM, *words],
        capture_output=True,
        text=True,
        timeout=60,
        env=_variables(home) | {"PYTHONPATH": str(Path(__file__).resolve().parents[1])},
        cwd=home,
    )
    return ended.returncode, ended.stdout + ended.stderr


def _variables(home: Path) -> dict[str, str]:
    return {
        "HOME": str(home),
        "HELIOGRAPH_DATA": str(home / "data"),
        "PATH": os.environ["PATH"],
        "COLUMNS": "100",
        "TZ": "UTC",
    }


def _short(said: str, home: Path) -> str:
    """The answer without the lines on usage, and without what differs from machine to machine."""
    lines = [
        line.removeprefix("Error: ")
        for line in said.replace(str(home / "data"), _DATA).replace(str(home), "HOME").splitlines()
        if not line.startswith(("Usage: ", "Try 'heliograph"))
    ]
    return re.sub(r"\n{2,}", "\n", "\n".join(lines)).strip()


@contextmanager
def _empty_home() -> Iterator[Path]:
    before = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="heliograph-wrong-") as folder:
        home = Path(folder).resolve()
        (home / "data").mkdir(mode=0o700)
        for name, content in _FILES.items():
            (home / name).write_text(content)
        os.chdir(home)
        try:
            yield home
        finally:
            os.chdir(before)


if __name__ == "__main__":
    for answer in answers():
        print(f"--- {answer.asked}   [{answer.exit_code}]\n{answer.says}")
