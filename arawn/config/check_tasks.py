"""Whether the tasks of a config can be run one after the other; it does not read their prompts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from arawn.config.schema import path_text

if TYPE_CHECKING:
    from arawn.config.load import Config


def wrong_tasks(config: Config) -> list[str]:
    """The circles of `[tasks.NAME]` tables that require each other, with the place where each one closes."""
    tables = config.values.get("tasks", {})
    wrong = []
    for circle in circles({name: table.get("requires", ()) for name, table in tables.items()}):
        at = ("tasks", circle[-2])
        told = f"tasks require each other in a circle: {' -> '.join(circle)}"
        wrong.append(f"{config.origin(at).place}: [{path_text(at)}]: {told}")
    return wrong


def circles(above: Mapping[str, Sequence[str]]) -> Iterator[list[str]]:
    """Names that lead back to themselves, the first one at both ends; names that are not there are none."""
    done: set[str] = set()
    for name in above:
        path: list[str] = []
        waiting = [(name, False)]
        while waiting:
            at, closing = waiting.pop()
            if closing:
                path.pop()
                done.add(at)
            elif at in path:
                yield [*path[path.index(at) :], at]
            elif at in above and at not in done:
                path.append(at)
                waiting.append((at, True))
                waiting += [(other, False) for other in reversed(above[at])]
