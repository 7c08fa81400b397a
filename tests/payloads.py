"""Hostile texts for a terminal: what each tries, and what of it a person may still read."""

from __future__ import annotations

ESC = "\x1b"

PAYLOADS: dict[str, tuple[str, str]] = {
    "clipboard": (f"a{ESC}]52;c;ZXZpbA==\x07b", "ab"),
    "clipboard st": (f"a{ESC}]52;c;ZXZpbA=={ESC}\\b", "ab"),
    "title": (f"a{ESC}]0;evil\x07b", "ab"),
    "title 8-bit": ("a\x9d2;evil\x9cb", "ab"),
    "link": (f"a{ESC}]8;;http://evil{ESC}\\good{ESC}]8;;{ESC}\\b", "agoodb"),
    "clear": (f"a{ESC}[2J{ESC}[Hb", "ab"),
    "up and erase": (f"a{ESC}[1A{ESC}[2Kb", "ab"),
    "scroll region": (f"a{ESC}[1;1rb", "ab"),
    "colour": (f"a{ESC}[31mred{ESC}[0mb", "aredb"),
    "8-bit csi": ("a\x9b2Jb", "ab"),
    "position query": (f"a{ESC}[6nb", "ab"),
    "attributes query": (f"a{ESC}[cb", "ab"),
    "setting query": (f"a{ESC}P$qm{ESC}\\b", "ab"),
    "8-bit dcs": ("a\x90$qm\x9cb", "ab"),
    "apc": (f"a{ESC}_Gf=100;AAAA{ESC}\\b", "ab"),
    "pm": (f"a{ESC}^secret{ESC}\\b", "ab"),
    "sos": (f"a{ESC}Xsecret{ESC}\\b", "ab"),
    "tmux": (f"a{ESC}Ptmux;{ESC}{ESC}]52;c;x\x07{ESC}\\b", "ab"),
    "sixel": (f"a{ESC}Pq#0;2;0;0;0#0~~@@{ESC}\\b", "ab"),
    "alternate screen": (f"a{ESC}[?1049hb", "ab"),
    "mouse": (f"a{ESC}[?1003h{ESC}[?2004lb", "ab"),
    "reset": (f"a{ESC}cb", "ab"),
    "charset": (f"a{ESC}(0b", "ab"),
    "keypad": (f"a{ESC}=b", "ab"),
    "overprint": ("rm -rf /\rls       ", "rm -rf /\nls       "),
    "backspace": ("bad\b\b\bok", "badok"),
    "bell and others": ("a\x07\x0b\x0c\x7f\x00b", "ab"),
    "bidi": ("a\u202eb\u2066c\u2069d", "abcd"),
    "zero width": ("p\u200ba\u2060s\ufeffs", "pass"),
    "tags": ("a\U000e0068\U000e0069b", "ab"),
    "selectors": ("a\ufe00\U000e0100b", "ab"),
    "separators": ("a\u2028b\u2029c", "a\nb\nc"),
    "surrogate": ("a\ud800b", "a\ufffdb"),
    "c1": ("a\x85\x8d\x84b", "ab"),
}

KEPT = (
    "plain text\n\tindented", "👩\u200d💻 family 👨\u200d👩\u200d👧", "❤\ufe0f ☎\ufe0e", "🇩🇪 👍🏽 👋🏿", "日本語 한국어 Zażółć",
    "می\u200cخواهم", "क्\u200dष", "e\u0301 n\u0303", "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "1\ufe0f⃣",
)  # fmt: skip


def forbidden(text: str, colours: bool = False) -> list[str]:
    """Characters that must not reach a terminal; `colours` allows our own SGR, erase and cursor-on sequences."""
    import re

    if colours:
        text = re.sub(r"\x1b\[[0-9;]*m", "", text).replace("\r\x1b[K", "")
    return [
        c
        for c in text
        if (ord(c) < 32 and c not in "\n\t") or 0x7F <= ord(c) < 0xA0 or c in "\u202e\u2066\u200b"
    ]
