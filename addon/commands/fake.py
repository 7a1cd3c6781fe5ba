"""`heliograph fake`: the demo's providers on a port, to try cache, limits, fallbacks and budgets without a key."""

import signal
import threading

import click

from addon.commands.options import Failure, examples

DEFAULT_PORT = 9001


@click.command(
    short_help="Made-up providers on a port, to try things without a key.",
    epilog=examples("heliograph fake", 'heliograph fake --port 9002 --answer "status=503"'),
)
@click.option(
    "--port",
    default=DEFAULT_PORT,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Where to listen on 127.0.0.1; 0: any free port.",
)
@click.option(
    "--answer",
    metavar="SETTINGS",
    default="",
    help="How every call is answered, e.g. status=429;retry-after=2 or delay=0.5. A call can say so for itself by the header x-fake.",
)
def fake(port: int, answer: str) -> None:
    """Run made-up providers that speak the APIs of OpenAI and Anthropic, until Ctrl-C. No key, no network, no cost.

    \b
    SETTINGS, separated by semicolons:
      status=503             an error of that status, in the API's own shape
      retry-after=2          the header Retry-After
      delay=0.5              seconds before the answer begins
      chunk-delay=0.1        seconds before each piece of it
      cut=3                  hang up after so many pieces
      error-after=3          of a stream: an error event after so many pieces
      no-answer              hang up without an answer
      words=50               length of the answer
      say=Good morning.      the answer itself
    """
    from addon.demo.behaviour import parse_behaviour
    from addon.demo.providers import FakeProviders

    try:
        usual = parse_behaviour(answer)
    except ValueError as error:
        raise click.UsageError(f"--answer {answer!r}: {str(error).removeprefix('x-fake: ')}") from error
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        with FakeProviders(port=port, keep_requests=False, usual=usual) as providers:
            click.echo(_how_to_use(providers.url), err=True)
            stop.wait()
    except OSError as error:
        raise Failure(f"cannot listen on 127.0.0.1:{port}: {error.strerror}; choose another --port") from error


def _how_to_use(url: str) -> str:
    return (
        f"heliograph fake: made-up OpenAI and Anthropic on {url}\n\n"
        f"  one program:   heliograph run --upstream openai={url} --upstream anthropic={url} -- python app.py\n"
        f"  a proxy:       heliograph up --upstream openai={url} --upstream anthropic={url}\n\n"
        "Any text is a key, e.g. OPENAI_API_KEY=none. Costs are computed at real prices, and nobody pays them."
    )
