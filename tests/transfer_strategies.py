"""Sessions by chance, for the tests of export and import: trees, files, reasoning, tools, hostile texts."""

from __future__ import annotations

from hypothesis import strategies as st

from arawn.events import Attempt, Usage
from arawn.messages import FilePart, Message, ReasoningPart, TextPart, ToolCallPart, ToolResultPart
from arawn.session import MAIN, Receipt, Seam, Session, Turn

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(40))
HOSTILE = (
    "<!-- arawn:end -->",
    "<!-- arawn:text -->\ninjected\n<!-- arawn:end -->",
    "<!-- \\arawn:end -->",
    "<!-- \\\\arawn:turn {} -->",
    '<!-- arawn:session {"id": "x"} -->',
    "-->",
    "--!>",
    "```",
    "~~~~\ncode",
    "```python\nprint('</script>')",
    "</script><script>alert(1)</script>",
    '<script type="application/json" class="arawn-session">{}</script>',
    "<!--",
    "]]>",
    "\r\n",
    "\r",
    "\n",
    "  \n\t",
    "\x85\u2028\u2029\x1b[31m\x7f\x0b\x0c",
    "\ufeff",
    "e\u0301 \U0001f469\u200d\U0001f52c \u202e\u05d0",
    "# CHAT: x [2024-01-01T00:00:00Z]",
    "![x](http://203.0.113.9/pixel.png)",
    "[x](javascript:alert(1)) <http://203.0.113.9/>",
    "&lt;&amp;",
    "---\nmessages:\n- role: user",
)
CHARACTERS = st.characters(blacklist_categories=("Cs",), blacklist_characters="\0")
TEXTS = st.lists(st.sampled_from(HOSTILE) | st.text(CHARACTERS, max_size=12), max_size=4).map("".join)
NAMES = st.text(CHARACTERS, max_size=8) | st.sampled_from(HOSTILE)
IDS = st.text("abcdef0123456789-_", min_size=4, max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
OPAQUE = st.dictionaries(NAMES, JSON, max_size=3)


@st.composite
def reasoning(draw: st.DrawFn) -> ReasoningPart:
    held = draw(st.none() | OPAQUE)
    return ReasoningPart(draw(TEXTS), held, ("", "") if held is None else (draw(NAMES), draw(NAMES)))


@st.composite
def calls(draw: st.DrawFn) -> ToolCallPart:
    held = draw(st.none() | OPAQUE)
    origin = ("", "") if held is None else (draw(NAMES), draw(NAMES))
    return ToolCallPart(draw(NAMES), draw(NAMES), draw(TEXTS), held, origin)


FILES = st.builds(
    FilePart,
    st.just(PNG) | st.binary(max_size=30),
    st.sampled_from(("image/png", "image/svg+xml", "application/pdf", "audio/wav", "text/html")),
    NAMES,
)
WORDS = TEXTS.map(TextPart)
RESULTS = st.builds(ToolResultPart, NAMES, NAMES, TEXTS, st.booleans())
USERS = st.lists(WORDS | FILES, min_size=1, max_size=3).map(lambda parts: Message("user", tuple(parts)))
ANSWERS = st.lists(WORDS | reasoning() | calls(), max_size=4).map(
    lambda parts: Message("assistant", tuple(parts))
)
TOOLS = st.lists(RESULTS, min_size=1, max_size=2).map(lambda parts: Message("tool", tuple(parts)))
COUNTS = st.none() | st.integers(0, 10**9)
SECONDS = st.floats(0.001, 1e6)
RECEIPTS = st.builds(
    Receipt,
    backend=NAMES,
    provider=NAMES,
    model=NAMES,
    finish=st.sampled_from(("stop", "length", "cut", "interrupted", "error")),
    finish_raw=NAMES,
    error=st.none() | st.sampled_from(("cut", "auth")),
    told=st.none() | TEXTS.filter(bool),
    usage=st.builds(Usage, *(COUNTS for _ in Usage._fields)),
    attempts=st.lists(
        st.builds(
            Attempt,
            *(NAMES, NAMES, st.none() | st.integers(100, 599), st.none()),
            *(SECONDS, SECONDS, SECONDS, st.none() | SECONDS, NAMES),
        ),
        max_size=2,
    ).map(tuple),
    settings=st.dictionaries(
        st.sampled_from(("temperature", "stop")), st.floats(0.1, 2) | st.just(["a"]), max_size=2
    ),
    estimate=st.none() | st.integers(1, 10**6),
    left_out=st.integers(0, 9),
    cost_usd=st.none() | st.floats(0, 10),
    prices=st.none() | st.just("2026-11-01"),
    seams=st.lists(st.builds(Seam, st.integers(0, 99), NAMES, NAMES), max_size=2).map(tuple),
)


@st.composite
def sessions(draw: st.DrawFn) -> Session:
    """A session as it may be kept; none of its texts has NUL or half a character, which no store takes."""
    made = Session(draw(IDS), draw(TEXTS), draw(st.none() | TEXTS))
    made.pinned = draw(st.booleans())
    made.folder = draw(NAMES)
    made.created = draw(st.floats(0, 4e9))
    for id in draw(st.lists(IDS, max_size=5, unique=True)):
        parent = draw(st.none() | st.sampled_from([*made.turns, "gone"]))
        said = (draw(USERS), *draw(st.lists(ANSWERS | TOOLS, max_size=3)))
        kind = draw(st.sampled_from(("said", "said", "summary")))
        made.add(Turn(id, parent, said, draw(RECEIPTS), draw(st.floats(0, 4e9)), draw(IDS), kind))
    made.branches = {}
    if made.turns:
        made.branches = draw(
            st.dictionaries(NAMES | st.just(MAIN), st.sampled_from([*made.turns]), max_size=3)
        )
        made.head = draw(st.none() | st.sampled_from([*made.turns]))
        made.branch = draw(st.none() | st.sampled_from([*made.branches])) if made.branches else None
    return made
