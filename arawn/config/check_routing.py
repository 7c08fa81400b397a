"""Whether what is said of several backends can hold: names that there are, faults that there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arawn.config.schema import path_text

if TYPE_CHECKING:
    from arawn.config.load import Config


def wrong_routing(config: Config) -> list[str]:
    """Mistakes among `fallback_backends`, `weights`, `fallback.on` and `budget.backends`, with places."""
    llm = config.values.get("llm", {})
    named = [
        ("llm.fallback_backends", name, name.partition(":")[0]) for name in llm.get("fallback_backends", ())
    ]
    named += [(f"llm.weights.{name}", name, name) for name in llm.get("weights", {})]
    limits = config.values.get("budget", {}).get("backends", {})
    named += [(f"budget.backends.{name}.{span}", name, name) for name in limits for span in limits[name]]
    wrong = []
    for path, said, name in named:
        if not is_known(config, name):
            wrong.append(
                f"{_place(config, path)}: {_of(path)}: there is no backend {said!r}{near(config, name)}"
            )
    words = llm.get("fallback", {}).get("on", ()) if isinstance(llm.get("fallback"), dict) else ()
    for word in words:
        told = _unknown_fault(word)
        if told:
            wrong.append(f"{_place(config, 'llm.fallback.on')}: llm.fallback.on: {told}")
    return wrong


def wrong_routes(config: Config) -> list[str]:
    """What of `[llm.routing]` comes to nothing: a name of no work, a backend that is none; with places."""
    jobs = ("title", "compact", "summarization", "vision", "code_generation")
    known = {*jobs, *config.values.get("tasks", {})}
    lines = []
    for work, route in config.values.get("llm", {}).get("routing", {}).items():
        at = ("llm", "routing", work)
        place, name = config.origin(at).place, str(route).partition(":")[0]
        if work not in known:
            told = f"is no work: there are {', '.join(jobs)} and the names of your [tasks]"
            lines.append(f"{place}: {path_text(at)} {told}")
        elif not is_known(config, name):
            lines.append(f"{place}: {path_text(at)}: there is no backend {name!r}{near(config, name)}")
    return lines


def said_twice(config: Config) -> list[str]:
    """Names that say nothing: a backend that stands in for itself, or twice; each with its place."""
    names = [str(name) for name in config.get("llm.fallback_backends") or ()]
    place = _place(config, "llm.fallback_backends") if names else ""
    first = config.get("llm.backend")
    lines = []
    for number, name in enumerate(names):
        if name == first:
            lines.append(f"{place}: llm.fallback_backends: {name} stands in for itself; it is asked once")
        elif name in names[:number]:
            lines.append(f"{place}: llm.fallback_backends: {name} is there twice; it is asked once")
    return lines


def is_known(config: Config, name: str) -> bool:
    """Whether a backend can be asked by this name."""
    from arawn.providers import GUIDE, PROVIDERS

    row = PROVIDERS.get(name)
    return name in config.backends or name == GUIDE or (row is not None and row.has_place)


def near(config: Config, name: str) -> str:
    """What may have been meant by the name of a backend, behind a semicolon; "" where nothing is near."""
    from arawn.config.meant import meant
    from arawn.providers import PROVIDERS

    found = meant(name, [*config.backends, *PROVIDERS])
    return f'; did you mean "{found}"?' if found else ""


def _unknown_fault(word: str) -> str:
    from difflib import get_close_matches

    from arawn.config.rows_routing import FAULTS

    if word in FAULTS:
        return ""
    found = get_close_matches(word, FAULTS, 1, 0.6)
    meant = f'did you mean "{found[0]}"?' if found else f"there are {', '.join(FAULTS)}"
    return f"there is no fault {word!r}; {meant}"


def _of(path: str) -> str:
    return path if path.count(".") == 1 else path.rpartition(".")[0]


def _place(config: Config, path: str) -> str:
    from arawn.config.schema import split_path

    return config.origin(split_path(path)).place
