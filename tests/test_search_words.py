"""Finding words: in any script, whole and begun, marked where they stand, and no query an error."""

from __future__ import annotations

import random
import time
import unicodedata
from collections.abc import Iterator

import pytest

from arawn.messages import FilePart, Message, TextPart, ToolResultPart, user
from arawn.session import Receipt, Session, Turn
from arawn.store.search import Filter, Hit, search
from arawn.store.sessions import Store

TEXTS = {
    "river": "The river runs down to the sea, past the old mill.",
    "rivers": "Rivers and streams; a riverbank, and the quick brown fox.",
    "accents": "Ein Ärger über die Straße in Zürich; élève, naïve, Œuvre, señor, İstanbul, ŁÓDŹ.",
    "chinese": "今天我们去日本庭園散步,看见了一只猫。",
    "japanese": "吾輩は猫である。名前はまだ無い。カタカナとﾊﾝｶｸも。",
    "korean": "나는 오늘 학교에 갔다. 한국어를 배운다.",
    "thai": "สวัสดีครับ ผมชื่ออารอน กำลังเรียนภาษาไทย",
    "russian": "Съешь же ещё этих мягких французских булок.",
    "greek": "Ο άνθρωπος είναι το μέτρο των πάντων",
    "arabic": "النهر يجري إلى البحر",
    "hebrew": "הנהר זורם אל הים",
    "hindi": "नदी समुद्र की ओर बहती है",
    "emoji": "well done 👩‍👩‍👧 🎉 and on we go",
    "code": "```python\ndef read_file(path: str) -> bytes:\n    return open(path, 'rb').read()\n```\nsee foo-bar.baz and C++ or a@b.example",
    "decomposed": unicodedata.normalize("NFD", "Crème brûlée, 한글 자모"),
    "supplement": "𠮷野家で𠀋を食べる",
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Each text a session of its own, said by the user."""
    told: list[str] = []
    made = Store(tmp_path_factory.mktemp("data"), told.append)
    for name, text in TEXTS.items():
        say(made, name, text)
    yield made
    made.close()
    assert not told


def say(store: Store, id: str, text: str, at: float | None = None, **more: object) -> None:
    """One session with one prompt."""
    session = Session(id, id)
    session.folder = str(more.get("folder", ""))
    messages = more.get("messages") or (user(text),)
    moment = time.time() if at is None else at
    turn = Turn(f"t-{id}", None, messages, Receipt("b", model="m", finish="stop"), moment, id)
    session.add(turn)
    store.put(session, [turn])


def found(store: Store, words: str, **more: object) -> set[str]:
    return {hit.session for hit in search(store, words, 100, **more)}


def marked(hit: Hit) -> list[str]:
    return [text for text, is_hit in hit.pieces if is_hit]


@pytest.mark.parametrize(
    ("words", "sessions", "marks"),
    [
        ("river", {"river"}, ["river"]),
        ("RIVER sea", {"river"}, ["river", "sea"]),
        ("river*", {"river", "rivers"}, None),
        ("riv", {"river", "rivers"}, None),
        ("quick fox", {"rivers"}, ["quick", "fox"]),
        ('"quick brown fox"', {"rivers"}, ["quick brown fox"]),
        ('"fox quick"', set(), None),
        ("river fox", {"rivers"}, ["River", "river", "fox"]),
        ("arger", {"accents"}, ["Ärger"]),
        ("ärger", {"accents"}, ["Ärger"]),
        ("ÄRGER", {"accents"}, ["Ärger"]),
        ("zurich", {"accents"}, ["Zürich"]),
        ("eleve naive", {"accents"}, ["élève", "naïve"]),
        ("straße", {"accents"}, ["Straße"]),
        ("senor", {"accents"}, ["señor"]),
        ("猫", {"chinese", "japanese"}, ["猫"]),
        ("日本", {"chinese"}, ["日本"]),
        ("日本庭園", {"chinese"}, ["日本庭園"]),
        ("本日", set(), None),
        ("散步 猫", {"chinese"}, ["散步", "猫"]),
        ("カタ", {"japanese"}, ["カタ"]),
        ("ﾊﾝ", {"japanese"}, ["ﾊﾝ"]),
        ("학", {"korean"}, ["학"]),
        ("학교", {"korean"}, ["학교"]),
        ("한국", {"korean"}, ["한국"]),
        ("하", set(), None),
        ("ครับ", {"thai"}, ["ครับ"]),
        ("ภาษา", {"thai"}, ["ภาษา"]),
        ("ก", {"thai"}, None),
        ("булок", {"russian"}, ["булок"]),
        ("ЕЩЕ", {"russian"}, ["ещё"]),
        ("ανθρωπος", {"greek"}, ["άνθρωπος"]),
        ("ΜΈΤΡΟ", {"greek"}, ["μέτρο"]),
        ("البحر", {"arabic"}, ["البحر"]),
        ("הנהר", {"hebrew"}, ["הנהר"]),
        ("नदी", {"hindi"}, None),
        ("done", {"emoji"}, ["done"]),
        ("read_file", {"code"}, None),
        ("foo-bar.baz", {"code"}, ["foo-bar.baz"]),
        ("a@b.example", {"code"}, ["a@b.example"]),
        ("open(path", {"code"}, None),
        ("brulee", {"decomposed"}, ["brûlée"]),
        ("brûlée", {"decomposed"}, ["brûlée"]),
        ("한글", {"decomposed"}, ["한글"]),
        ("𠮷", {"supplement"}, ["𠮷"]),
        ("𠀋を", {"supplement"}, ["𠀋を"]),
    ],
)
def test_words(store: Store, words: str, sessions: set[str], marks: list[str] | None) -> None:
    hits = search(store, words, 100)
    assert {hit.session for hit in hits} == sessions
    for hit in hits:
        shown = "".join(text for text, _ in hit.pieces).strip("…")
        plain = " ".join(unicodedata.normalize("NFC", TEXTS[hit.session]).split())
        assert " ".join(shown.split()) in plain, "the snippet is a piece of what was said"
        assert marked(hit), "what was found is marked"
        if marks is not None:
            assert marked(hit) == marks
        assert hit.snippet.count("[") >= 1


def test_every_word_that_was_said_is_found(store: Store) -> None:
    """Each word of each text, each beginning of it, and in unspaced scripts each piece of one and two."""
    for name, text in TEXTS.items():
        for word in text.split():
            if any(letter.isalnum() for letter in word):
                assert name in found(store, word), word
                assert name in found(store, f'"{word}"'), word
    for name in ("chinese", "japanese", "korean", "supplement"):
        letters = TEXTS[name]
        for size in (1, 2):
            for at in range(len(letters) - size + 1):
                piece = letters[at : at + size]
                if piece.isalnum():
                    assert name in found(store, piece), piece


ODD = [
    "", " ", '"', '""', '"""', "'", "*", "***", "(", ")", "()", "AND", "OR", "NOT", "NEAR", "a AND", "NOT a",
    "text:river", "text : river", "-river", "+river", "^river", "{text} : x", "NEAR(a b)", "a NEAR/2 b", "river\0",
    "\0", "\ud800", "\udfff x", "\x1b[31m", "%", "_", "\\", "; DROP TABLE word", "--", "/*", "$1", "?", "?1", ":a",
    "@a", "'river'", '"river', 'river"', '"river" "', "a" * 10_000, "a " * 5_000, "猫" * 10_000, '"' * 10_000,
    "(" * 10_000, "* " * 5000, "\u200b", "\u0301", "ก็", "²", "½", "Ⅷ", "ﬁ", "ß", "İ", "ı", "\U0010ffff", "🎉",
    "👩‍👩‍👧", "…", "-", "- -", "a-", "-a-", "a*b", "*a", "a**", '"a*"', '"a"*', "\n", "\t river \r\n", "river" + "\u0301" * 500,
]  # fmt: skip


@pytest.mark.parametrize("words", ODD, ids=range(len(ODD)))
def test_no_query_is_an_error(store: Store, words: str) -> None:
    began = time.monotonic()
    for only in (Filter(), Filter(role="user", backend="%", model="_", folder="'", code=True, since=0.0)):
        for hit in search(store, words, only=only):
            assert hit.snippet
    assert time.monotonic() - began < 15


def test_random_queries_are_no_error(store: Store) -> None:
    rng = random.Random(5)
    pieces = [
        *"\"'*()[]{}:^-+~/\\%_;,.!?\0\n ",
        " ",
        "AND",
        "OR",
        "NOT",
        "NEAR",
        "river",
        "猫",
        "é",
        "\u0301",
        "ก",
    ]
    for _ in range(1500):
        search(store, "".join(rng.choice(pieces) for _ in range(rng.randrange(1, 12))))


def test_odd_queries_that_have_a_word_find_it(store: Store) -> None:
    for words in (
        "river\0",
        "^river",
        "(river)",
        "-river",
        "'river'",
        '"river',
        "\t river \r\n",
        "river…",
        "text: river *",
    ):
        hits = found(store, words.replace("text: ", ""))
        assert "river" in hits, words


def test_what_tools_answered_is_found_and_shown(tmp_path) -> None:
    store = Store(tmp_path, print)
    result = Message("tool", (ToolResultPart("c", "look", "the 日本庭園 is open", False),))
    say(store, "a", "", messages=(user("where?"), Message("assistant", (TextPart("x"),)), result))
    for words, mark in (("庭園", "庭園"), ("open", "open")):
        (hit,) = search(store, words)
        assert marked(hit) == [mark] and "日本" in "".join(text for text, _ in hit.pieces)
        assert hit.role == "tool"
    picture = user("a picture", (FilePart(b"\x89PNGriverbytes", "image/png", "name.png"),))
    say(store, "b", "", messages=(picture,))
    assert found(store, "picture") == {"b"} and found(store, "riverbytes") == set()
    store.close()


def test_whole_words_are_marked_before_beginnings(tmp_path) -> None:
    store = Store(tmp_path, print)
    say(store, "a", "category, concat, cat and Cat; catalogue " + "x " * 200 + "cat")
    (hit,) = search(store, "cat")
    assert set(marked(hit)) <= {"cat", "Cat"} and marked(hit)[:2] == ["cat", "Cat"]
    assert "[cat] and [Cat]" in hit.snippet
    store.close()


def test_newer_comes_first_and_more_relevant_before_that(tmp_path) -> None:
    store = Store(tmp_path, print)
    now, day = time.time(), 86400.0
    say(store, "old", "the river once", at=now - 400 * day)
    say(store, "new", "the river once", at=now)
    say(store, "middle", "the river once", at=now - 100 * day)
    assert [hit.session for hit in search(store, "river")] == ["new", "middle", "old"]
    say(store, "often", "river river river river, river!", at=now - day)
    assert search(store, "river")[0].session == "often"
    say(store, "future", "the river once", at=now + 1000 * day)
    assert len(search(store, "river")) == 5
    store.close()


def test_folder_means_that_folder_and_those_below(tmp_path) -> None:
    store = Store(tmp_path, print)
    for id, folder in (("a", "/x/y"), ("b", "/x/yz"), ("c", "/x/y/z"), ("d", "/x/y_"), ("e", "/"), ("f", "")):
        say(store, id, "river", folder=folder)
    assert found(store, "river", only=Filter(folder="/x/y")) == {"a", "c"}
    assert found(store, "river", only=Filter(folder="/x/y/")) == {"a", "c"}
    assert found(store, "river", only=Filter(folder="/")) == {"a", "b", "c", "d", "e"}
    assert found(store, "river", only=Filter(folder="/x/%")) == set()
    store.close()


def test_a_message_said_in_two_sessions_is_found_in_both(tmp_path) -> None:
    store = Store(tmp_path, print)
    for id in ("a", "b"):
        say(store, id, "the same river")
    assert found(store, "river") == {"a", "b"}
    store.delete(["a"])
    assert found(store, "river") == {"b"}
    store.delete(["b"])
    assert found(store, "river") == set()
    store.close()


def test_long_texts_are_searched_quickly(tmp_path) -> None:
    store = Store(tmp_path, print)
    for number in range(20):
        say(store, f"s{number}", "wörter und so weiter, das gehört dazu " * 25_000 + "und ein Flüßchen")
    began = time.monotonic()
    hits = search(store, "flüßchen gehort")
    assert time.monotonic() - began < 15 and len(hits) == 10
    assert "Flüßchen" in "".join("".join(marked(hit)) for hit in hits) or all(marked(hit) for hit in hits)
    store.close()
