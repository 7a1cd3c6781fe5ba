"""The program `heliograph`: Ctrl-C ends it from its first line to its last, without a traceback."""

import signal  # and as little else as can be: Ctrl-C before `main` begins is a traceback
import sys

_SOON_S = 0.01


def main() -> None:
    # Else it is ignored, as in the background.
    by_default = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if by_default:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # nothing has begun that must end in order
    if __debug__ and sys.argv[1:2] == ["up"]:
        # Again without assertions: mitmproxy checks every event and message with them, a tenth of its time. Here, as all that
        # is imported before it is imported twice.
        import os

        os.execv(sys.executable, [sys.executable, "-O", *sys.orig_argv[1:]])
    from addon.commands import cli

    sys.unraisablehook = _interrupt_again
    if by_default:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        cli.main()
    finally:
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # all has ended; Python itself ends with tracebacks


def _interrupt_again(dropped: "sys.UnraisableHookArgs", /) -> None:
    """Python has dropped an exception that was raised within a callback, such as the garbage collector's or one that each import
    has. Where it was Ctrl-C, it comes again."""
    if not issubclass(dropped.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(dropped)
        return
    from threading import Timer, get_ident

    again = Timer(_SOON_S, signal.pthread_kill, (get_ident(), signal.SIGINT))  # not now: it would be dropped again
    again.daemon = True
    again.start()
