"""`arawn config show --secrets` and `--reveal`: every reference, where it points, whether it resolves."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from arawn.config.load import refers
from arawn.config.mask import hidden, leaves
from arawn.config.schema import path_text
from arawn.errors import SecretFault, UsageFault

if TYPE_CHECKING:
    from arawn.cli.context import Context
    from arawn.config.load import Config

Names = tuple[str, ...]


def may_reveal(force: bool) -> None:
    """Ask on a terminal, refuse a pipe; `force` says yes to both. Raises UsageFault."""
    from arawn.cli.context import is_terminal

    if force:
        return
    if not (is_terminal(sys.stdout) and is_terminal(sys.stdin)):
        raise UsageFault(
            "--reveal prints keys, and this is not a terminal", hints=("if that is meant: add --force",)
        )
    sys.stderr.write("The keys will be on this screen. Show them? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise UsageFault("Nothing was shown")


def secret_rows(context: Context, config: Config, reveal: bool) -> list[dict[str, Any]]:
    """One row a reference or key: setting, reference, where, resolves, masked, problem, remedy, in_use."""
    from arawn.config.paths import paths
    from arawn.secret import Resolver

    resolver = Resolver(
        context.env, home=paths(context.env).config_dir, timeout=float(config.get("limits.keyring"))
    )
    used = in_use(context, config)
    rows = []
    for names, text in _texts(context, config):
        current = names[:2] == ("backends", used)
        found = resolver.inspect(text) if refers(text) else []
        rows += [_row(names, current, item) for item in found] or [_literal(names, current, text)]
        for row in rows[-max(1, len(found)) :] if reveal else ():
            if row["resolves"]:
                row["value"] = resolver.resolve(row["reference"]).reveal() if row["reference"] else text
    return rows


def _row(names: Names, current: bool, found: Any) -> dict[str, Any]:
    return {
        "setting": path_text(names),
        "reference": found.reference,
        "where": found.place,
        "resolves": found.resolves,
        "masked": found.masked,
        "problem": found.problem,
        "remedy": found.remedy,
        "in_use": current,
    }


def _literal(names: Names, current: bool, text: str) -> dict[str, Any]:
    """A key that stands in the file itself."""
    return {
        "setting": path_text(names),
        "reference": "",
        "where": "",
        "resolves": True,
        "masked": hidden(text),
        "problem": "",
        "remedy": "",
        "in_use": current,
    }


def in_use(context: Context, config: Config) -> str:
    """The backend that would be asked, as far as the settings say; else an empty text."""
    named = context.backend or config.get("llm.backend")
    only = list(config.backends)
    return str(named) if named else only[0] if len(only) == 1 else ""


def print_rows(rows: list[dict[str, Any]]) -> None:
    """Print the rows for people."""
    from arawn.render.safe import clean

    print("\nSecrets:" if rows else "\nNo references to secrets")
    for row in rows:
        state = (
            row.get("value") or row["masked"] if row["resolves"] else f"does not resolve: {row['problem']}"
        )
        use = "" if row["in_use"] else "  (not in use)"
        what = row["reference"] or "(a key in the file itself)"
        where = f" -> {row['where']}" if row["where"] else ""
        print(clean(f"  {row['setting']}  {what}{where}  {state}{use}"))
        if not row["resolves"] and row["remedy"]:
            print(clean(f"      {row['remedy']}"))


def complain(rows: list[dict[str, Any]]) -> None:
    """Raise SecretFault where a reference of the backend in use does not resolve."""
    broken = [row for row in rows if row["in_use"] and not row["resolves"]]
    if broken:
        names = ", ".join(dict.fromkeys(row["setting"] for row in broken))
        raise SecretFault(
            f"{names} does not resolve",
            hints=tuple(dict.fromkeys(str(row["remedy"]) for row in broken if row["remedy"])),
        )


def _texts(context: Context, config: Config) -> Iterator[tuple[Names, str]]:
    """Every text that may hold a reference, and the variable that a table without a key would use."""
    from arawn.config.row import Row
    from arawn.config.schema import find
    from arawn.providers import PROVIDERS

    for names, value in leaves(config.values):
        row = find(names)
        kind = row.kind if isinstance(row, Row) else ""
        if (
            isinstance(value, str)
            and ((kind == "secret" and names[-1] != "proxy") or refers(value))
            and kind
            in (
                "secret",
                "map",
            )
        ):
            yield names, value
    tables = dict(config.backends)
    tables.setdefault(in_use(context, config), {})
    for name, table in tables.items():
        provider = PROVIDERS.get(table.get("provider", name))
        if provider is None or table.get("api_key"):
            continue
        variable = next((key for key in provider.key_names if context.env.get(key, "").strip()), None)
        if variable or provider.needs_key:
            yield ("backends", name, "api_key"), f"$env:{variable or provider.key_names[0]}"
