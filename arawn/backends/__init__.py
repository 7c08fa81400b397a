"""Whoever answers a request, and what all HTTP of a run goes through."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from arawn.backends.cassette import Tape

tape: Tape | None = None
"""The cassette of this run. The command line puts it in before anything is opened; else there is none."""
