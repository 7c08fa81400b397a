"""Tasks that require each other: `arawn config check` names each circle once, before anything is run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arawn.config.check_tasks import circles
from arawn.errors import ConfigFault
from arawn.tasks import Task, plan

CASES: list[tuple[dict[str, list[str]], list[str]]] = [
    ({}, []),
    ({"a": [], "b": ["a"], "c": ["a", "b"]}, []),
    ({"a": ["gone"]}, []),
    ({"a": ["b"], "b": ["a"]}, ["a b a"]),
    ({"a": ["a"]}, ["a a"]),
    ({"c": ["a"], "a": ["b"], "b": ["a"]}, ["a b a"]),
    ({"a": ["b", "c"], "b": ["a"], "c": ["a"]}, ["a b a", "a c a"]),
    ({"a": ["b"], "b": ["a"], "x": ["y", "a"], "y": ["x"]}, ["a b a", "x y x"]),
]


@pytest.mark.parametrize(("above", "told"), CASES)
def test_each_circle_is_found_once(above: dict[str, list[str]], told: list[str]) -> None:
    assert [" ".join(circle) for circle in circles(above)] == told


GRAPHS = st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdef"), max_size=3))


@settings(max_examples=60, deadline=None)
@given(GRAPHS)
def test_there_is_one_exactly_where_a_task_cannot_be_run_for_it(graph: dict[str, list[str]]) -> None:
    above = {name: [other for other in others if other in graph] for name, others in graph.items()}
    tasks = {name: Task(name, "say", tuple(others), place="here") for name, others in above.items()}
    refused = False
    for name in tasks:
        try:
            plan(tasks, name, None)
        except ConfigFault:
            refused = True
    found = list(circles(above))
    assert bool(found) == refused
    for circle in found:
        assert circle[0] == circle[-1]
        assert all(other in above[one] for one, other in zip(circle, circle[1:], strict=False))


def test_the_check_tells_where_and_other_commands_go_on(arawn: Callable[..., Any]) -> None:
    tasks = '[tasks.a]\nprompt = "x"\nrequires = ["b"]\n[tasks.b]\nprompt = "y"\nrequires = ["a"]\n'
    done = arawn("config", "check", config=tasks)
    told = done.stderr.replace("\n  ", " ")
    assert done.returncode == 3 and done.stdout == ""
    assert "config.toml:4:2: [tasks.b]: tasks require each other in a circle: a -> b -> a" in told
    assert told.count("circle") == 1
    assert arawn("config", "show").returncode == 0
