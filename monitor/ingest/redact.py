"""Redaction at the door: what looks like a secret or a person is replaced by `[name]` before anything is written.

Patterns run on RE2: its time is linear in the text, so no prompt and no own pattern stops the door.
Called by the normaliser for events and by the door for rejects.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import re2

from monitor.errors import ConfigError
from monitor.records import Redaction, RedactionPattern

_API_KEYS = (
    r"\b(?:sk|pk|rk)[-_][A-Za-z0-9_-]{16,}",  # OpenAI, Anthropic, LiteLLM, Stripe, and who writes keys like them
    r"\b(?:gsk|xai|r8|nvapi|pplx|npm|glpat|dop_v1|shpat)[-_][A-Za-z0-9_-]{16,}",
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    r"\bgh[pousr]_[A-Za-z0-9]{36,}",
    r"\bgithub_pat_[A-Za-z0-9_]{22,}",
    r"\bhf_[A-Za-z0-9]{30,}",
    r"\bxox[abeprs]-[A-Za-z0-9-]{10,}",
    r"\bAIza[0-9A-Za-z_-]{35}",
    r"\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}",
    r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",
    r"\b(?i:bearer) +[A-Za-z0-9._~+/-]{20,}=*",
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?s:.*?)(?:-----END [A-Z ]*PRIVATE KEY-----|\z)",
)
_LETTERS = r"\p{L}\p{M}\p{N}"
BUILTIN = {
    "api_key": "|".join(_API_KEYS),
    "email": rf"[{_LETTERS}.!'*+_%~-]+(?:@|%40)[{_LETTERS}-]+(?:\.[{_LETTERS}-]+)+",
    "phone": r"\+\d[\d ().-]{7,16}\d|\(\d{3}\) ?\d{3}[ .-]\d{4}\b|\b\d{3}[ .-]\d{3}[ .-]\d{4}\b",
    "card": r"\d(?:[ -]?\d){12,}",  # any long run of digits: which part of it is a card is for _hide_cards to say
}
"""In this order: the first that matches at a place wins. Cards are looked for before all of them."""

CARD_DIGITS = range(13, 20)
CARD_STARTS = "23456"
LEAST_GROUP = 3
MOST_CARD = 26  # characters: 19 digits in groups of three and more, and one more to see that a group goes on
MARGIN = 8192
"""Bytes behind a cut that are looked at, too: the longest secret that a pattern must see whole."""
_GROUP = re.compile(r"\d+")
_MAYBE_CARD = re2.compile(rf"(?:^|[^0-9A-Za-z])[{CARD_STARTS}](?:[ -]?\d){{12}}")
_ESCAPE = re.compile(r"\\(?:u(?!d[89a-f])[0-9a-f]{4}|[/bfnrt])", re.IGNORECASE)


def _luhn(digits: str) -> bool:
    """Whether a card number's check digit fits (ISO/IEC 7812-1): order numbers of the same length mostly do not."""
    values = [int(d) for d in reversed(digits)]
    return sum(v if i % 2 == 0 else v * 2 - 9 * (v > 4) for i, v in enumerate(values)) % 10 == 0


def _hide_cards(match: Any) -> str:
    """A run of digits without the card numbers in it: neighbouring groups of digits whose check digit fits."""
    run, text, first, last = str(match.group()), str(match.string), int(match.start()), int(match.end())
    shown, kept = "", 0
    for group in _GROUP.finditer(run):
        start = group.start()
        if start < kept or (start == 0 and _continues(text[max(0, first - 2) : first])):
            continue
        end = start + _card(run[start : start + MOST_CARD])
        if end > start and not (end == len(run) and _in_word(text[last : last + 1])):
            shown += run[kept:start] + "[card]"
            kept = end
    return shown + run[kept:]


def _continues(before: str) -> bool:
    """Whether digits behind this go on with a word, or are the decimals of a number."""
    return _in_word(before[-1:]) or (before[-1:] == "." and before[:1].isdigit())


def _in_word(char: str) -> bool:
    return char.isascii() and char.isalnum()


def _card(run: str) -> int:
    """How many of the leading characters are a card number, the longest one; 0 when there is none."""
    found, digits = 0, ""
    for group in _GROUP.finditer(run):
        digits += group.group()
        if len(group.group()) < LEAST_GROUP or digits[0] not in CARD_STARTS or len(digits) > CARD_DIGITS[-1]:
            break
        if len(digits) in CARD_DIGITS and _luhn(digits):
            found = group.end()
    return found


def _open(escape: re.Match[str]) -> str:
    code = escape[0][2:]
    return chr(int(code, 16)) if code else "/" if escape[0] == r"\/" else " "


@dataclass(frozen=True, slots=True)
class Redactor:
    """The patterns in force, compiled; None when off."""

    cards: Any
    others: Any
    anchored: bool  # an own pattern looks at the beginning or end of a text

    def found(self, texts: Sequence[str], *, cards: bool = True) -> bool:
        """Whether any of the texts may hold something; quick, as most batches hold nothing."""
        joined = "\n".join(texts)
        if cards and self.cards is not None and _MAYBE_CARD.search(joined) is not None:
            return True
        return self.others is not None and any(
            self.others.search(text) is not None for text in (texts if self.anchored else (joined,))
        )

    def clean(self, text: str) -> str:
        """The text with each match replaced by the name of its pattern in brackets."""
        if self.cards is not None:
            text = str(self.cards.sub(_hide_cards, text))
        return str(self.others.sub(lambda match: f"[{match.lastgroup}]", text)) if self.others is not None else text

    def clean_json_text(self, text: str) -> str:
        """JSON as it was sent, redacted also where an escape stands in the way of a pattern."""
        text = self.clean(text)
        opened = _ESCAPE.sub(_open, text) if "\\" in text else text
        cleaned = self.clean(opened)
        return text if cleaned == opened else cleaned

    def head(self, text: str, limit: int, *, is_json: bool = False) -> str:
        """The first `limit` bytes of a text, redacted before the cut: no pattern knows half of a secret."""
        encoded = text.encode()
        part = encoded[: limit + MARGIN].decode("utf-8", "ignore")
        head = (self.clean_json_text(part) if is_json else self.clean(part)).encode()
        # what became shorter may now end in a secret that was cut at the margin
        certain = len(head) if len(encoded) <= limit + MARGIN else max(len(head) - MARGIN, 0)
        return head[: min(limit, certain)].decode("utf-8", "ignore")

    def clean_json(self, value: Any) -> Any:
        """The same value with every string, key and long number in it redacted."""
        if isinstance(value, str):
            return self.clean(value)
        if isinstance(value, dict):
            return {self.clean(k): self.clean_json(v) for k, v in value.items()}
        if isinstance(value, list):
            return [self.clean_json(v) for v in value]
        if isinstance(value, int) and not isinstance(value, bool):
            text = self.clean(str(value))
            return value if text == str(value) else text
        return value


def build_redactor(redaction: Redaction) -> Redactor:
    """The patterns of a fleet file, compiled. Raises ConfigError for a pattern that RE2 does not take."""
    chosen = {name: text for name, text in BUILTIN.items() if redaction.builtin.get(name, True)}
    for own in redaction.patterns:
        if not own.name.isidentifier() or own.name in chosen:
            raise ConfigError(
                f"redaction pattern {own.name!r}: the name must be letters, digits and _, and no other pattern's; "
                "it replaces each match as [name]"
            )
        _check(own)
        chosen[own.name] = own.pattern
    others = {name: text for name, text in chosen.items() if name != "card" or text != BUILTIN["card"]}
    return Redactor(
        cards=re2.compile(chosen["card"]) if len(others) < len(chosen) else None,
        others=_compile(others),
        anchored=any(mark in own.pattern for own in redaction.patterns for mark in ("^", "$", r"\A", r"\z")),
    )


def _check(own: RedactionPattern) -> None:
    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(own.pattern, options)
    except re2.error as error:
        raise ConfigError(
            f"redaction pattern {own.name!r}: {own.pattern!r} is not a regular expression of RE2 ({error}); "
            "look-around and back references are not in RE2"
        ) from None
    if compiled.search("") is not None:
        raise ConfigError(f"redaction pattern {own.name!r}: {own.pattern!r} matches the empty text; make it longer")
    if compiled.groupindex:
        raise ConfigError(
            f"redaction pattern {own.name!r}: {own.pattern!r} has named groups; use (?: ), the name is given beside it"
        )


def _compile(patterns: Mapping[str, str]) -> Any:
    """One alternation of all of them, whose named group says which one matched; None when there is none."""
    return re2.compile("|".join(f"(?P<{name}>{text})" for name, text in patterns.items())) if patterns else None
