"""Options that may stand after any command as well as before it; what they mean is not known here."""

from __future__ import annotations

from typing import Any

from typer.core import TyperOption

from arawn.errors import UsageFault


def give(command: Any) -> None:
    """Let `command` and all below it take them; help and completion tell of them once, at the root."""
    taken = {name for param in command.params for name in param.opts}
    for names, kind, callback in _OPTIONS:
        free = [name for name in names if name not in taken]
        if free:
            command.params.append(
                TyperOption(param_decls=free, hidden=True, expose_value=False, callback=callback, **kind)
            )
    for param in command.params:
        if "--output" in param.opts:
            param.multiple, param.callback = True, _output
    for sub in getattr(command, "commands", {}).values():
        give(sub)


def _accessible(ctx: Any, param: Any, value: bool) -> None:
    context = ctx.find_root().obj
    context.accessible = context.accessible or value


def _color(ctx: Any, param: Any, value: str | None) -> None:
    ctx.find_root().obj.paint(value)


def _config(ctx: Any, param: Any, value: str | None) -> None:
    context = ctx.find_root().obj
    context.config_file = value or context.config_file


def _debug(ctx: Any, param: Any, value: bool) -> None:
    context = ctx.find_root().obj
    context.debug = context.debug or value


def _setting(ctx: Any, param: Any, value: list[str]) -> None:
    try:
        ctx.find_root().obj.take(options=value)
    except UsageFault as fault:  # something else may be meant: -o names a file in other programs
        fault.hints = (*fault.hints, f"{ctx.command_path} --help")
        raise


def _output(ctx: Any, param: Any, value: tuple[str, ...]) -> str | None:
    """The last file of those behind an -o that names a file; what is a setting there is taken as one."""
    from arawn.config.schema import split_path, tree

    settings = [one for one in value if "=" in one and split_path(one.partition("=")[0])[0] in tree()]
    _setting(ctx, param, settings)
    return next((one for one in reversed(value) if one not in settings), None)


def _verbose(ctx: Any, param: Any, value: bool) -> None:
    context = ctx.find_root().obj
    context.verbose = context.verbose or value


_FLAG, _TEXT, _TEXTS = {"is_flag": True}, {"type": str}, {"type": str, "multiple": True}
_OPTIONS = (
    (("--color",), _TEXT, _color),
    (("--accessible",), _FLAG, _accessible),
    (("-o",), _TEXTS, _setting),
    (("--config",), _TEXT, _config),
    (("--verbose", "-v"), _FLAG, _verbose),
    (("--debug",), _FLAG, _debug),
)
