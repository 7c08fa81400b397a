"""The way in: `arawn` and `python -m arawn`; knows nothing but how to start and how to leave."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and leave with its exit code, without the interpreter's own farewell."""
    if sys.argv[1:] == ["--version"]:  # the answer needs none of the imports below
        from arawn import __version__

        print(f"arawn {__version__}")
        return
    if sys.argv[1:2] == ["shell-init"] and len(sys.argv) == 3:  # every start of a shell waits for this
        from arawn.shell import SHELLS, script

        if sys.argv[2] in SHELLS:
            sys.stdout.write(script(sys.argv[2]))
            return
    code = 130
    try:
        import gc

        gc.disable()  # a start makes many objects and no garbage
        from arawn.cli import run

        gc.freeze()
        gc.enable()
        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        pass
    leave(code)


def leave(code: int) -> None:
    """Flush and go at once: all is written and stored, and tearing modules down takes 20 ms."""
    import os

    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except (BrokenPipeError, ValueError):
        code = code or 141
    except OSError:
        code = code or 1
    try:
        if sys.stderr is not None:
            sys.stderr.flush()
    except (OSError, ValueError):  # notes that cannot be read take nothing from the answer
        pass
    os._exit(code)


if __name__ == "__main__":
    # `python -m` puts the current folder first on the path: what lies there must not be imported as ours.
    if not sys.flags.safe_path and sys.path and not __file__.startswith(sys.path[0]):
        del sys.path[0]
    main()
