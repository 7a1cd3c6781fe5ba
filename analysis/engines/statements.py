"""The text of a question for another engine, for people to run there."""

from typing import Final

from analysis.engines.rewrites import CannotTranslate, Dialect
from analysis.engines.translation import of_question
from analysis.engines.without_lake import without_lake
from analysis.reports.asking import open_checked
from analysis.reports.prepared import is_of_bodies
from analysis.reports.question import Question

SCHEMA: Final = "heliograph"  # in which the tables of the lake are expected there


def statement_of(question: Question, dialect: Dialect) -> str:
    """The text for another engine, over the tables heliograph.requests, heliograph.bodies, ... Raises CannotTranslate,
    BadCondition and BadReport."""
    if is_of_bodies(question.report.name):
        raise CannotTranslate(f"report {question.report.name} is made in Python, of bodies: there is no SQL of it")
    if question.is_compared:
        raise CannotTranslate("--compare puts two answers together here: there is no SQL of it")
    with without_lake({}) as connection:
        open_checked(connection, question)
    return of_question(question, dialect, lambda table: f"{SCHEMA}.{table}").sql
