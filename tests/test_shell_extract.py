"""What is taken out of an answer: fenced blocks, and the one command that it proposes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arawn.extract import blocks, every, first, proposal

TWO = "Here:\n\n```python\nprint(1)\n\nprint(2)\n```\n\nand\n\n~~~\nplain ``` text\n~~~\nEnd."


def test_blocks_in_order() -> None:
    assert [(block.language, block.text) for block in blocks(TWO)] == [
        ("python", "print(1)\n\nprint(2)"), ("", "plain ``` text"),
    ]  # fmt: skip
    assert first(TWO) == "print(1)\n\nprint(2)"
    assert every(TWO) == "print(1)\n\nprint(2)\n\nplain ``` text"
    assert first("no block") is None and every("no `block` at all") is None


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("````md\n```sh\nls\n```\n````", "```sh\nls\n```"),
        ("1. Do\n\n   ```sh\n   if x\n     y\n   ```\n", "if x\n  y"),
        ("```sh\nls\n", "ls"),
        ("```\r\nls\r\n```\r\n", "ls"),
        ("```a`b\n```\nx\n```", "x"),
        ("```sh\n```x\n```", "```x"),
        ("```\n\tx\n```", "\tx"),
        ("```{.python .numberLines}\nx\n```", "x"),
        ("```\n```", ""),
    ],
)
def test_what_a_fence_is(answer: str, text: str) -> None:
    assert first(answer) == text


@pytest.mark.parametrize(
    ("answer", "command"),
    [
        ("```sh\nfind . -size +100M\n```", "find . -size +100M"),
        ("find . -size +100M", "find . -size +100M"),
        ("`du -sh *`", "du -sh *"),
        ("``echo `date` ``", None),
        ("ls", "ls"),
        ("$ ls -la\n", "ls -la"),
        ("Sure!\n\n```console\n$ df -h\nFilesystem Size\n```\nThat shows it.", "df -h"),
        ("```python\nx = 1\n```\n```bash\nls\n```", "ls"),
        ("```\n# list them\nls -l\n```", "ls -l"),
        ("```sh\ncat <<'X'\n# kept\nX\n```", "cat <<'X'\n# kept\nX"),
        ("```sh\ntar czf a.tgz \\\n  b\n```", "tar czf a.tgz \\\n  b"),
        ("for i in a b; do echo $i; done", "for i in a b; do echo $i; done"),
        ('git commit -m "This is the end."', 'git commit -m "This is the end."'),
        ("docker ps", "docker ps"),
        ("FOO=1 make", "FOO=1 make"),
        ("Get-ChildItem -Recurse", "Get-ChildItem -Recurse"),
        ("./run.sh", "./run.sh"),
        ("I cannot do that.", None),
        ("Sorry, no.", None),
        ("there is no such command; try something else", None),
        ("That is dangerous; I will not tell you `rm -rf /`.", None),
        ("You could use `du -sh *` here.", None),
        ("What do you mean?", None),
        ("Which folder\nand how large?", None),
        ("", None), ("\n \n", None), ("```sh\n\n```", None), ("```sh\n# nothing\n```", None),
    ],
)  # fmt: skip
def test_the_one_command(answer: str, command: str | None) -> None:
    found = proposal(answer)
    assert (found.command if found else None) == command


def test_what_else_was_said_is_told() -> None:
    found = proposal("Careful.\n\n```sh\nrm x\n```\n\n```sh\nrm y\n```\nBye.")
    assert found is not None and found.command == "rm x"
    assert found.beside.split("\n") == ["Careful.", "rm y", "Bye."]
    assert proposal("```sh\nls\n```").beside == ""


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="`~\n sh x\t$#\\'\"", max_size=120))
def test_no_answer_breaks_it(answer: str) -> None:
    proposal(answer)
    for block in blocks(answer):
        assert block.text.replace("\n", "") == "" or block.text.split("\n")[-1].strip() in answer


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="ab `~\n", max_size=80).filter(lambda text: "````" not in text))
def test_a_block_comes_out_as_it_went_in(text: str) -> None:
    text = text.rstrip("\n")
    lines = text.split("\n")
    assert first("Words\n\n`````sh\n" + "\n".join(lines) + "\n`````\nWords") == text
