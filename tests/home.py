"""A person's home in tests: its config file, a backend in it that a fake provider stands for."""

from __future__ import annotations

from pathlib import Path

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
