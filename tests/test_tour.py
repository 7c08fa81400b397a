"""The tour of the manual and its pictures, which `benchmarks/tour.py` makes: whole, and of themselves alone."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

MANUAL = Path(__file__).parents[1] / "arawn" / "manual"
TOUR = (MANUAL / "tour.md").read_text(encoding="utf-8")
PICTURES = sorted((MANUAL / "screens").glob("*.svg"))


def test_every_picture_is_named_once() -> None:
    named = re.findall(r"\]\((screens/[a-z]+\.svg)\)", TOUR)
    assert sorted(named) == [f"screens/{path.name}" for path in PICTURES] and len(named) >= 6


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.stem)
def test_a_picture_loads_nothing(path: Path) -> None:
    drawn = path.read_text(encoding="utf-8")
    assert ElementTree.fromstring(drawn).tag.endswith("svg")
    assert not re.search(r"url\((?!#)|@import|<script|<image|(?:href|src)=", drawn)


def test_the_screen_is_as_a_person_sees_it() -> None:
    screen = TOUR.rpartition("```text\n")[2]
    for shown in ("$ arawn chat", "Thought for", "/tree", "[stopped]", "Goodbye!", "(unfinished)"):
        assert shown in screen
    assert "\x1b" not in TOUR and "Traceback" not in TOUR
