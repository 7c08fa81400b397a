"""Ctrl-C, SIGTERM and SIGHUP from the first line to the last; it does not know what they stop."""

from __future__ import annotations

import _thread
import os
import time

TYPE_CHECKING = False  # `typing` takes milliseconds to import
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

PATIENCE_S = 1.0
"""How long what was stopped may put things in order before Ctrl-C ends the program at once."""
AGAIN_S = 0.01
_signals = __import__("_signal")  # `signal` is the same with names, and takes as long


class Terminated(BaseException):
    """SIGTERM or SIGHUP came; `code` is the exit code it asks for."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number
        self.code = 128 + number


_raises = False  # there is something to put in order: stop it by an exception
_since: float | None = None  # when that was done
_code = 0


def listen() -> None:
    """From now on the three end the program with no word, and with 128 + their number.

    One that is ignored, as `nohup` has it, stays so.
    """
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(_signals, name, None)
        if number is not None and _signals.getsignal(number) is not _signals.SIG_IGN:
            _signals.signal(number, _come)


def begin() -> None:
    """From now on the first of them raises KeyboardInterrupt or Terminated.

    Those that follow come while things are put in order, and must not tear that: they are passed over, unless
    it takes longer than `PATIENCE_S`.
    """
    global _raises
    _raises = True


def rest() -> None:
    """Nothing is to be put in order any more."""
    global _raises
    _raises = False


def go_on() -> None:
    """What was raised is dealt with, and the program goes on: the next one raises again."""
    global _since
    _since = None


def code() -> int:
    """The exit code that was asked for; 0 where the program was not stopped, or went on."""
    return _code if _since is not None else 0


def _come(number: int, frame: FrameType | None) -> None:
    global _since, _code
    now = time.monotonic()
    if _since is None and _raises:
        _since, _code = now, 128 + number
        raise KeyboardInterrupt if number == _signals.SIGINT else Terminated(number)
    if _since is None or now - _since > PATIENCE_S:
        os._exit(128 + number)


def _once_more(number: int) -> None:
    go_on()
    send(number)


on_lost: Callable[[int], None] = _once_more
"""What has a signal come once more that was raised in vain; a chat has a way of its own."""


def lost(error: BaseException | None) -> bool:
    """Have a signal come once more whose exception was raised where Python only tells it, and goes on.

    That is so in `__del__` and in the callbacks of weak references, those of the import system among them.
    False where `error` is not of a signal.
    """
    if not isinstance(error, KeyboardInterrupt | Terminated):
        return False
    number = error.number if isinstance(error, Terminated) else int(_signals.SIGINT)

    def again() -> None:
        time.sleep(AGAIN_S)  # until Python is out of there
        on_lost(number)

    _thread.start_new_thread(again, ())
    return True


def send(number: int) -> None:
    """Have a signal come to the main thread, from any."""
    import threading

    main = threading.main_thread().ident
    if main is not None and hasattr(_signals, "pthread_kill"):
        _signals.pthread_kill(main, number)
    else:
        _thread.interrupt_main()
