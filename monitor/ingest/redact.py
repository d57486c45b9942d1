"""Redaction at the door: what looks like a secret or a person is replaced by `[name]` before anything is written.

Patterns run on RE2: its time is linear in the text, so neither a hostile prompt nor a careless own pattern can stop the door.
"""

from dataclasses import dataclass
from typing import Any

import re2

from monitor.errors import ConfigError
from monitor.records import Redaction

BUILTIN = {
    "api_key": (
        r"\b(?:sk|pk|rk)[-_][A-Za-z0-9_-]{16,}"
        r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"
        r"|\bgh[pousr]_[A-Za-z0-9]{36,}"
        r"|\bgithub_pat_[A-Za-z0-9_]{22,}"
        r"|\bhf_[A-Za-z0-9]{30,}"
        r"|\bxox[abprs]-[A-Za-z0-9-]{10,}"
        r"|\bAIza[0-9A-Za-z_-]{35}"
        r"|\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"
        r"|\b[Bb]earer [A-Za-z0-9._~+/-]{20,}=*"
        r"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
    ),
    "email": r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+",
    "card": r"\b\d(?:[ -]?\d){12,18}\b",
    "phone": r"\+\d[\d ().-]{7,16}\d|\(\d{3}\) ?\d{3}[ .-]\d{4}\b|\b\d{3}[ .-]\d{3}[ .-]\d{4}\b",
}
"""In this order: the first that matches at a place wins."""


def _luhn(digits: str) -> bool:
    """Whether a card number's check digit fits (ISO/IEC 7812-1): order numbers of the same length mostly do not."""
    values = [int(d) for d in reversed(digits) if d.isdigit()]
    return sum(v if i % 2 == 0 else v * 2 - 9 * (v > 4) for i, v in enumerate(values)) % 10 == 0


def _replacement(match: Any) -> str:
    name: str = match.lastgroup
    if name == "card" and not _luhn(match.group()):
        return str(match.group())
    return f"[{name}]"


@dataclass(frozen=True, slots=True)
class Redactor:
    """All patterns in force as one compiled alternation; None when all are off."""

    pattern: Any

    def found(self, text: str) -> bool:
        return self.pattern is not None and self.pattern.search(text) is not None

    def clean(self, text: str) -> str:
        return self.pattern.sub(_replacement, text) if self.pattern is not None else text

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
                f"redaction pattern {own.name!r}: the name must be letters, digits and _, and no other pattern's; it replaces each match as [name]"
            )
        options = re2.Options()
        options.log_errors = False
        try:
            if re2.compile(own.pattern, options).search("") is not None:
                raise ConfigError(
                    f"redaction pattern {own.name!r}: {own.pattern!r} matches the empty text; make it longer"
                )
        except re2.error as error:
            raise ConfigError(
                f"redaction pattern {own.name!r}: {own.pattern!r} is not a regular expression of RE2 ({error}); "
                "look-around and back references are not in RE2"
            ) from None
        chosen[own.name] = own.pattern
    if not chosen:
        return Redactor(None)
    return Redactor(re2.compile("|".join(f"(?P<{name}>{text})" for name, text in chosen.items())))
