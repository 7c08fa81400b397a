"""Limits of `[budget]`: what an answer would cost is held against them before it is asked.

It knows prices and what was spent, and not how a question is shown.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from arawn import keyboard
from arawn.catalog import Facts
from arawn.errors import BudgetFault, Cut, ServiceFault, TimedOut
from arawn.events import Attempt, Event, Notice, Reasoning, Text, Usage, Wait
from arawn.messages import Request
from arawn.money import cost
from arawn.ports import Backend
from arawn.quote import TYPICAL, Cost, cheapest, offers, projected, thinking
from arawn.store.ledger import Ledger, Page, Spent
from arawn.store.usage import day_of, month_of
from arawn.tokens import of_text

if TYPE_CHECKING:
    from arawn.backends.choose import Choice
    from arawn.config.load import Config
    from arawn.models import Models

SHARE = 4
"""One answer may take a quarter of what is left, as others may be asked meanwhile, and SHARE typical ones."""
LEVELS = (0.95, 0.8)
WAIT_S, TICK_S = 60.0, 0.25
SPANS = ("turn", "session", "day", "month")
_RUN = os.urandom(16).hex()
"""The session of questions that have none: one for all threads, so it is not made when first wanted."""


class Limit(NamedTuple):
    """A limit in USD by the name of its setting. `left` of it is neither spent nor held by answers under way;
    `free` is left once those cost nothing."""

    name: str
    usd: float
    left: float
    free: float


class Needs(NamedTuple):
    """What a guard needs of the program.

    limits: the `[budget]` table. facts: what is known of the model. settings: what goes with each request.
    cheaper: another backend whose answer to a request costs no more than so many USD, None without one.
    agreed: whether the person says yes. trims: whether an answer is kept to what there is room for.
    """

    limits: Mapping[str, Any]
    facts: Callable[[], Facts]
    settings: Mapping[str, Any]
    ledger: Callable[[], Ledger]
    cheaper: Callable[[Request, float], Backend | None] = lambda request, usd: None
    agreed: Callable[[], bool] = lambda: False
    trims: bool = True
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep


class _Go(NamedTuple):
    """What is asked of whom: the request, the id of its hold, and another backend where that is cheaper."""

    request: Request
    hold: str = ""
    other: Backend | None = None


class Guard:
    """A Backend that asks another only within the limits, and puts down what it cost.

    Raises BudgetFault where nothing was asked because a limit would be passed.
    """

    def __init__(self, inner: Backend, needs: Needs) -> None:
        self._inner = inner
        self._needs = needs
        self._told: set[str] = set()
        self._ledger: Ledger | None = None
        self.action = str(needs.limits.get("action", "refuse"))
        self.name = inner.name
        self.model = inner.model

    def close(self) -> None:
        """Close what is inside, and the ledger."""
        self._inner.close()
        if self._ledger is not None:
            self._ledger.close()
            self._ledger = None

    def stream(self, request: Request) -> Iterator[Event]:
        """The reply, where the limits allow it."""
        facts = self._needs.facts()
        price = projected(request, facts, self._needs.settings, self._needs.clock())
        if price is None:
            yield from self._once(f"the price of {self.model} is not known: the budget counts it as nothing")
        if price is None or price.likely <= 0:
            yield from self._inner.stream(request)
            return
        go = yield from self._decided(request, price, facts)
        if go.other is not None:
            yield from _closing(go.other, request)
        else:
            yield from self._asked(go, price, facts)

    def reserve(self, request: Request, price: Cost) -> Generator[Event, None, tuple[Request, str]]:
        """Hold money for work that is done elsewhere: the request as it may be, and the id of the hold.

        Raises BudgetFault.
        """
        go = yield from self._decided(request, price, self._needs.facts())
        return go.request, go.hold

    def _asked(self, go: _Go, price: Cost, facts: Facts) -> Iterator[Event]:
        """The reply, and what it cost put down however it ends."""
        usage, shown, spent = Usage(), 0.0, True
        try:
            for event in self._inner.stream(go.request):
                if isinstance(event, Usage):
                    usage = event
                elif isinstance(event, Text | Reasoning):
                    shown += of_text(event.text)
                yield event._replace(hold=go.hold) if isinstance(event, Attempt) else event
        except ServiceFault as fault:
            spent = shown > 0 or usage.input is not None or isinstance(fault, Cut | TimedOut)
            raise
        finally:
            whole = cost(usage, facts, self._needs.clock())
            if whole is None and spent:  # nobody counted: what came so far, by our own guess
                whole = price.prompt + shown * price.token
            self._book().end(go.hold, whole)

    def _decided(self, request: Request, price: Cost, facts: Facts) -> Generator[Event, None, _Go]:
        """Whom to ask, and how long the answer may be. Raises BudgetFault."""
        waited = 0.0
        while True:
            limits, go = self._tried(request, price, facts)
            if go is not None:
                break
            passed = [one for one in limits if one.left < price.likely]
            if waited >= WAIT_S or any(one.free < price.likely for one in passed):
                return (yield from self._passed(request, price, passed[0]))
            yield Wait(WAIT_S - waited, WAIT_S, f"other answers hold the rest of {passed[0].name}", 1, 1)
            self._needs.sleep(TICK_S)
            waited += TICK_S
        yield from self._near(limits, price)
        most = go.request.max_tokens
        if most is not None and most != request.max_tokens and most < SHARE * TYPICAL:
            yield Notice(f"the budget leaves room for an answer of {most:,} tokens", warning=True)
        return go

    def _tried(self, request: Request, price: Cost, facts: Facts) -> tuple[list[Limit], _Go | None]:
        """The limits now, and a hold where they leave room."""
        with self._book().alone() as page:
            limits = self._limits(page, request)
            if _left(limits) < price.likely:
                page.settle()
                limits = self._limits(page, request)
            left = _left(limits)
            if left < price.likely:
                return limits, None
            made, usd = self._fitted(request, price, facts, left)
            return limits, self._held(page, made, usd, price)

    def _held(self, page: Page, request: Request, usd: float, price: Cost) -> _Go:
        """The request, and so many USD held for it."""
        session = request.session or _RUN
        return _Go(request, page.hold(self._needs.clock(), self.name, session, usd, price.likely))

    def _fitted(self, request: Request, price: Cost, facts: Facts, left: float) -> tuple[Request, float]:
        """The request with an answer no longer than there is room for, and the USD that holds."""
        said = request.max_tokens or self._needs.settings.get("max_tokens")
        if said or price.token <= 0 or left == float("inf") or not self._needs.trims:
            return request, price.likely
        room = min(left, max(left / SHARE, SHARE * price.likely))
        most = int((room - price.prompt) / price.token) - thinking(request, self._needs.settings)
        if facts.output is not None and facts.output <= most:
            whole = price.prompt + (price.length - TYPICAL + facts.output) * price.token
            return request, min(room, whole)
        return request._replace(max_tokens=max(most, TYPICAL)), room

    def _passed(self, request: Request, price: Cost, limit: Limit) -> Generator[Event, None, _Go]:
        """What the config says is to be done where a limit would be passed. Raises BudgetFault."""
        answer = f", an answer of {price.length:,}" if price.token else ""
        told = (
            f"this may cost ${price.likely:.4f} ({price.tokens:,} tokens{answer})"
            f", and of budget.{limit.name} = ${limit.usd:g} there is ${max(0.0, limit.left):.4f} left"
        )
        if self.action == "cheaper":
            other = self._needs.cheaper(request, limit.left)
            if other is not None:
                yield Notice(
                    f"{told}: {other.name} · {other.model} answers instead, as it is cheaper", warning=True
                )
                return _Go(request, other=other)
        agreed = self.action == "warn"
        if agreed:
            yield Notice(told, warning=True)
        elif self.action == "ask" and _is_alone():
            with keyboard.alone():  # a key that comes at once is the answer already
                yield Notice(f"{told}. Ask all the same? y/N", warning=True)
                agreed = self._needs.agreed()
        if agreed:
            with self._book().alone() as page:
                return self._held(page, request, price.likely, price)
        fault = BudgetFault(
            f"Nothing was asked: {told}",
            hints=(
                "ask less, or a cheaper model: arawn quote",
                f"raise it for once: arawn -o budget.{limit.name}=USD ...",
            ),
        )
        fault.limit = limit.name
        raise fault

    def _limits(self, page: Page, request: Request) -> list[Limit]:
        """The limits that hold for this backend and session."""
        said, now = self._needs.limits, self._needs.clock()
        since = {"session": 0.0, "day": day_of(now)[0], "month": month_of(now)}
        found = []
        for span in SPANS:
            usd = said.get(f"per_{span}")
            if usd is None:
                continue
            if span == "turn":
                spent = Spent(0.0, 0.0)
            else:
                session = (request.session or _RUN) if span == "session" else ""
                spent = page.spent(since[span], session=session)
            found.append(_limit(f"per_{span}", usd, spent))
        for key, usd in said.get("backends", {}).get(self.name, {}).items():
            spent = page.spent(since[key.removeprefix("per_")], backend=self.name)
            found.append(_limit(f"backends.{self.name}.{key}", usd, spent))
        return found

    def _near(self, limits: list[Limit], price: Cost) -> Iterator[Event]:
        """A line where most of a limit is spent, each once."""
        for one in limits:
            share = (one.usd - one.left + price.likely) / one.usd if one.usd else 0.0
            level = next((level for level in LEVELS if share >= level), None)
            if level is not None and one.name != "per_turn":
                yield from self._once(
                    f"over {level:.0%} of budget.{one.name} = ${one.usd:g} is spent with this answer"
                )

    def _once(self, line: str) -> Iterator[Event]:
        if line not in self._told:
            self._told.add(line)
            yield Notice(line, warning=True)

    def _book(self) -> Ledger:
        if self._ledger is None:
            self._ledger = self._needs.ledger()
        return self._ledger


def _limit(name: str, usd: float, spent: Spent) -> Limit:
    return Limit(name, usd, usd - spent.known - spent.held, usd - spent.known)


def _left(limits: Sequence[Limit]) -> float:
    """USD that the tightest leaves."""
    return min((one.left for one in limits), default=float("inf"))


def _closing(other: Backend, request: Request) -> Iterator[Event]:
    """The reply of a backend that was opened for it alone."""
    try:
        yield from other.stream(request)
    finally:
        other.close()


class Opened(Protocol):
    """An opened backend, as far as it matters here."""

    @property
    def backend(self) -> Backend:
        """What is asked."""


class Program(Protocol):
    """What is needed of the program that opens backends."""

    config: Config

    @property
    def models(self) -> Models:
        """What is known of models."""

    def open_one(self, backend: str | None, model: str | None) -> Opened:
        """A backend opened."""


def guarded(
    program: Program,
    env: Mapping[str, str],
    choice: Choice,
    inner: Backend,
    settings: Mapping[str, Any],
    vectors: bool = False,
) -> Backend:
    """A backend within the limits of `[budget]`; itself where the config has none.

    Where `vectors` are asked for, nothing is written that costs, and no other backend can stand in.
    """
    from arawn import backends
    from arawn.config.paths import paths

    limits, tape = program.config.values.get("budget", {}), backends.tape
    if not limits.keys() - {"action"} or (tape is not None and tape.replays):
        return inner

    def facts(name: str, provider: str, model: str) -> Facts:
        return program.models.facts(name, provider, model)

    def own() -> Facts:
        known = facts(choice.name, choice.provider.name, choice.model)
        return known._replace(output_price=0.0) if vectors else known

    def cheaper(request: Request, usd: float) -> Backend | None:
        found = [one for one in offers(program.config, env, facts, request) if one.backend != choice.name]
        best = cheapest(found, usd)
        if best is None or vectors:
            return None
        made = program.open_one(best.backend, best.model).backend
        if isinstance(made, Guard):
            made.action = "refuse"
        return made

    # What is recorded is asked again as it was, when other limits hold: it is not trimmed.
    trims, ledger = tape is None, lambda: Ledger(paths(env).data_dir)
    made = Guard(inner, Needs(limits, own, settings, ledger, cheaper, agreed, trims=trims))
    if made.action == "ask" and not _can_answer():
        made.action = "refuse"
    return made


def _is_alone() -> bool:
    """Whether this is the only one that is asked now: threads of a race or comparison would ask at once."""
    import threading

    return threading.current_thread() is threading.main_thread()


def _can_answer() -> bool:
    """Whether somebody sits at a terminal who sees a question and can answer it."""
    import sys

    try:
        return sys.stdin.isatty() and sys.stderr.isatty()
    except (ValueError, AttributeError):
        return False


def agreed() -> bool:
    """Whether the person types y; no where nobody can be asked. A terminal may be read by the line or key."""
    import sys

    try:
        if not _can_answer():
            return False
        handle, typed = sys.stdin.fileno(), b""
        with keyboard.alone():
            while not typed.strip() and b"\n" not in typed:
                typed += os.read(handle, 64) or b"\n"
    except (OSError, ValueError, AttributeError):
        return False
    return typed.strip().lower() in (b"y", b"yes")
