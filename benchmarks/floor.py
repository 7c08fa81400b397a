"""The smallest program that parses `ask WORDS` with typer and streams one POST with httpx: the floor."""

import os
import sys

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.callback()
def main() -> None:
    """An assistant."""


@app.command()
def ask(prompt: str) -> None:
    """Ask once."""
    import json

    import httpx

    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": prompt}]}
    url = os.environ["BENCH_URL"] + "/v1/chat/completions"
    with httpx.Client(timeout=60, verify=False) as client, client.stream("POST", url, json=body) as response:
        for line in response.iter_lines():
            if line.startswith("data: {"):
                for choice in json.loads(line[6:])["choices"]:
                    if text := choice["delta"].get("content"):
                        sys.stdout.write(text)
                        sys.stdout.flush()
    print(flush=True)


app()
