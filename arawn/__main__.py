"""The way in: `arawn` and `python -m arawn`; knows nothing but how to start and how to leave."""

from __future__ import annotations

import sys

from arawn import interrupt


def main() -> None:
    """Run the command line and leave with its exit code, without the interpreter's own farewell."""
    interrupt.listen()
    if sys.argv[1:] == ["--version"]:  # the answer needs none of the imports below
        from arawn import __version__

        leave(_put(f"arawn {__version__}\n"))
    if sys.argv[1:2] == ["shell-init"] and len(sys.argv) == 3:  # every start of a shell waits for this
        from arawn.shell import SHELLS, script

        if sys.argv[2] in SHELLS:
            leave(_put(script(sys.argv[2])))
    try:
        import gc

        gc.disable()  # a start makes many objects and no garbage
        from arawn.cli import run

        gc.freeze()
        gc.enable()
        code = run(sys.argv[1:])
        interrupt.rest()
    except KeyboardInterrupt:
        code = 130
    except interrupt.Terminated as told:
        code = told.code
    except (ImportError, OSError, MemoryError) as error:  # `run` itself tells all that comes later
        _complain(f"Arawn does not start: {str(error) or 'Out of memory'}")
        code = 1
    leave(code)


def _put(text: str) -> int:
    """Print all that there is to say; the exit code."""
    if sys.stdout is None:
        _complain("Standard output is closed")
        return 1
    try:
        sys.stdout.write(text)
    except OSError:
        return 0  # it is tried once more, and told, on leaving
    return 0


def _complain(what: str) -> None:
    try:
        if sys.stderr is not None:
            sys.stderr.write(f"Error: {what}\n")
    except (OSError, ValueError):
        pass


def leave(code: int) -> None:
    """Flush and go at once: all is written and stored, and tearing modules down takes 20 ms."""
    import os

    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except (BrokenPipeError, ValueError):
        code = code or 141
    except OSError as error:
        if not code:
            _complain(error.strerror or str(error))
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
