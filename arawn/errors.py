"""What can go wrong, as one tree; it does not know how a fault is shown.

    ArawnError                 exit  code
    ├── UsageFault               2   usage
    ├── ConfigFault              3   config
    │   └── SecretFault          3   config
    ├── ServiceFault                          (something a backend did or failed to do)
    │   ├── AuthFault            4   auth
    │   ├── Unreachable          5   unreachable
    │   ├── TimedOut             5   timeout
    │   ├── Cut                  5   cut          the answer stopped before its end
    │   ├── RateLimited          6   rate_limited
    │   ├── Overloaded           6   overloaded   also any other fault of the service's own (5xx)
    │   ├── ModelFault           7   model        no such model, or not for this key
    │   ├── ContextFault         7   context      the prompt is too long
    │   ├── Refused              7   refused      bad request, content policy, refusal
    │   ├── Incomplete           1   cut          whole reply received, but stopped at a limit
    │   ├── InvalidAnswer        1   invalid      not the JSON that was asked for
    │   └── EmptyAnswer          1   empty        no answer in the reply, or no API reply at all
    ├── StoreFault               1   store        what was said cannot be read or kept
    ├── BudgetFault              7   budget       it would cost more than `[budget]` allows; nothing was asked
    └── Internal                70   internal     a fault of ours

Exit codes are those of the README's table; 5 and 6 are worth a retry.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar


class ArawnError(Exception):
    """One sentence for the person, hints on what to check, and how the program ends.

    `detail` is what the service itself said (untrusted text: whoever prints it filters it).
    `hints` are lines under "Check:". No part of an error ever holds a key.
    """

    code: ClassVar[str] = "internal"
    exit_code: ClassVar[int] = 1

    def __init__(self, sentence: str, *, detail: str = "", hints: tuple[str, ...] = ()) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.detail = detail
        self.hints = hints

    def redact(self, redact: Callable[[str], str]) -> None:
        """Have `redact`, which takes keys out of a text, go over all that is said."""
        self.sentence, self.detail = redact(self.sentence), redact(self.detail)
        self.hints = tuple(redact(hint) for hint in self.hints)
        self.args = (self.sentence,)


class UsageFault(ArawnError):
    """The command line itself is wrong."""

    code = "usage"
    exit_code = 2


class ConfigFault(ArawnError):
    """A configuration file, environment variable or setting is wrong."""

    code = "config"
    exit_code = 3


class SecretFault(ConfigFault):
    """A secret reference does not resolve, or its store does not answer."""


class ServiceFault(ArawnError):
    """Something a backend did. `status` is its HTTP status, or None where there was none.

    `retryable` tells whether the same request may succeed later; `retry_after` is the wait in seconds
    that the service asked for, None where it did not.
    """

    retryable_by_kind: ClassVar[bool] = False

    def __init__(
        self,
        sentence: str,
        *,
        detail: str = "",
        hints: tuple[str, ...] = (),
        status: int | None = None,
        retryable: bool | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(sentence, detail=detail, hints=hints)
        self.status = status
        self.retryable = self.retryable_by_kind if retryable is None else retryable
        self.retry_after = retry_after


class AuthFault(ServiceFault):
    """The key was missing, wrong or not allowed (401, 403)."""

    code = "auth"
    exit_code = 4


class Unreachable(ServiceFault):
    """No connection: refused, unknown host, TLS, proxy, or a gateway without its service (502)."""

    code = "unreachable"
    exit_code = 5
    retryable_by_kind = True


class TimedOut(ServiceFault):
    """A limit of `[limits]` ran out (or the service said 408 or 504)."""

    code = "timeout"
    exit_code = 5
    retryable_by_kind = True


class Cut(ServiceFault):
    """The stream stopped with neither a finish reason nor its end mark, or became unreadable."""

    code = "cut"
    exit_code = 5
    retryable_by_kind = True


class RateLimited(ServiceFault):
    """429. Not retryable where the quota itself is used up."""

    code = "rate_limited"
    exit_code = 6
    retryable_by_kind = True


class Overloaded(ServiceFault):
    """503, 529, and any other fault on the service's side (5xx)."""

    code = "overloaded"
    exit_code = 6
    retryable_by_kind = True


class ModelFault(ServiceFault):
    """The model does not exist there or may not be used."""

    code = "model"
    exit_code = 7


class ContextFault(ServiceFault):
    """The prompt does not fit the model's context."""

    code = "context"
    exit_code = 7


class Refused(ServiceFault):
    """The service understood and said no: bad request, content policy, refusal."""

    code = "refused"
    exit_code = 7


class Incomplete(ServiceFault):
    """The reply is whole as a message but stopped at a limit (finish reason `length`)."""

    code = "cut"
    exit_code = 1


class InvalidAnswer(ServiceFault):
    """The answer is whole, but not the JSON that was asked for, and repairs did not help."""

    code = "invalid"
    exit_code = 1


class EmptyAnswer(ServiceFault):
    """A success with no answer in it: no text, or not an API reply at all (a web page)."""

    code = "empty"
    exit_code = 1


class StoreFault(ArawnError):
    """The store of sessions cannot be read or written."""

    code = "store"
    exit_code = 1


class BudgetFault(ArawnError):
    """An answer would cost more than `[budget]` allows; nothing was asked. `limit` names the setting."""

    code = "budget"
    exit_code = 7
    limit = ""


class Internal(ArawnError):
    """A fault of ours, which came from its `__cause__`."""

    code = "internal"
    exit_code = 70

    @classmethod
    def of(cls, error: BaseException) -> Internal:
        """One that names what kind of error it was, but not its text, which may hold anything."""
        made = cls(f"A fault of Arawn's own ({type(error).__name__}), not of yours")
        made.__cause__ = error
        return made
