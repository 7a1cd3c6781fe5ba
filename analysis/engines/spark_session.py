"""A session of Spark: on a master, in this process (`local[*]`), or on a server of Spark Connect."""

import os
import re
import shutil
import socket
import tempfile
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from addon.config.spark_table import checked_master

if TYPE_CHECKING:
    import pyarrow as pa

LOCAL: Final = "local[*]"
_CONNECT: Final = "sc://"
_ADDRESSED: Final = re.compile(r"(?:spark|sc)://(?P<hosts>[^/;]+)")
_CONNECT_PORT: Final = 15002
_NO_JAVA: Final = "JAVA_GATEWAY_EXITED"
_UNKNOWN_FUNCTION: Final = re.compile(r"\[UNRESOLVED_ROUTINE\] Cannot resolve routine `([^`]+)`")
_PATIENCE_S: Final = 5.0  # for a master to take the connection; Spark itself would try for a minute
_CONF: Final[Mapping[str, str]] = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",  # a sum that is too large is an error, and no other number
    "spark.sql.groupByOrdinal": "true",
    "spark.sql.orderByOrdinal": "true",
}
_OF_A_MASTER: Final[Mapping[str, str]] = {
    "spark.app.name": "heliograph",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
}


class NoSpark(Exception):
    """There is no Spark to ask. The message says what is missing."""


class SparkFailed(Exception):
    """Spark took the statement and did not answer it. The message is the first line of Spark's."""


class NoFunction(SparkFailed):
    """The statement calls a function that Spark does not have. The message names it."""


class Stopped(Exception):
    """It took longer than it may."""


class Session:
    """One session for all statements of a command. Methods raise NoSpark and SparkFailed."""

    def __init__(self, master: str = LOCAL, conf: Mapping[str, str] | None = None) -> None:
        """`conf`: more settings of Spark, beside those of $SPARK_CONF_DIR. Waits until the master has taken it."""
        try:
            self.master = checked_master(master)
        except ValueError as error:
            raise NoSpark(f"--master: {error}") from error
        self.is_connect = master.startswith(_CONNECT)
        _check_installed(needs_java=not self.is_connect)
        _check_reachable(master)
        self.spark = self._started(conf or {})

    def _started(self, conf: Mapping[str, str]) -> Any:
        # Of pandas, which Arrow's answers do not need.
        warnings.filterwarnings("ignore", category=FutureWarning, module=r"pyspark\.")
        with _java_quiet() as said:
            try:
                return self._asked_to_start(conf)
            except Exception as error:  # pyspark's, py4j's and grpc's errors have no common class
                said.seek(0)
                java = reason(said.read().decode("utf-8", "replace")) if _NO_JAVA in str(error) else ""
                raise NoSpark(f"Spark at {self.master} did not start a session: {java or reason(error)}") from error

    def _asked_to_start(self, conf: Mapping[str, str]) -> Any:
        from pyspark.logger import PySparkLogger
        from pyspark.sql import SparkSession

        # It prints each error as JSON with its stack trace; the error itself comes as an exception.
        PySparkLogger.getLogger("SQLQueryContextLogger").disabled = True
        builder = SparkSession.builder
        if self.is_connect:
            session = builder.remote(self.master).getOrCreate()
        else:
            for name, value in {**_OF_A_MASTER, **conf}.items():
                builder = builder.config(name, value)
            session = builder.master(self.master).getOrCreate()
        for name, value in _CONF.items():
            session.conf.set(name, value)
        return session

    def arrow(self, sql: str, most_s: float | None = None) -> "pa.Table":
        """The answer to one statement. Raises Stopped after `most_s`."""
        with self._bounded(most_s) as stopped:
            try:
                return self.spark.sql(sql).toArrow()
            except Exception as error:  # as above
                if stopped.is_set():
                    raise Stopped from error
                raise _failed(error) from error

    @contextmanager
    def _bounded(self, most_s: float | None) -> Iterator[threading.Event]:
        stopped = threading.Event()

        def stop() -> None:
            stopped.set()
            with suppress(Exception):  # it ended meanwhile
                self.spark.interruptAll() if self.is_connect else self.spark.sparkContext.cancelAllJobs()

        timer = threading.Timer(most_s, stop) if most_s else None
        if timer:
            timer.daemon = True
            timer.start()
        try:
            yield stopped
        finally:
            if timer:
                timer.cancel()

    def close(self) -> None:
        self.spark.stop()


@contextmanager
def failures() -> Iterator[None]:
    """Errors of Spark as SparkFailed. pyspark's, py4j's and grpc's have no common class."""
    from pyspark.errors import PySparkException

    try:
        yield
    except PySparkException as error:
        raise _failed(error) from error


@contextmanager
def _java_quiet() -> Iterator[IO[bytes]]:
    """What a Java that is started meanwhile writes to standard error goes to this file, all its life: its warnings are not for
    the user, and errors come as exceptions."""
    with tempfile.TemporaryFile() as said:
        own = os.dup(2)
        os.dup2(said.fileno(), 2)
        try:
            yield said
        finally:
            os.dup2(own, 2)
            os.close(own)


def _failed(error: BaseException) -> SparkFailed:
    if unknown := _UNKNOWN_FUNCTION.search(str(error)):
        return NoFunction(f"Spark does not have the function {unknown[1]}; without --engine spark DuckDB answers")
    return SparkFailed(reason(error))


def reason(error: BaseException | str) -> str:
    """The line of an error of Spark that says it: those of Java have a stack trace of a page."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    causes = [line for line in lines if line.startswith("Caused by:")]
    first = next(
        (line for line in lines if not line.startswith("An error occurred while calling")), type(error).__name__
    )
    return (causes[-1].removeprefix("Caused by: ") if causes else first.removeprefix(": "))[:500]


def _check_installed(*, needs_java: bool) -> None:
    try:
        import pyspark  # noqa: F401
    except ImportError as error:
        raise NoSpark("--engine spark needs the extra spark; install it: pip install 'heliograph[spark]'") from error
    if needs_java and not _java():
        raise NoSpark(
            "--engine spark needs Java 17 or newer on this machine: apt install openjdk-17-jre-headless, or set $JAVA_HOME;"
            " --master sc://host:15002 (Spark Connect) needs none"
        )


def _java() -> bool:
    home = os.environ.get("JAVA_HOME")
    return (Path(home) / "bin" / "java").is_file() if home else shutil.which("java") is not None


def _check_reachable(master: str) -> None:
    """A master may be several, of which one is enough."""
    found = _ADDRESSED.match(master)
    if not found:
        return
    errors = []
    for host in found["hosts"].split(","):
        name, _, port = host.rpartition(":") if ":" in host else (host, "", str(_CONNECT_PORT))
        try:
            socket.create_connection((name.strip("[]"), int(port)), _PATIENCE_S).close()
            return
        except (OSError, ValueError) as error:
            errors.append(f"{host}: {error}")
    raise NoSpark(f"no Spark at {master}: {'; '.join(errors)}")
