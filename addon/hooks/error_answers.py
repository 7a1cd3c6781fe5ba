"""The answer to a call that got none: JSON, in the dialect of the called API, with a message that says what happened.

An answer that another addon has made is left alone.
"""

from typing import Final

from addon.calls.answers import error_answer
from addon.calls.attempt_outcomes import NoAnswer
from addon.calls.call import Calls
from addon.calls.failures import CONSEQUENCES, Phase
from addon.config.trust import OF_YOUR_OWN

_UNTRUSTED: Final = "Certificate verify failed"  # mitmproxy's words


class ErrorAnswers:
    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def upstream_failed(self, failed: NoAnswer) -> None:
        flow, failure = failed.flow, failed.failure
        consequence = CONSEQUENCES[failure, Phase.BEFORE_FIRST_BYTE]
        if flow.response or consequence.answer_status is None:
            return
        call = self.calls.of(flow.id)
        what = consequence.explanation.format(host=flow.request.host, port=flow.request.port)
        why = flow.error.msg if flow.error else "no reason given"
        if why.startswith(_UNTRUSTED):
            why = f"{why}; {OF_YOUR_OWN}, and start heliograph again"
        flow.response = error_answer(
            call.attempts.route.provider if call else None,
            consequence.answer_status,
            consequence.error_type,
            f"{what}: {why}",
        )
        if consequence.retry_after_s is not None:
            flow.response.headers["retry-after"] = str(consequence.retry_after_s)
