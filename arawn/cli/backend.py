"""`arawn backend`: what can be asked, what each can do, and whether it really answers."""

from __future__ import annotations

import json as json_
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from arawn.app import App
    from arawn.cli.context import Context

app = typer.Typer(
    rich_markup_mode=None, pretty_exceptions_enable=False, help="The backends that can be asked."
)
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
PROBE_S = 0.3
QUESTION = "Reply with OK"
ANSWER_TOKENS = 16
"""Room for the answer; a model that thinks first may fill it with thoughts, and has answered all the same."""


@app.callback()
def _group() -> None:
    """The backends that can be asked."""


@app.command("list")
def list_(ctx: typer.Context, json: Json = False) -> None:
    """List every backend: its model, where its key stands, whether it can be asked, what it can do."""
    context = ctx.find_root().obj
    rows = rows_of(context)
    if json:
        print(json_.dumps({"version": 1, "backends": rows}, ensure_ascii=False, indent=2))
        return
    from arawn.render.safe import clean

    for row in rows:
        name, model, key = (clean(row[part] or "-", newlines=False) for part in ("name", "model", "key"))
        can = ",".join(what for what, able in row["can"].items() if able)
        ready = "ready" if row["usable"] else "-"
        print(f"{name:<14} {row['provider']:<12} {model:<38} {ready:<6} {key:<26} {can}".rstrip())


def rows_of(context: Context) -> list[dict[str, Any]]:
    """One row a backend, own tables first; local servers are looked for, nothing else is sent."""
    from concurrent.futures import ThreadPoolExecutor

    from arawn.backends.choose import provider_of
    from arawn.providers import GUIDE, PROVIDERS

    config, env = context.load(), context.env
    names = [*sorted(config.backends), *(n for n in PROVIDERS if n not in config.backends and n != "custom")]
    with ThreadPoolExecutor(8) as pool:
        running = dict(zip(names, pool.map(lambda name: _runs(context, name), names), strict=True))
    rows = []
    for name in names:
        table = config.backends.get(name, {})
        row = provider_of(name, table, config)
        missing = _missing(context, name)
        if not missing and row.probe and not running[name]:
            missing = "it does not run"
        rows.append(
            {
                "name": name,
                "provider": row.name,
                "model": table.get("model") or _named(row, env) or row.model or None,
                "key": _key(table, row, env),
                "configured": name in config.backends,
                "running": running[name],
                "usable": not missing,
                "missing": missing or None,
                "can": _can(row, str(table.get("dialect") or row.dialect)),
            }
        )  # fmt: skip
    nothing = dict.fromkeys(
        ("tools", "image", "pdf", "audio", "schema", "reasoning", "embeddings", "models"), False
    )
    rows.append(
        {"name": GUIDE, "provider": GUIDE, "model": "manual", "key": "no key needed", "configured": False,
         "running": None, "usable": True, "missing": None, "can": nothing}
    )  # fmt: skip
    return rows


def _named(row: Any, env: Any) -> str | None:
    return next((env[variable] for variable in row.model_names if env.get(variable)), None)


def _runs(context: Context, name: str) -> bool | None:
    """Whether a local server answers; None for what is not looked for."""
    from arawn.backends.choose import provider_of
    from arawn.backends.http import probe
    from arawn.errors import ConfigFault

    try:
        table = context.load().backends.get(name, {})
        row = provider_of(name, table, context.load())
    except ConfigFault:
        return None
    if not row.probe:
        return None
    base = str(
        table.get("base_url") or next((context.env[v] for v in row.base_names if context.env.get(v)), "")
    )
    base = base if "://" in base or not base else f"http://{base}"
    return probe((base or row.base_url).rstrip("/") + row.probe, PROBE_S) is not None


def _missing(context: Context, name: str) -> str:
    """What keeps a backend from being asked, in a few words; "" where nothing does."""
    from arawn.backends.choose import choose
    from arawn.errors import ConfigFault

    try:
        choose(context.load(), context.env, name, None)
    except ConfigFault as fault:
        return fault.sentence
    return ""


def _key(table: Any, row: Any, env: Any) -> str:
    for word in ("token", "api_key"):
        if table.get(word):
            text = str(table[word])
            return text if text.startswith("$") and " " not in text else "in the config file"
    for variable in row.key_names:
        if env.get(variable, "").strip():
            return f"{variable} is set"
    return f"set {row.key_names[0]}" if row.needs_key else "no key needed"


def _can(row: Any, spoken: str) -> dict[str, bool]:
    """What a service can do, told by what its dialect would send: a wish that changes nothing is none."""
    from arawn.messages import Format, Request, ToolSpec, user
    from arawn.providers import DIALECTS
    from arawn.wire import Target, dialect

    module, options = dialect(spoken), {**DIALECTS[spoken].options, **row.options}
    target = Target(
        row.name, row.name, row.label, row.base_url or "https://service", row.model or "m", options
    )
    plain = Request((user("x"),))
    rungs = options.get("rungs", ("native", "tool", "prompt"))

    def heard(request: Request) -> bool:
        return bool(module.write(request, target).body != module.write(plain, target).body)

    takes = module.MEDIA & options.get("media", module.MEDIA)
    return {
        "tools": heard(plain._replace(tools=(ToolSpec("t", "", {}),))),
        **{kind: kind in takes for kind in ("image", "pdf", "audio")},
        "schema": "native" in rungs and heard(plain._replace(format=Format({"type": "object"}))),
        "reasoning": heard(plain._replace(reasoning="high")),
        "embeddings": hasattr(module, "embed") or "embed_dialect" in options,
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
    """Send each the smallest real question, all at once: key, model, status, how long it took, remedies."""
    from concurrent.futures import ThreadPoolExecutor

    from arawn.cli.model import usable

    context = ctx.find_root().obj
    wanted: list[str | None] = list(names or (usable(context) if every else [context.backend]))
    if not wanted:
        context.status.note("no backend is set up: arawn backend list")
    with ThreadPoolExecutor(max(1, min(16, len(wanted)))) as pool:
        program = context.app  # made once, before the threads
        results = list(
            pool.map(lambda name: _tested(program, name or context.backend, timeout, context), wanted)
        )
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
        for event in opened.backend.stream(Request((user(QUESTION),), max_tokens=ANSWER_TOKENS)):
            collector.add(event)
    except ArawnError as error:
        fault = error
    attempts = collector.reply.attempts
    redact = context.redact
    first = attempts[-1].first_event_s if attempts else None
    return said | {
        "ok": fault is None,
        "status": attempts[-1].status if attempts else None,
        "first_event_s": None if first is None else round(first, 3),
        "total_s": round(time.monotonic() - began, 3),
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
    line = clean(f"{who}  {result['total_s']:.2f} s{first}{key}", newlines=False)
    print(f"{state:<4} {line}")
    if result["error"]:
        print("     " + clean(result["error"], newlines=False, limit=300))
    for remedy in result["remedies"]:
        print("     - " + clean(remedy, newlines=False))
