"""README and manual held against the program: every TOML block is loaded, every command is run."""

from __future__ import annotations

import io
import json
import re
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fake_provider import Conn, FakeProvider, anthropic_stream, json_reply, ollama_stream, openai_stream
from home import configure

from arawn import manual
from arawn.cli import COMMANDS
from arawn.cli import app as root_app
from arawn.config.load import load
from arawn.events import Reply
from arawn.manual import reference
from arawn.messages import Message, TextPart, user
from arawn.providers import PROVIDERS
from arawn.render.document import document
from arawn.render.markdown import MarkdownStream
from arawn.repl.commands.registry import listed as slash
from arawn.session import Receipt, Session, Turn
from arawn.store.sessions import Store

ROOT = Path(__file__).parents[1]
MANUAL = ROOT / "arawn" / "manual"
PAGES = [ROOT / "README.md", *sorted(MANUAL.glob("*.md"))]
FENCE = re.compile(r"^```([a-z]+)\n(.*?)^```$", re.M | re.S)
ANSWER = "Hello from the fake"
KEYRING = """
import json, os
from keyring.backend import KeyringBackend
PLACE = os.environ["DOCS_KEYRING"]
class Keyring(KeyringBackend):
    priority = 5
    def _all(self):
        with open(PLACE) as file:
            return json.load(file)
    def _keep(self, found):
        with open(PLACE, "w") as file:
            json.dump(found, file)
    def get_password(self, service, name):
        return self._all().get(service + "/" + name)
    def set_password(self, service, name, value):
        self._keep({**self._all(), service + "/" + name: value})
    def delete_password(self, service, name):
        self._keep({k: v for k, v in self._all().items() if k != service + "/" + name})
"""
TASKS = """
[tasks.summary]
prompt = "Summarize in {language}: {input}"
[tasks.facts]
prompt = "List the facts in this text: {input}"
[tasks.doubts]
prompt = "What in this text is doubtful? {input}"
[tasks.verdict]
requires = ["facts", "doubts"]
prompt = "Facts: {facts}, doubts: {doubts}. Is the text to be trusted?"
"""
SHELL = """
set -o pipefail
arawn() { "$PY" -P -m arawn "$@"; }
git() { printf 'diff --git a/x b/x\\n+one line\\n'; }
"""


class Block(NamedTuple):
    """A fenced block: the page, the line it begins at, its language and text."""

    page: str
    line: int
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(*kinds: str) -> list[Block]:
    found = []
    for page in PAGES:
        text = page.read_text("utf-8")
        for match in FENCE.finditer(text):
            if match[1] in kinds:
                found.append(Block(page.name, text.count("\n", 0, match.start()) + 1, match[1], match[2]))
    return found


class Rule(NamedTuple):
    """How a line is tried. `help_only`: it needs a terminal, so its command and flags are looked up."""

    pattern: str
    stdin: str = ""
    config: str = ""
    says: str = ""
    help_only: bool = False


# The first that matches holds; a line that none matches fails.
RULES = [
    Rule(r"python3 -m venv --without-pip \.venv && python3 -m pip .*", help_only=True),  # .ci/run runs these
    Rule(r"export [A-Z_]+=\.\.\.", help_only=True),
    Rule(r"arawn (cmd|fix)( .*)?", help_only=True),  # test_shell runs these
    Rule(r"eval \"\$\(arawn shell-init .*\)\""),
    Rule(r"arawn shell-init fish \| source", help_only=True),
    Rule(r"arawn completions .*", says="arawn"),
    Rule(r"arawn man", says="EXIT STATUS"),
    Rule(r"mkdir -p \S+ && arawn man --roff > \S+"),
    Rule(r"arawn chat( .*)?", help_only=True),
    Rule(r"arawn config init", help_only=True),
    Rule(r"arawn trust", help_only=True),
    Rule(r"(cat notes\.txt \| )?arawn embed .*--json.*", says='"ok": true'),
    Rule(r"(cat notes\.txt \| )?arawn embed .*", says="[0.5,"),
    Rule(r"arawn .*-m @generator .*", config='[backends.anthropic.models]\ngenerator = "m"\n'),
    Rule(r"arawn .*-b work .*", config='[backends.work]\ndialect = "openai"\nbase_url = "URL/v1"\nmodel = "m"\n'),
    Rule(r"arawn compare .*--json", says='"ok": true'),
    Rule(r"arawn compare .*", says="==> groq"),
    Rule(r"arawn ask --role reviewer .*", config='[roles.reviewer]\nsystem = "Be brief."\n', says=ANSWER),
    Rule(r"arawn ask .*--(schema|keys|json-mode) .*", says="{"),
    Rule(r"(ARAWN_\w+=\w+ )?arawn (--?[a-z]+ (\w+ )?|-o \S+ )*ask .*--jsonl.*", says='"type": "result"'),
    Rule(r"(ARAWN_\w+=\w+ )?arawn (--?[a-z]+ (\w+ )?|-o \S+ )*ask .*--json.*", says='"ok": true'),
    Rule(r"arawn .*ask .* > \S+\.txt"),
    Rule(r"arawn --(record|replay) \S+ ask .*", says=ANSWER),
    Rule(r"arawn --backend guide ask .*", says="keyring"),
    Rule(r"(\w+=\w+ )?arawn (--?[a-z-]+( [\w-]+)? )*ask .*", says=ANSWER),
    Rule(r"(git diff|cat notes\.txt|echo .*) \| arawn( ask .*)?", says=ANSWER),
    Rule(r"arawn --version", says="arawn "),
    Rule(r"arawn role list", config="[roles.reviewer]\nsystem = \"Be brief.\"\n", says="system prompt"),
    Rule(r"arawn (backend|model) list.*", says="m"),
    Rule(r"arawn backend test --all.*", help_only=True),  # the fake speaks three of the dialects
    Rule(r"arawn backend test .*", says="ok"),
    Rule(r"arawn doctor .*", says="ok"),
    Rule(r"arawn model show .*", says="context"),
    Rule(r"arawn model pull .*", says="is there"),
    Rule(r"arawn config (path|set|unset|edit|check|show|get|init) ?.*"),
    Rule(r"arawn secret set \w+", stdin="sk-typed-0123456789\n"),
    Rule(r"arawn secret (list|test|delete) ?.*"),
    Rule(r"arawn trust (--list|--revoke \S+|\S+ --yes)"),
    Rule(r"arawn help( \w+)?", says="#"),
    Rule(r"(cat notes\.txt \| )?arawn run .*--(dry-run|json).*", config=TASKS, says="facts"),
    Rule(r"(cat notes\.txt \| )?arawn run .*", config=TASKS, says=ANSWER),
    Rule(r"arawn batch (status|fetch|.* --provider-batch .*)", help_only=True),  # test_provider_batch runs these
    Rule(r"arawn batch \S+ -o out\.jsonl.*", config=TASKS),
    Rule(r"arawn resume( --show)?", says="half"),
    Rule(r"arawn session search checkpoint", says="[checkpoint]"),
    Rule(r"arawn session (list|show|search|graph|rename|pin|delete|backup|stats|check|export) ?.*"),
    Rule(r"arawn session import everything\.json", says="taken in"),
    Rule(r"arawn session import .*", help_only=True),
    Rule(r"arawn receipt.*", says="turn"),
    Rule(r"arawn replay .*", says="alike"),
    Rule(r"arawn status"),
    Rule(r"arawn usage .*--csv.*", says="turns,input"),
    Rule(r"arawn usage.*"),
    Rule(r"arawn quote --cheapest-that-fits .*", says=":"),
    Rule(r"arawn quote .*", says="BACKEND"),
    Rule(r"arawn model pick .*", says="1. "),
    Rule(r"arawn curl.*", says="curl -sSN"),
]  # fmt: skip


def lines(block: Block) -> list[str]:
    """The commands of a block, without prompts and comments."""
    found = []
    for line in block.text.splitlines():
        if block.kind == "console" and not line.startswith("$ "):
            continue
        line = re.sub(r"\s+# .*$", "", line.removeprefix("$ ")).strip()
        if line and not line.startswith("#"):
            found.append(line)
    return found


def rule_of(line: str) -> Rule:
    for rule in RULES:
        if re.fullmatch(rule.pattern, line):
            return rule
    raise AssertionError(f"no rule says how to try: {line}")


def instance(schema: Any) -> Any:
    """A value that fits a schema of the examples."""
    match schema.get("type", "object" if "properties" in schema else "string"):
        case "object":
            return {name: instance(part) for name, part in schema.get("properties", {}).items()}
        case "array":
            return [instance(schema["items"])]
        case "string":
            return schema.get("enum", ["x"])[0]
    return 1


def said(body: Any) -> str:
    """The answer: in the shape that was asked for, where one was."""
    asked = [tool["input_schema"] for tool in body.get("tools", ())]
    if not asked and "JSON" in str(body.get("system")):
        asked = [{"type": "object"}]
    return json.dumps(instance(asked[0])) if asked else ANSWER


def serve(conn: Conn) -> None:
    """All three dialects at once, told apart by path."""
    path, asked = conn.request.path, conn.request
    if path.endswith(("/models", "/tags")) or conn.request.method == "GET":
        return json_reply(
            200, {"data": [{"id": "llama3-mini"}, {"id": "gpt-4o"}], "models": [{"name": "llama3"}]}
        )(conn)
    if path.endswith("/pull"):
        return json_reply(200, {"status": "success"})(conn)
    if path.endswith("/show"):
        return json_reply(200, {"model_info": {}})(conn)
    texts = asked.json.get("input") or asked.json.get("texts")
    if texts:
        vectors = [[0.5] * asked.json.get("dimensions", 2) for _ in texts]
        data = [{"embedding": vector} for vector in vectors]
        return json_reply(200, {"data": data} if path.endswith("/embeddings") else {"embeddings": vectors})(
            conn
        )
    whole = not asked.json.get("stream")
    if path.endswith("/messages"):
        reply = {
            "type": "message",
            "content": [{"type": "text", "text": said(asked.json)}],
            "stop_reason": "end_turn",
            "usage": {},
        }
        return json_reply(200, reply)(conn) if whole else anthropic_stream([said(asked.json)])(conn)
    if path.endswith("/api/chat"):
        return ollama_stream([ANSWER])(conn)
    reply = {"choices": [{"message": {"content": ANSWER}, "finish_reason": "stop"}]}
    return json_reply(200, reply)(conn) if whole else openai_stream([ANSWER])(conn)


@pytest.fixture
def world(env: dict[str, str], home: Path, tmp_path: Path):
    """A folder with the files that the examples name, a keyring, keys, and every provider on loopback."""
    work = tmp_path / "work"
    (work / "path/to/project/.arawn").mkdir(parents=True)
    (work / "path/to/project/.arawn/config.toml").write_text("[llm]\ntemperature = 0.1\n")
    for name in ("notes.txt", "build.log", "old.py", "new.py", "main.py", "invoice.txt", "receipt.txt"):
        (work / name).write_text("some text\n")
    (work / "tasks.toml").write_text('[tasks.polish]\nprompt = "Polish: {input}"\n')
    (work / "in.jsonl").write_text('"a prompt"\n{"id": "b", "prompt": "another"}\n')
    (work / "texts.jsonl").write_text('{"id": "t", "input": "a text", "language": "French"}\n')
    (work / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0\0\x10JFIF")
    (work / "invoice.json").write_text('{"type": "object", "properties": {"total": {"type": "number"}}}')
    (work / "completions").symlink_to(ROOT / "completions")
    (tmp_path / "docs_keyring.py").write_text(KEYRING)
    (tmp_path / "keys.json").write_text(json.dumps({"arawn/anthropic": "sk-kept-0123456789abcdef"}))
    keep_some(Path(env["HOME"], ".local/share/arawn"))
    with FakeProvider(serve) as fake:
        for row in PROVIDERS.values():
            env[f"{row.name.upper()}_API_BASE"] = fake.url + ("" if row.dialect != "openai" else "/v1")
            if row.needs_key:
                env[row.key_names[0]] = "sk-test-0123456789abcdef"
        env |= {
            "PY": sys.executable,
            "EDITOR": "true",
            "SHELL": "/bin/bash",
            "PYTHONPATH": f"{ROOT}:{tmp_path}",
            "PYTHON_KEYRING_BACKEND": "docs_keyring.Keyring",
            "DOCS_KEYRING": str(tmp_path / "keys.json"),
        }
        yield env, work, fake


def keep_some(folder: Path) -> None:
    """What the examples go on with: a session, and one whose answer broke off."""
    store = Store(folder, print)
    for name, title, end in (
        ("broken", "A long story", "cut"),
        ("walsession", "Explain WAL in SQLite, they said", "stop"),
    ):
        session = Session(name, title)
        said = (user("Tell me"), Message("assistant", (TextPart("half of it, up to a checkpoint"),)))
        session.add(Turn(f"turn-{name}", None, said, Receipt("groq", "groq", "m", end), 1.0, name))
        store.put(session, session.turns.values())
    store.close()


def run(line: str, rule: Rule, env: dict[str, str], work: Path, url: str) -> None:
    if rule.config:
        configure(env["HOME"], rule.config.replace("URL", url))
    done = subprocess.run(
        ["bash", "-c", SHELL + line],
        input=rule.stdin,
        capture_output=True,
        text=True,
        env=env,
        cwd=work,
        timeout=30,
    )
    assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    assert rule.says in done.stdout, f"{line}\n{done.stdout}{done.stderr}"
    assert "Traceback" not in done.stderr
    written = re.search(r"> (\S+\.txt)$", line)
    if written:
        assert ANSWER in (work / written[1]).read_text()


@pytest.mark.skipif(sys.platform == "win32", reason="the examples are written for a POSIX shell")
@pytest.mark.parametrize("block", blocks("console", "sh"), ids=str)
def test_commands(block: Block, world) -> None:
    env, work, fake = world
    assert lines(block), "a block without a command"
    for line in lines(block):
        rule = rule_of(line)
        if rule.help_only:
            for command in re.findall(r"(?:^|&& )(arawn .*?)(?= &&|$)", line):
                parse(command)
        else:
            parse_all(line)
            run(line, rule, env, work, fake.url)


def parse_all(line: str) -> None:
    """Look up every `arawn` of a line of shell."""
    for part in re.split(r"\s\|\s|\s>\s", line):
        part = re.sub(r"^[A-Z_]+=\S+ ", "", part)
        if part.startswith("arawn "):
            parse(part)


def parse(line: str) -> None:
    """Hold a command line against the commands and options that there are."""
    from typer.main import get_command

    words = shlex.split(line)[1:]
    command: Any = get_command(root_app)
    known = options(command)
    for word in words:
        if word.startswith("--") or (word.startswith("-") and len(word) == 2):
            assert word.split("=")[0] in known, f"{line}: {word}"
        elif hasattr(command, "list_commands"):
            found = command.get_command(None, word)
            if found is None and word.isupper():
                return  # a placeholder such as COMMAND
            if found is None:  # the value of an option before the command
                continue
            command, known = found, known | options(found)
    assert not words or command is not None


def options(command: Any) -> set[str]:
    found = {"-h", "--help"}
    for parameter in command.params:
        found |= {*getattr(parameter, "opts", ()), *getattr(parameter, "secondary_opts", ())}
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_commands_in_sentences(page: Path) -> None:
    text = FENCE.sub("", page.read_text("utf-8"))
    for span in re.findall(r"`(arawn [^`\n]+)`", text):
        words = span.split()
        if words[1].startswith("-") or words[1].isupper():
            continue
        assert words[1] in COMMANDS, span
        parse(span.replace("...", ""))


@pytest.mark.parametrize("block", blocks("toml"), ids=str)
def test_toml(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(block.text, "utf-8")
    config = load(env={"HOME": str(tmp_path)}, cwd=None, config_file=str(file), flags=())
    assert config.values and not config.notices


def test_blocks_have_a_known_language() -> None:
    for page in PAGES:
        openings = re.findall(r"^```(.*)$", page.read_text("utf-8"), re.M)[::2]
        assert set(openings) <= {"toml", "console", "sh", "text"}, page.name


def test_what_is_made_from_data_is_fresh() -> None:
    """Stale? python -m arawn.manual.reference"""
    for page in PAGES:
        text = page.read_text("utf-8")
        assert reference.fill(text) == text, page.name
    assert "`limits.idle`" in manual.read("errors") and "### Settings in [limits]" in manual.read("config")
    for row in PROVIDERS.values():
        assert f"| `{row.name}` |" in manual.text("backends")


def test_every_file_is_a_page() -> None:
    assert {path.stem for path in MANUAL.glob("*.md")} == set(manual.ORDER)
    for page in manual.pages():
        assert page.title and 20 < len(page.summary) < 120, page


def test_pages_named_are_pages() -> None:
    for page in PAGES:
        for name in re.findall(r"`arawn help (\w+)`", page.read_text("utf-8")):
            assert name in manual.ORDER or name.isupper(), f"{page.name}: {name}"


def test_the_first_page_names_every_command() -> None:
    told = manual.text("start")
    assert not [name for name in COMMANDS if f"`arawn {name}" not in told]


def test_slash_commands() -> None:
    import_module("arawn.repl.loop")  # makes all of them known
    rows = re.findall(r"^\| (`/.*?) \|", manual.text("chat"), re.M)
    assert set(re.findall(r"`/(\w+)", " ".join(rows))) == {one.name for one in slash()}


def test_json_fields() -> None:
    made = document(Reply(), backend="b", provider="p", model="m", fault=None, redact=str)
    text = manual.text("json")
    for name in [*made, *made["usage"]]:
        assert f"`{name}`" in text, name


def test_exit_codes_are_the_same_everywhere() -> None:
    rows = re.compile(r"^\| (?:\d+|130, 143) \| .* \|$", re.M)
    assert rows.findall(manual.text("errors")) == rows.findall((ROOT / "README.md").read_text("utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text("utf-8")):
        assert target.startswith("https://") or (page.parent / target).exists(), target


@pytest.mark.parametrize("name", manual.ORDER)
def test_a_page_on_a_terminal_is_the_whole_page(name: str) -> None:
    out = io.StringIO()
    sink = MarkdownStream(out, lambda: 200, True)
    sink.feed(manual.flow(manual.text(name)))
    sink.close()
    shown = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())
    for block in FENCE.finditer(manual.text(name)):
        for line in block[2].splitlines():
            assert line in shown, line
    words = set(re.findall(r"\w{3,}", FENCE.sub("", manual.text(name)))) - {"https"}
    assert not words - set(re.findall(r"\w{3,}", shown))
