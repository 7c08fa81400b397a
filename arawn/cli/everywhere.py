"""Options that may stand after any command as well as before it; what they mean is not known here."""

from __future__ import annotations

from typing import Any

from typer.core import TyperOption


def give(command: Any) -> None:
    """Let `command` and all below it take them; help and completion tell of them once, at the root."""
    if not any("--color" in param.opts for param in command.params):
        command.params.append(
            TyperOption(param_decls=["--color"], type=None, hidden=True, expose_value=False, callback=_color)
        )
        command.params.append(
            TyperOption(
                param_decls=["--accessible"],
                is_flag=True,
                hidden=True,
                expose_value=False,
                callback=_accessible,
            )
        )
    if not any("-o" in param.opts for param in command.params):  # `batch` has its own
        command.params.append(
            TyperOption(
                param_decls=["-o"],
                type=str,
                multiple=True,
                hidden=True,
                expose_value=False,
                callback=_setting,
            )
        )
    for sub in getattr(command, "commands", {}).values():
        give(sub)


def _accessible(ctx: Any, param: Any, value: bool) -> None:
    context = ctx.find_root().obj
    context.accessible = context.accessible or value


def _color(ctx: Any, param: Any, value: str | None) -> None:
    ctx.find_root().obj.paint(value)


def _setting(ctx: Any, param: Any, value: list[str]) -> None:
    ctx.find_root().obj.take(options=value)
