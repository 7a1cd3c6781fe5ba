"""What is told of an alert, in three forms: JSON, Slack's, and a mail. Pure."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Final, Literal

from addon.config.alerts import Alert

State = Literal["firing", "resolved", "test"]

# After each failure; then every hour until a day has gone by.
_WAITS_S: Final = (5.0, 30.0, 120.0, 600.0)
_LAST_WAIT_S: Final = 3600.0
GIVEN_UP_AFTER_S: Final = 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One message. Times are ISO 8601 in UTC."""

    alert: str
    state: State
    subject: str  # what the value belongs to; "": all calls of the window
    value: float | None  # None: there is nothing left to compare
    at_least: float
    unit: str  # "" where only the person's own SQL knows
    window_s: int
    since: str  # when it began to fire
    at: str  # of this value

    @property
    def text(self) -> str:
        name = f"{self.alert}, {self.subject}" if self.subject else self.alert
        unit = f" {self.unit}" if self.unit else ""
        if self.state == "test":
            return f"heliograph: this is a test of the alert {name}; it fires from {number(self.at_least)}{unit} on"
        value = "nothing to measure" if self.value is None else f"{number(self.value)}{unit}"
        if self.state == "resolved":
            return f"heliograph: {name} is over: {value}, below {number(self.at_least)}; it began {self.since}"
        return f"heliograph: {name}: {value}; the alert is for {number(self.at_least)} and more"

    def as_json(self) -> str:
        return json.dumps({**asdict(self), "text": self.text}, ensure_ascii=False)

    def as_slack(self) -> str:
        """Slack reads &, < and > as its own marks."""
        safe = self.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        return json.dumps({"text": safe}, ensure_ascii=False)

    def as_mail(self, sender: str, address: str) -> EmailMessage:
        mail = EmailMessage()
        mail["From"], mail["To"] = sender, address
        mail["Subject"] = one_line(f"{self.text.partition(';')[0]}")
        mail["Auto-Submitted"] = "auto-generated"
        facts = {
            "alert": self.alert,
            "state": self.state,
            "value": "-" if self.value is None else f"{number(self.value)} {self.unit}".strip(),
            "fires from": number(self.at_least),
            "window": f"{self.window_s} s",
            "since": self.since,
            "at": self.at,
        }
        mail.set_content("\n".join([self.text, "", *(f"{name}: {value}" for name, value in facts.items())]) + "\n")
        return mail


def moment(epoch_s: float) -> str:
    """ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def told(alert: Alert, state: State, subject: str, value: float | None, since: str, at: str) -> Told:
    return Told(
        alert=alert.name,
        state=state,
        subject=subject,
        value=value,
        at_least=alert.at_least,
        unit=alert.unit,
        window_s=alert.window_s,
        since=since,
        at=at,
    )


def wait_s(failures: int, age_s: float) -> float | None:
    """Seconds until the next attempt after so many failures of a message of that age; None: it is given up."""
    if age_s > GIVEN_UP_AFTER_S:
        return None
    return _WAITS_S[failures - 1] if failures <= len(_WAITS_S) else _LAST_WAIT_S


def number(value: float) -> str:
    """At most four places, without an exponent."""
    text = f"{value:,.4f}".rstrip("0").rstrip(".")
    return text if text not in ("0", "-0") or value == 0 else f"{value:.3g}"


def one_line(text: str) -> str:
    """A header of a mail: names come from callers."""
    return "".join(char if char.isprintable() else " " for char in text)[:200]
