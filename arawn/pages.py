"""Web pages as words; it fetches nothing."""

from __future__ import annotations

from html.parser import HTMLParser


def is_page(text: str) -> bool:
    """Whether a text is a web page."""
    begin = text[:2048].lstrip().lower()
    return begin.startswith(("<!doctype html", "<html")) or ("<html" in begin and begin.startswith("<"))


def page_text(page: str) -> str:
    """The words of a web page: title, paragraphs, lists, links with their address; no script, no style."""
    reader = _Page()
    reader.feed(page)
    reader.close()
    lines = [" ".join(line.split()) for line in "".join(reader.pieces).split("\n")]
    text = "\n".join(lines)
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    return text.strip()


class _Page(HTMLParser):
    SKIPPED = frozenset({"script", "style", "noscript", "template", "svg", "iframe", "object"})
    BLOCKS = frozenset(
        (
            "p",
            "div",
            "section",
            "article",
            "header",
            "footer",
            "main",
            "aside",
            "nav",
            "ul",
            "ol",
            "table",
            "tr",
        )
        + ("h1", "h2", "h3", "h4", "h5", "h6", "pre", "blockquote", "br", "hr", "title", "li", "dt", "dd")
        + ("tr", "form", "figure", "figcaption")
    )

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._skipping = 0
        self._links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self.SKIPPED:
            self._skipping += 1
        elif tag in self.BLOCKS:
            self.pieces.append("\n\n" if tag[0] in "ph" else "\n")
            if tag == "li":
                self.pieces.append("- ")
        elif tag == "a":
            address = dict(attrs).get("href") or ""
            self._links.append(address if address.startswith(("http://", "https://")) else "")

    def handle_endtag(self, tag: str) -> None:
        if tag in self.SKIPPED:
            self._skipping = max(0, self._skipping - 1)
        elif tag in self.BLOCKS:
            self.pieces.append("\n")
        elif tag == "a" and self._links:
            address = self._links.pop()
            if address and not self._skipping:
                self.pieces.append(f" ({address})")

    def handle_data(self, data: str) -> None:
        if not self._skipping:
            self.pieces.append(data)
