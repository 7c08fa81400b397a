"""Money for what is handed to a batch service: held against the limits before, and until it is fetched."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from arawn.batch.lines import Item
from arawn.batch.service import Service
from arawn.budget import Guard, Needs
from arawn.catalog import Facts
from arawn.config.load import Config
from arawn.config.paths import paths
from arawn.doors import settings_of, system_of
from arawn.errors import BudgetFault
from arawn.events import Event, Notice
from arawn.messages import Request
from arawn.quote import Cost, projected, thinking
from arawn.store.ledger import Ledger
from arawn.wire.batches import SHARE


class _Nobody:
    """In the place of who is asked: the service is told elsewhere."""

    def __init__(self, name: str, model: str) -> None:
        self.name = name
        self.model = model

    def stream(self, request: Request) -> Iterator[Event]:
        """Nothing."""
        yield from ()

    def close(self) -> None:
        """Nothing is open."""


class Reserve:
    """The limits of `[budget]`, for all lines that are handed over together; that of a turn is for each.

    `tell` hears what the person is to know.
    """

    def __init__(
        self, config: Config, env: Mapping[str, str], service: Service, tell: Callable[[Event], object]
    ) -> None:
        choice = service.choice
        limits = config.values.get("budget", {})
        self._limits = {key: value for key, value in limits.items() if key != "action"}
        self._settings = settings_of(config, choice)
        self._system = system_of(config, choice)
        self._model = choice.model
        self._tell = tell
        self._ledger: Callable[[], Ledger] = lambda: Ledger(paths(env).data_dir)
        self._facts: Callable[[], Facts] = lambda: service.facts
        together = {key: value for key, value in limits.items() if key != "per_turn"}
        nobody = _Nobody(choice.name, choice.model)
        self._guard = Guard(nobody, Needs(together, self._facts, self._settings, self._ledger))
        self._hold = ""

    def hold(self, items: Sequence[Item]) -> tuple[list[Item], str]:
        """The lines, their answers no longer than there is room for, and the id of what is held for them.

        Raises BudgetFault where a limit would be passed.
        """
        if not self._limits:
            return list(items), ""
        costs = [self._cost(item) for item in items]
        known = [one for one in costs if one is not None]
        if len(known) < len(costs):
            text = f"the price of {self._model} is not known: the budget counts it as nothing"
            self._tell(Notice(text, warning=True))
            return list(items), ""
        most = self._of_turn(items, known)
        request, self._hold = self._all(items, known)
        if request.max_tokens is not None:
            most = [min(one or request.max_tokens, request.max_tokens) for one in most]
        return [self._within(item, one) for item, one in zip(items, most, strict=True)], self._hold

    def end(self, taken: bool) -> None:
        """It was handed over, or nothing of it was taken."""
        if self._hold:
            ledger = self._ledger()
            if taken:
                ledger.keep(self._hold)
            else:
                ledger.end(self._hold, None)
            ledger.close()
        self._guard.close()

    def _cost(self, item: Item) -> Cost | None:
        request = item.request
        asked = request if request.system is not None else request._replace(system=self._system)
        found = projected(asked, self._facts(), self._settings, time.time())
        if found is None:
            return None
        prompt, token, likely = (SHARE * usd for usd in found[:3])
        return found._replace(prompt=prompt, token=token, likely=likely)

    def _is_open(self, item: Item) -> bool:
        """Whether nobody says how long its answer may be."""
        return not (item.request.max_tokens or self._settings.get("max_tokens"))

    def _within(self, item: Item, most: int | None) -> Item:
        if most is None or not self._is_open(item):
            return item
        return item._replace(request=item.request._replace(max_tokens=most))

    def _of_turn(self, items: Sequence[Item], costs: Sequence[Cost]) -> list[int | None]:
        """The longest answer of each line by the limit of a turn. Raises BudgetFault."""
        usd = self._limits.get("per_turn")
        found: list[int | None] = []
        for item, price in zip(items, costs, strict=True):
            if usd is not None and price.likely > usd:
                fault = BudgetFault(
                    f"Nothing was handed over: line {item.number} may cost ${price.likely:.4f}, and of "
                    f"budget.per_turn there is ${usd:g}"
                )
                fault.limit = "per_turn"
                raise fault
            if usd is None or price.token <= 0:
                found.append(None)
            else:
                tokens = int((usd - price.prompt) / price.token)
                found.append(tokens - thinking(item.request, self._settings))
        return found

    def _all(self, items: Sequence[Item], costs: Sequence[Cost]) -> tuple[Request, str]:
        """All lines as one: those of open length grow together, the others are as they are."""
        pairs = list(zip(items, costs, strict=True))
        of = [price for item, price in pairs if self._is_open(item)]
        fixed = sum(price.likely for item, price in pairs if not self._is_open(item))
        length = max(price.length for price in of or costs)
        whole = Cost(
            fixed + sum(price.prompt for price in of), sum(price.token for price in of),
            sum(price.likely for price in costs), sum(price.tokens for price in costs), length,
        )  # fmt: skip
        made = Request(()), ""

        def reserved() -> Iterator[Event]:
            nonlocal made
            made = yield from self._guard.reserve(made[0], whole)

        for event in reserved():
            self._tell(event)
        return made


def settle(env: Mapping[str, str], hold: str, costs: Sequence[float | None]) -> None:
    """What a batch really cost, in the place of what was held for it; as held where that is not known."""
    known = [usd for usd in costs if usd is not None]
    if hold and len(known) == len(costs):
        ledger = Ledger(paths(env).data_dir)
        ledger.end(hold, sum(known))
        ledger.close()
