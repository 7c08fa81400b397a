"""`arawn backend`: what can be asked, what each can do, and whether it really answers."""

from __future__ import annotations

import json as json_
import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from arawn.cli import Json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from arawn.app import App
    from arawn.backends.choose import Choice
    from arawn.cli.context import Context
    from arawn.errors import ArawnError
    from arawn.events import Reply
    from arawn.providers import Provider

app = typer.Typer(help="The backends that can be asked.")
PROBE_S = 0.3
WIDEST = 48
QUESTION = "Reply with OK"
ANSWER_TOKENS, THOUGHT_TOKENS = 16, 1024
"""Room for the answer. A model that thinks first gets more, and has answered too where thoughts fill it."""
GRACE_S = 0.5
"""What is given beyond its limit to a backend that is about to say itself why it is late."""


@app.callback()
def _group() -> None:
    """The backends that can be asked."""


@app.command("list")
def list_(ctx: typer.Context, json: Json = False) -> None:
    """List every backend. Its model, where its key stands, whether it can be asked, what it can do."""
    context = ctx.find_root().obj
    rows = rows_of(context)
    if json:
        print(json_.dumps({"version": 1, "backends": rows}, ensure_ascii=False, indent=2))
        return
    from arawn.cli.context import is_terminal
    from arawn.render.safe import clean
    from arawn.render.terminal import width

    lines = [
        [
            clean(part, newlines=False)
            for part in (row["name"], row["provider"], row["model"] or "-", *_state(row))
        ]
        for row in rows
    ]
    cans = [",".join(what for what, able in row["can"].items() if able) for row in rows]
    columns = width(sys.stdout.fileno(), context.env) if is_terminal(sys.stdout) else None
    for text in _table(lines, cans, columns):
        print(text)


def _table(lines: list[list[str]], cans: list[str], columns: int | None) -> Iterator[str]:
    """A line a backend; where that is wider than the terminal, the model and what it can do stand below."""
    from arawn.folding import cells, fold

    def padded(rows: list[list[str]]) -> list[str]:
        widths = [min(WIDEST, max(map(cells, place))) for place in zip(*rows, strict=True)]
        return [
            "  ".join(part + " " * (wide - cells(part)) for part, wide in zip(row, widths, strict=True))
            for row in rows
        ]

    whole = [f"{line}  {can}".rstrip() for line, can in zip(padded(lines), cans, strict=True)]
    if columns is None or max(map(cells, whole)) <= columns:
        yield from whole
        return
    heads = padded([[name, state, key] for name, _, _, state, key in lines])
    for head, (name, provider, model, _, _), can in zip(heads, lines, cans, strict=True):
        yield fold(head.rstrip(), columns, "  ")
        said = (provider if provider != name else "", model if model != "-" else "", can.replace(",", ", "))
        yield fold("  " + "  ".join(filter(None, said)), columns, "  ")


def _state(row: Mapping[str, Any]) -> tuple[str, str]:
    """Whether it is ready, and where its key stands or else what is missing."""
    if row["usable"]:
        return "ready", str(row["key"])
    return "-", str(row["key"] if row["key"].startswith("set ") else row["missing"])


def rows_of(context: Context) -> list[dict[str, Any]]:
    """One row a backend, own tables first; local servers are looked for, nothing else is sent."""
    from arawn.backends.at_once import at_once
    from arawn.providers import GUIDE, services

    config = context.load()
    names = [*sorted(config.backends), *(name for name in services() if name not in config.backends)]
    choices = [_choice(context, name) for name in names]
    running = at_once(lambda found: _runs(found[0]), choices, 2 * PROBE_S)
    rows = [
        _row(context, name, *found, running=runs)
        for name, found, runs in zip(names, choices, running, strict=True)
    ]
    rows.append(
        {"name": GUIDE, "provider": GUIDE, "model": "manual", "key": "no key needed", "configured": False,
         "running": None, "usable": True, "missing": None, "can": dict.fromkeys(rows[0]["can"], False)}
    )  # fmt: skip
    return rows


def _choice(context: Context, name: str) -> tuple[Choice | None, str]:
    """A backend as it would be asked, or what keeps it from being asked."""
    from arawn.backends.choose import choose
    from arawn.errors import ConfigFault

    try:
        return choose(context.load(), context.env, name, None), ""
    except ConfigFault as fault:
        return None, fault.sentence


def _runs(choice: Choice | None) -> bool | None:
    """Whether a server on this machine answers; None for what is not looked for."""
    from arawn.backends.http import probe
    from arawn.backends.http_net import address, is_loopback
    from arawn.providers import DIALECTS
    from arawn.wire import dialect

    if choice is None or choice.key is not None or not choice.provider.local:
        return None
    if not is_loopback(address(choice.base_url).host):
        return None
    module, path = dialect(choice.dialect), choice.provider.probe or DIALECTS[choice.dialect].models
    place = module.address(choice.base_url, path) if hasattr(module, "address") else choice.base_url + path
    return probe(place, PROBE_S) is not None


def _row(
    context: Context, name: str, choice: Choice | None, missing: str, *, running: bool | None
) -> dict[str, Any]:
    from arawn.backends.choose import provider_of

    config, env = context.load(), context.env
    table = config.backends.get(name, {})
    row = choice.provider if choice else provider_of(name, table, config)
    model = choice.model if choice else table.get("model") or _named(row, env)
    if running is False:
        missing = "it does not run"
    return {
        "name": name,
        "provider": row.name,
        "model": model or row.model or None,
        "key": _key(table, row, env),
        "configured": name in config.backends,
        "running": running,
        "usable": not missing,
        "missing": missing or None,
        "can": _can(row, table),
    }


def _named(row: Provider, env: Mapping[str, str]) -> str | None:
    return next((env[variable] for variable in row.model_names if env.get(variable)), None)


def _key(table: Mapping[str, Any], row: Provider, env: Mapping[str, str]) -> str:
    """Where the key stands, or what is missing; never a part of it."""
    from arawn.secret import references

    for word in ("token", "api_key"):
        if table.get(word):
            text = str(table[word])
            return text if references(text) == [text] else "in the config file"
    for variable in row.key_names:
        if env.get(variable, "").strip():
            return f"{variable} is set"
    return f"set {row.key_names[0]}" if row.needs_key else "no key needed"


def _can(row: Provider, table: Mapping[str, Any]) -> dict[str, bool]:
    """What a service can do, told by what its dialect would send: a wish that changes nothing is none."""
    from arawn.backends.choose_embedding import embeds
    from arawn.messages import Format, Request, ToolSpec, user
    from arawn.providers import DIALECTS
    from arawn.wire import Target, dialect

    spoken = str(table.get("dialect") or row.dialect)
    module, options = dialect(spoken), {**DIALECTS[spoken].options, **row.options}
    target = Target(
        row.name, row.name, row.label, row.base_url or "https://service", row.model or "m", options
    )
    plain = Request((user("x"),))
    rungs = options.get("rungs", ("native", "tool", "prompt"))

    def heard(request: Request) -> bool:
        return bool(module.write(request, target)[:2] != module.write(plain, target)[:2])

    takes = module.MEDIA & options.get("media", module.MEDIA)
    return {
        "streaming": heard(plain._replace(stream=False)),
        "tools": heard(plain._replace(tools=(ToolSpec("t", "", {}),))),
        **{kind: kind in takes for kind in ("image", "pdf", "audio")},
        "schema": "native" in rungs and heard(plain._replace(format=Format({"type": "object"}))),
        "reasoning": heard(plain._replace(reasoning="high")),
        "embeddings": bool(embeds(row, table)),
        "models": bool(row.models or DIALECTS[spoken].models),
    }


@app.command()
def test(
    ctx: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME...]", help="Backends to test.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every backend that can be asked.")] = False,
    timeout: Annotated[
        float, typer.Option(min=0.001, metavar="SECONDS", help="Longest wait for each.")
    ] = 20.0,
    json: Json = False,
) -> None:
    """Send each the smallest real question, all at once. Key, model, status, how long it took, remedies."""
    from arawn.backends.at_once import at_once
    from arawn.cli.usable import usable

    context = ctx.find_root().obj
    wanted: list[str | None] = list(names or (usable(context) if every else [context.backend]))
    if not wanted:
        context.status.note("no backend is set up: arawn backend list")
    program = context.app  # made once, before the threads
    found = at_once(lambda name: _tested(program, name, timeout, context), wanted, timeout + GRACE_S)
    results = [made or _late(name, timeout) for name, made in zip(wanted, found, strict=True)]
    if json:
        print(json_.dumps({"version": 1, "ok": all(r["ok"] for r in results), "backends": results},
                          ensure_ascii=False, indent=2))  # fmt: skip
    else:
        for result in results:
            _tell(context, result)
    failed = [result["exit_code"] for result in results if not result["ok"]]
    if failed:
        raise typer.Exit(failed[0] if len(results) == 1 else 1)


def _tested(program: App, name: str | None, timeout: float, context: Context) -> dict[str, Any]:
    """Ask one backend; whatever it answers in time is a success, also an answer cut at its short length."""
    from arawn.errors import ArawnError
    from arawn.events import Collector
    from arawn.messages import Request, user

    collector, began = Collector(), time.monotonic()
    said: dict[str, Any] = {"backend": name, "model": None, "key": None}
    fault: ArawnError | None = None
    try:
        opened = program.open(name, context.model, timeout, attempts=1)
        said |= {"backend": opened.name, "model": opened.model, "key": program.key_place(opened.name)}
        facts = program.models.facts(opened.name, opened.provider, opened.model)
        room = THOUGHT_TOKENS if facts.reasoning else ANSWER_TOKENS
        for event in opened.backend.stream(Request((user(QUESTION),), max_tokens=room)):
            collector.add(event)
        fault = _empty(collector.reply)
    except ArawnError as error:
        fault = error
    attempt = collector.reply.attempts[-1] if collector.reply.attempts else None
    first = attempt.first_event_s if attempt else None
    return said | _outcome(fault, time.monotonic() - began, context.redact) | {
        "status": attempt.status if attempt else None,
        "first_event_s": None if first is None else round(first, 3),
    }  # fmt: skip


def _empty(reply: Reply) -> ArawnError | None:
    """The fault of an answer that says it is whole and holds nothing."""
    from arawn.errors import EmptyAnswer

    if reply.parts or reply.finish is None or reply.finish.reason != "stop" or reply.finish.refusal:
        return None
    return EmptyAnswer("The answer is empty", hints=("another model: --model NAME",))


def _late(name: str | None, timeout: float) -> dict[str, Any]:
    from arawn.errors import TimedOut

    fault = TimedOut(f"The answer was not whole within {timeout:g} s", hints=("the limit is --timeout",))
    return {"backend": name, "model": None, "key": None} | _outcome(fault, timeout, str)


def _outcome(fault: ArawnError | None, seconds: float, redact: Callable[[str], str]) -> dict[str, Any]:
    return {
        "ok": fault is None,
        "status": None,
        "first_event_s": None,
        "total_s": round(seconds, 3),
        "error": redact(f"{fault.sentence}{': ' + fault.detail if fault.detail else ''}") if fault else None,
        "remedies": [redact(hint) for hint in fault.hints] if fault else [],
        "exit_code": fault.exit_code if fault else 0,
    }


def _tell(context: Context, result: dict[str, Any]) -> None:
    from arawn.render.safe import clean

    first = "" if result["first_event_s"] is None else f", first token {result['first_event_s']:.2f} s"
    state = "ok" if result["ok"] else "FAIL"
    key = f", key from {result['key']}" if result["key"] else ""
    who = f"{result['backend'] or '-'}  {result['model'] or '-'}"
    status = "" if result["status"] is None else f"  status {result['status']}"
    line = clean(f"{who}{status}  {result['total_s']:.2f} s{first}{key}", newlines=False)
    print(f"{state:<4} {line}")
    if result["error"]:
        print("     " + clean(result["error"], newlines=False, limit=300))
    for remedy in result["remedies"]:
        print("     - " + clean(remedy, newlines=False))
