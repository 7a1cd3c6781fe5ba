"""The section of `heliograph.toml` about Spark. As in models.py."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, Field, Strict

from addon.config.section import Section
from addon.config.values import says

_MASTER: Final = re.compile(
    r"local(\[[^\]]+\])?|local-cluster\[[^\]]+\]|yarn|k8s://\S+|spark://[^/\s]+:\d+(,[^/\s]+:\d+)*|sc://[^/\s]\S*"
)


def checked_master(text: str) -> str:
    """Raises ValueError."""
    if not _MASTER.fullmatch(text):
        raise ValueError(
            f"{text!r} is not a master of Spark; write spark://host:7077, sc://host:15002 (Spark Connect), yarn,"
            " k8s://https://host:6443 or local[*]"
        )
    return text


class SparkTable(Section):
    """
    [spark]
    master = "spark://spark.example.org:7077"
    """

    master: Annotated[str, Strict(), AfterValidator(checked_master), says("is not a text")] = Field(
        description="Where it is: `spark://HOST:PORT` of a cluster of its own, `sc://HOST:PORT` of Spark Connect, `yarn`,"
        " `k8s://URL`, or `local[*]` for this machine."
    )
