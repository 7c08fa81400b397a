"""Named pieces of work as a plan: which prompts, in which order, what stands in them; it asks nobody."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

from arawn.config.check import check_file
from arawn.config.load import Config
from arawn.config.read import parse, read, shown_path
from arawn.config.schema import path_text
from arawn.errors import ConfigFault, UsageFault

INPUT = "input"
_PIECES = re.compile(r"\{\{|\}\}|\{([A-Za-z_][\w-]*)\}|[{}]")


class Task(NamedTuple):
    """One `[tasks.NAME]` table. `place` is where it stands, `folder` what its files are relative to."""

    name: str
    prompt: str
    requires: tuple[str, ...] = ()
    backend: str | None = None
    model: str | None = None
    system: str | None = None
    schema: str | None = None
    files: tuple[str, ...] = ()
    max_tokens: int | None = None
    temperature: float | None = None
    place: str = ""
    folder: str = ""

    @property
    def takes_input(self) -> bool:
        """Whether {input} stands in its prompt."""
        return INPUT in fields(self.prompt)


Place = Callable[[tuple[str, ...]], str]


class Plan(NamedTuple):
    """The tasks to run, each after what it requires, the wanted one last.

    `wants_input` is the first task with {input} in its prompt, "" where none has it; `keys` are the
    placeholders that values are for.
    """

    tasks: tuple[Task, ...]
    values: Mapping[str, str]
    wants_input: str
    keys: tuple[str, ...] = ()

    @property
    def last(self) -> Task:
        """The task whose answer is the result."""
        return self.tasks[-1]


def from_config(config: Config) -> dict[str, Task]:
    """The tasks of the config. Raises ConfigFault, with places, for tables that are none."""
    tables = config.values.get("tasks", {})

    def folder(name: str) -> str:
        place = config.origin(("tasks", name, "prompt")).place
        file = next((str(file) for file in config.files if place.startswith(shown_path(file) + ":")), "")
        return os.path.dirname(file)

    return _tasks(tables, lambda names: config.origin(names).place, folder)


def from_file(name: str) -> dict[str, Task]:
    """The tasks of a file with `[tasks.NAME]` tables and nothing else. Raises ConfigFault with places."""
    path = Path(os.path.expanduser(name))
    raw = read(path, needed=True)
    source = parse(raw.data if raw is not None else b"", shown_path(path))
    values, mistakes, _ = check_file(source)
    others = [key for key in source.values if key != "tasks"]
    place = _places(source.text, source.place)
    told = [mistake.text for mistake in mistakes]
    told += [
        f"{place((key,))}: [{path_text((key,))}]: a task file holds [tasks.NAME] alone" for key in others
    ]
    if told:
        raise ConfigFault("\n".join(told))
    folder = os.path.dirname(os.path.abspath(path))
    return _tasks(values.get("tasks", {}), place, lambda _: folder)


def _places(text: str, file: str) -> Place:
    def place(names: tuple[str, ...]) -> str:
        from arawn.config.positions import locate, positions

        line, column = locate(positions(text), names)
        return f"{file}:{line}:{column}"

    return place


def _tasks(tables: Mapping[str, Any], place: Place, folder: Callable[[str], str]) -> dict[str, Task]:
    made: dict[str, Task] = {}
    wrong = []
    for name, table in tables.items():
        at = ("tasks", name)
        if not re.fullmatch(r"[A-Za-z_][\w-]*", name) or name == INPUT:
            wrong.append(f"{place(at)}: [tasks.{path_text((name,))}]: a task cannot be called so")
        elif not str(table.get("prompt", "")).strip():
            wrong.append(f"{place(at)}: [tasks.{name}] needs a prompt")
        else:
            lists = {key: tuple(table.get(key, ())) for key in ("requires", "files")}
            own = {key: value for key, value in table.items() if key in Task._fields}
            made[name] = Task(name=name, **{**own, **lists}, place=place(at), folder=folder(name))
    if wrong:
        raise ConfigFault("\n".join(wrong))
    return made


def plan(tasks: Mapping[str, Task], name: str, values: Mapping[str, str] | None) -> Plan:
    """What to run for `name`, checked whole, so that nothing is sent where a part cannot work.

    `values` None: they come later, for the keys of the plan. Raises UsageFault for what the command line
    lacks or has too much, ConfigFault, with the place, for the tasks themselves.
    """
    if name not in tasks:
        raise UsageFault(
            f'There is no task "{name}"{_near(name, tasks)}',
            hints=(
                ("the tasks are: " + ", ".join(sorted(tasks)),)
                if tasks
                else ("a [tasks.NAME] table in the config makes one", "or: arawn run -t FILE.toml NAME")
            ),
        )
    order = _ordered(tasks, name)
    _check_values(order, values or {})
    asked: dict[str, str] = {}
    wrong: list[str] = []
    for task in order:
        above = {one.name for one in _ordered(tasks, task.name)} - {task.name}
        wrong += _stray_braces(task)
        for field in fields(task.prompt):
            asked.setdefault(field, task.name)
            if field in tasks and field not in above:
                wrong.append(f'{task.place}: [tasks.{task.name}]: {{{field}}} needs requires = ["{field}"]')
    if wrong:
        raise ConfigFault("\n".join(dict.fromkeys(wrong)))
    if values is not None:
        _check_fields(order, tasks, asked, values)
    keys = tuple(key for key in asked if key != INPUT and key not in tasks)
    return Plan(tuple(order), dict(values or {}), asked.get(INPUT, ""), keys)


def _check_values(order: Iterable[Task], values: Mapping[str, str]) -> None:
    taken = {INPUT, *(task.name for task in order)}
    for key in values:
        if key in taken:
            what = "what is piped in, or -f" if key == INPUT else "the answer of a task"
            raise UsageFault(f"{key}= cannot be given: {{{key}}} is {what}")


def _check_fields(
    order: Iterable[Task], tasks: Mapping[str, Task], asked: Mapping[str, str], values: Mapping[str, str]
) -> None:
    """Every placeholder has a value and every value a placeholder."""
    places = {task.name: task.place for task in order}
    for field, task in asked.items():
        if field == INPUT or field in tasks or field in values:
            continue
        near = _near(field, [*tasks, INPUT])
        raise UsageFault(
            f"{places[task]}: [tasks.{task}] has {{{field}}}, which nothing gives{near}",
            hints=(f"give it: {field}=...", "a brace that is meant as one is written twice"),
        )
    spare = [key for key in values if key not in asked]
    if spare:
        raise UsageFault(f"No prompt of this task has {{{spare[0]}}}{_near(spare[0], asked)}")


def _ordered(tasks: Mapping[str, Task], name: str) -> list[Task]:
    """`name` after all it requires. Raises ConfigFault for an unknown task and for a circle."""
    found: list[Task] = []
    done: set[str] = set()
    waiting: list[tuple[str, bool]] = [(name, False)]
    path: list[str] = []
    while waiting:
        at, closing = waiting.pop()
        if closing:
            path.pop()
            done.add(at)
            found.append(tasks[at])
            continue
        if at in done:
            continue
        path.append(at)
        waiting.append((at, True))
        for other in reversed(tasks[at].requires):
            where = f"{tasks[at].place}: [tasks.{at}]"
            if other not in tasks:
                raise ConfigFault(f'{where} requires "{other}", which is no task{_near(other, tasks)}')
            if other in path:
                circle = " -> ".join([*path[path.index(other) :], other])
                raise ConfigFault(f"{where}: tasks require each other in a circle: {circle}")
            waiting.append((other, False))
    return found


def fields(prompt: str) -> list[str]:
    """The placeholders of a prompt in their order."""
    return [match[1] for match in _PIECES.finditer(prompt) if match[1]]


def _stray_braces(task: Task) -> Iterator[str]:
    """What is wrong with each brace of a prompt that belongs to no placeholder."""
    for match in _PIECES.finditer(task.prompt):
        if len(match[0]) == 1:
            said = task.prompt[match.start() : match.start() + 20].split("\n", maxsplit=1)[0]
            yield (
                f"{task.place}: [tasks.{task.name}]: {said!r} is no {{NAME}}: "
                f"write {match[0] * 2} for a brace"
            )


def fill(prompt: str, values: Mapping[str, str]) -> str:
    """`prompt` with its placeholders replaced, all at once: what is put in is never looked at again."""

    def value(match: re.Match[str]) -> str:
        return values[match[1]] if match[1] else match[0][0]

    return _PIECES.sub(value, prompt)


def _near(name: str, names: Iterable[str]) -> str:
    near = get_close_matches(name, list(names), 1, 0.6)
    return f'; did you mean "{near[0]}"?' if near else ""
