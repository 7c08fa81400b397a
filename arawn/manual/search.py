"""Finds the sections of the manual that answer a question, by words alone; it knows no backend.

Ranking is BM25 over weighted fields (Robertson and Zaragoza, The Probabilistic Relevance Framework, 2009),
with light stemming, near words counted as the same thing, and one slip of the keyboard forgiven.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from arawn.manual import Section, sections

LIMIT = 400
"""Characters of a question that are looked at."""
ENOUGH = 0.5
"""Share of a question's weight that a section must cover to count as an answer."""
_TITLE, _WORDS, _PAGE, _BODY, _NEAR, _TYPO = 4.0, 3.0, 1.5, 0.7, 0.6, 0.7
_WORD = re.compile(r"[a-z0-9]+")
_QUOTED = re.compile(r'"[^"\n]*"')

_STOP = """
    a set press gimme always anywhere bad about all am an and any are as at be but by can could did do
    does doing don for from get give go had has have hello help hey hi how i if in into is it its just
    like make may me mine must my need not of off on one or our out please put should show so some tell
    than thank thanks that the their them then there these they this those to too up us using use used
    want was way we were what when which who why will with work would you your arawn s t m ve re d
    explain possible mean means happen happens
"""
STOP = frozenset(_STOP.split())
_GENERIC = """
    time name run file list long new write read good best say day part first last number line text word
    answer thing program code question current big small start python
"""
GENERIC = frozenset(_GENERIC.split())
_GROUPS = (
    "key secret password credential apikey passphrase token",
    "store save keep remember put set",
    "stop cancel interrupt abort halt",
    "delete remove erase forget",
    "leave quit exit end close",
    "config configuration configure setting settings setup option",
    "backend provider vendor",
    "error fault problem trouble issue broken fail failure fails wrong",
    "install installation setup",
    "change switch select choose pick",
    "color colour colors colored theme",
    "proxy corporate firewall",
    "certificate tls ssl ca https",
    "telemetry tracking track analytics spy",
    "private privacy",
    "completion autocomplete autocompletion tab",
    "pipe stdin piped redirect",
    "url address host endpoint",
    "custom own self",
    "timeout limit wait hang hangs hanging slow stuck",
    "retry again repeat",
    "script automate automation scripting",
    "project repository repo folder directory workspace",
    "chat conversation talk session repl",
    "line newline multiline multi",
    "location path lie stored where",
    "local offline",
    "precedence order override wins priority",
    "model llm",
    "environment env variable",
    "keyring keychain wallet",
    "exit code status",
    "stream streaming",
    "attach file document",
    "trust allow",
    "connect connection reach unreachable",
    "output print",
    "header headers",
    "machine computer",
)


_WHOLE = {"keyring": "keyring", "setting": "setting", "settings": "setting", "during": "during"}


@lru_cache(maxsize=8192)  # most words of the manual stand in it more than once
def stem(word: str) -> str:
    """`word` without the commonest English endings."""
    if word in _WHOLE:
        return _WHOLE[word]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us")):
        word = word[:-3] + "y" if word.endswith("ies") and len(word) > 4 else word[:-1]
    for ending in ("ing", "ed"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)]
            word = word[:-1] if word[-1] == word[-2] and word[-1] not in "ls" else word
            break
    return word[:-1] if len(word) > 3 and word.endswith("e") else word


def terms(text: str) -> list[str]:
    """The stems of the words that carry meaning."""
    return [stem(word) for word in _WORD.findall(text.lower()) if word not in STOP and len(word) > 1]


class Hit(NamedTuple):
    """A section and how well it fits, a `score` to compare by."""

    section: Section
    score: float


class _Entry(NamedTuple):
    section: Section
    weights: dict[str, float]
    strong: frozenset[str]


class _Index:
    def __init__(self) -> None:
        self.entries = [_entry(section) for section in sections()]
        seen = Counter(term for entry in self.entries for term in entry.weights)
        count = len(self.entries)
        self.idf = {term: math.log(1 + (count - n + 0.5) / (n + 0.5)) for term, n in seen.items()}
        self.unknown = 0.85 * max(self.idf.values())

    def variants(self, term: str) -> dict[str, float]:
        """Terms of the manual that stand for `term`, and how well."""
        found = {near: _NEAR for near in _near(term) if near in self.idf}
        if term in self.idf:
            found[term] = 1.0
        elif not found and len(term) >= 4:
            for known in self.idf:
                if _slip(term, known):
                    found[known] = _TYPO
                    found |= {near: _NEAR * _TYPO for near in _near(known) if near in self.idf}
        return found


def _entry(section: Section) -> _Entry:
    weights: dict[str, float] = {}
    body = Counter(terms(_QUOTED.sub(" ", section.body) if "$ arawn" in section.body else section.body))
    length = 0.6 + 0.4 * sum(body.values()) / 120
    for term, count in body.items():
        weights[term] = min(_BODY * count / length, 2.0)
    strong = set()
    for text, weight in ((section.title, _TITLE), (section.words, _WORDS), (section.page, _PAGE)):
        for term in set(terms(text)):
            weights[term] = weights.get(term, 0.0) + weight
            strong.add(term)
    return _Entry(section, weights, frozenset(strong))


_GROUP_STEMS = tuple(frozenset(stem(word) for word in group.split()) for group in _GROUPS)
_GENERIC_STEMS = frozenset(stem(word) for word in GENERIC)


def _near(term: str) -> Iterator[str]:
    for group in _GROUP_STEMS:
        if term in group:
            yield from group - {term}


def _slip(said: str, known: str) -> bool:
    """Whether one letter more, less, other or swapped makes `said` into `known`."""
    short, long = (said, known) if len(said) <= len(known) else (known, said)
    if len(short) < 4 or len(long) - len(short) > 1 or short[0] != long[0]:
        return False
    at = 1
    while at < len(short) and short[at] == long[at]:
        at += 1
    if len(short) < len(long):
        return len(short) > 4 and short[at:] == long[at + 1 :]
    if len(short) > 4 and short[at + 1 :] == long[at + 1 :]:
        return True
    return short[at : at + 2] == long[at : at + 2][::-1] and short[at + 2 :] == long[at + 2 :]


def hits(question: str) -> list[Hit]:
    """All sections that answer `question`, the best first; empty where the manual has nothing on it."""
    asked = list(dict.fromkeys(terms(question[:LIMIT])))
    if not asked:
        return []
    index = _Index()
    concepts = [(term, index.variants(term)) for term in asked]
    total = sum(_weight(index, variants) for _, variants in concepts)
    found = [_hit(index, entry, concepts, total) for entry in index.entries]
    return sorted((hit for hit in found if hit is not None), key=lambda hit: -hit.score)


def find(question: str) -> Section | None:
    """The section that answers `question` best, or None."""
    best = hits(question)
    return best[0].section if best else None


def _weight(index: _Index, variants: dict[str, float]) -> float:
    return max((index.idf[term] for term in variants), default=index.unknown)


def _hit(
    index: _Index, entry: _Entry, concepts: list[tuple[str, dict[str, float]]], total: float
) -> Hit | None:
    score = covered = 0.0
    strong = False
    for term, variants in concepts:
        best = 0.0
        for variant, share in variants.items():
            weight = entry.weights.get(variant)
            if weight:
                best = max(best, share * index.idf[variant] * weight * 4 / (weight + 3))
                strong = strong or (variant in entry.strong and term not in _GENERIC_STEMS)
        if best:
            score += best
            covered += _weight(index, variants)
    if not strong or covered < ENOUGH * total:
        return None
    return Hit(entry.section, score * covered / total)
