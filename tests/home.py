"""A person's machine in tests: the config file, a backend that a fake provider stands for, the programs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

FAKE = """
[llm]
backend = "fake"
[backends.fake]
provider = "custom"
base_url = "{url}/v1"
model = "m-1"
"""
"""What has a `FakeProvider` asked; more settings of that backend may follow."""


def configure(home: Path | str, text: str) -> Path:
    """Write the config file of this home; where it stands."""
    path = Path(home, ".config", "arawn", "config.toml")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def need(program: str) -> str:
    """Where a program is; without it the test is skipped."""
    place = shutil.which(program)
    if place is None:
        pytest.skip(f"{program} is not installed")
    return place
