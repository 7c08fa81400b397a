"""A plan of tasks and what came of it, as lines and as JSON; it asks nobody and knows no terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from math import ceil
from typing import TYPE_CHECKING, Any

from arawn.events import Reply
from arawn.quote import projected
from arawn.render.document import document as document_of
from arawn.render.safe import clean
from arawn.steps import Given, Seat, Step, request
from arawn.sums import whole
from arawn.tasks import Plan
from arawn.tokens import of_request

if TYPE_CHECKING:
    from arawn.tasks import Task

Json = dict[str, Any]


def plan_steps(plan: Plan, seats: Mapping[str, Seat], given: Given) -> list[Json]:
    """The steps in an order in which they can run.

    `tokens` is our guess of what is sent, without the answers of other steps; `cost_usd` what that and an
    answer may cost, null where the price is not known.
    """
    made = []
    blank = dict.fromkeys((one.name for one in plan.tasks), "")
    for number, task in enumerate(plan.tasks, 1):
        seat = seats[task.name]
        opened = seat.opened
        asked = request(task, seat, plan, given, blank)
        facts = seat.app.models.facts(opened.name, opened.provider, opened.model)
        quoted = projected(asked, facts, opened.settings, time.time())
        made.append(
            {
                "step": number,
                "task": task.name,
                "requires": list(task.requires),
                "backend": opened.name,
                "model": opened.model,
                "why": opened.why,
                "tokens": ceil(of_request(asked)),
                "max_tokens": task.max_tokens or opened.settings.get("max_tokens"),
                "cost_usd": None if quoted is None else quoted.likely,
            }
        )
    return made


def plan_lines(steps: list[Json]) -> list[str]:
    """The same for people."""
    lines = []
    for step in steps:
        sent = f"about {step['tokens']:,} tokens"
        if step["requires"]:
            sent += " and the answers of " + ", ".join(step["requires"])
        cost = "cost unknown" if step["cost_usd"] is None else f"about ${step['cost_usd']:.4f}"
        line = f"{step['step']}. {step['task']}: {step['backend']} · {step['model']}, {sent}, {cost}"
        lines.append(clean(line, newlines=False))
    costs = [step["cost_usd"] for step in steps]
    if len(steps) > 1 and None not in costs:
        lines.append(f"together about ${sum(costs):.4f}")
    return lines


def document(
    plan: Plan,
    seats: Mapping[str, Seat],
    ended: Mapping[str, Step],
    stopped: bool,
    begun: Collection[str],
    redact: Callable[[str], str],
) -> Json:
    """What came of a plan, every step in it. A sum is null where a part of it is not known."""
    steps = [_step(task, seats[task.name], ended.get(task.name), redact) for task in plan.tasks]
    for step in steps:
        if step["state"] == "not run" and step["task"] in begun:
            step["state"] = "interrupted"
    asked = [step for step in steps if step["state"] != "not run"]
    last = steps[-1]
    errors = [{**step["error"], "step": step["task"]} for step in steps if step["state"] == "failed"]
    return {
        "version": 1,
        "ok": last["state"] == "answered",
        "task": plan.last.name,
        "text": last["text"],
        "data": last["data"],
        "usage": {key: whole([step["usage"][key] for step in asked]) for key in ("input", "output")},
        "cost_usd": whole([step["cost_usd"] for step in asked]),
        "steps": steps,
        "error": errors[0] if errors else _interrupted() if stopped else None,
    }


def _interrupted() -> Json:
    return {
        "code": "cut",
        "message": "Interrupted before all steps were done",
        "hint": None,
        "status": None,
        "step": None,
    }


def _step(task: Task, seat: Seat, step: Step | None, redact: Callable[[str], str]) -> Json:
    answer = step.answer if step is not None else None
    reply = answer.reply if answer is not None else Reply()
    made = document_of(
        reply,
        backend=answer.receipt.backend if answer else seat.opened.name,
        provider=(answer.receipt.provider if answer else "") or seat.opened.provider,
        model=(answer.receipt.model if answer else "") or seat.opened.model,
        fault=answer.fault if answer else None,
        redact=redact,
        has_data=seat.form is not None and answer is not None,
        turn=None,
    )
    made.pop("version")
    made.pop("session")
    made["cost_usd"] = answer.receipt.cost_usd if answer else None
    if answer is None:
        made["ok"] = False
    state = "not run" if answer is None else "answered" if answer.ok else "failed"
    return {"task": task.name, "state": state, "requires": list(task.requires), **made}
