"""How people write numbers: decimal commas, thousands, currencies, per cent. A spelling is read, recognised, and written back.

It is named by how it writes 1234.5, as in ``1.234,5 €``, or ``1,5`` where thousands are not set apart, with a minus before it where that is
the sign − (U+2212). Values are those that are written:
``12 %`` is 12.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from lowerbound.data import cells
from lowerbound.data.texts import Numbers

#: decimal mark, thousands mark
LAYOUTS = ((".", ""), (",", ""), (".", ","), (",", "."), *((point, mark) for mark in " '’\u00a0\u202f" for point in ".,"))
PER = ("%", "‰")
#: ISO 4217's codes of the currencies that are traded most
CODES = frozenset(["USD", "EUR", "JPY", "GBP", "CNY", "AUD", "CAD", "CHF", "HKD", "SGD", "SEK", "KRW", "NOK", "NZD", "INR", "MXN"])
SIGN, HYPHEN = "−", "-"  # the minus sign, U+2212, and what programs write for it
MINUS = SIGN + HYPHEN
_EXAMPLE = re.compile(
    rf"(?P<minus>{SIGN}?)" r"(?P<before>[^0-9]*?)(?:1(?P<thousands>[^0-9])234|1(?:234)?)(?:(?P<decimal>[.,])5)?(?P<after>[^0-9]*)"
)
_AROUND = re.compile(rf"[+{MINUS}]?([^0-9+{MINUS}]*)[+{MINUS}]?([0-9](?:.*[0-9])?)([^0-9]*)", re.DOTALL)


@dataclass(frozen=True)
class Spelling:
    """Numbers with a ``decimal`` mark, one of ``thousands`` or none, and what stands ``before`` and ``after`` them, blanks included.

    Both signs of a ``minus`` are read, and this one is written.
    """

    decimal: str = "."
    thousands: str = ""
    before: str = ""
    after: str = ""
    minus: str = HYPHEN

    @classmethod
    def of(cls, example: str) -> Spelling:
        """That in which 1234.5 is written so. Errors: ValueError."""
        found = _EXAMPLE.fullmatch(example)
        if found is None or found["thousands"] == (found["decimal"] or "."):
            raise ValueError(f"'{example}' does not show how 1234.5 is written, as 1.234,5 € or 1,5 does")
        return cls(found["decimal"] or ".", found["thousands"] or "", found["before"], found["after"], found["minus"] or HYPHEN)

    @property
    def example(self) -> str:
        """How 1234.5 is written, or 1.5 where thousands are not set apart."""
        return (
            f"{self.minus.replace(HYPHEN, '')}{self.before}1{f'{self.thousands}234' if self.thousands else ''}{self.decimal}5{self.after}"
        )

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        point, mark = re.escape(self.decimal), re.escape(self.thousands)
        grouped = rf"[1-9][0-9]{{0,2}}(?:{mark}[0-9]{{3}})+|" if mark else ""
        before, after = re.escape(self.before.strip()), re.escape(self.after.strip())
        body = rf"(?P<whole>{grouped}[0-9]+)(?:{point}(?P<part>[0-9]*))?(?P<power>[eE][+-]?[0-9]+)?"
        return re.compile(rf"(?P<sign>[+{MINUS}]?)\s*{before}\s*(?P<inner>[+{MINUS}]?){body}\s*{after}")

    def plain(self, text: str) -> str | None:
        """The number as programs write it; None for other text."""
        found = self._pattern.fullmatch(text)
        if found is None or (found["sign"] and found["inner"]):
            return None
        sign = (found["sign"] + found["inner"]).replace(SIGN, HYPHEN)
        whole = found["whole"].replace(self.thousands, "") if self.thousands else found["whole"]
        return sign + whole + (f".{found['part']}" if found["part"] is not None else "") + (found["power"] or "")

    def plain_texts(self, texts: Sequence[str]) -> Sequence[str]:
        """The numbers of texts as programs write them, none for other text."""
        if self != PLAIN:
            return [self.plain(text) or "" for text in texts]
        signed = SIGN in "".join(texts)
        return [HYPHEN + text.removeprefix(SIGN) if text.startswith(SIGN) else text for text in texts] if signed else texts

    def __call__(self, texts: Sequence[str], /) -> Numbers:
        """The number of each text, NaN where it has none."""
        return cells.numbers(self.plain_texts(texts))

    def written(self, number: str) -> str:
        """A number that is written as programs do, in this spelling."""
        digits, power, exponent = number.removeprefix("-").partition("e")
        whole, point, part = digits.partition(".")
        if self.thousands:
            whole = f"{int(whole):,}".replace(",", self.thousands)
        sign = self.minus if number.startswith("-") else ""
        return f"{sign}{self.before}{whole}{self.decimal if point else ''}{part}{power}{exponent}{self.after}"


PLAIN = Spelling()


def recognised(texts: Sequence[str]) -> tuple[Spelling, ...]:
    """The spellings in which all texts are numbers: none, one, or those by which they would be different ones.

    As in ``are_numbers``, 007 is none; a mark of thousands has to occur.
    """
    around = _around(texts)
    if around is None:
        return ()
    fits: list[Spelling] = []
    values: list[Sequence[str]] = []
    for decimal, thousands in LAYOUTS:
        spelling = Spelling(decimal, thousands, *around, minus(texts) or HYPHEN)
        plain = _plain(spelling, texts)
        if plain is not None and plain not in values and (not thousands or any(thousands in text for text in texts)):
            fits.append(spelling)
            values.append(plain)
        if fits and fits[0].decimal == "." and not fits[0].thousands:  # as programs write them
            break
    return tuple(fits)


def minus(texts: Sequence[str]) -> str:
    """How the texts write a minus: as the sign if all that have one do, else as programs do; empty if none has one."""
    written = "".join(texts)
    signs = {mark for mark in MINUS if mark in written}
    return "".join(signs) if len(signs) < len(MINUS) else HYPHEN


def _plain(spelling: Spelling, texts: Sequence[str]) -> list[str] | None:
    """The texts as programs write their numbers, if all are numbers."""
    found: list[str] = []
    for text in texts:
        plain = spelling.plain(text)
        if plain is None or not cells.is_number(plain):
            return None
        found.append(plain)
    return found


def _around(texts: Sequence[str]) -> tuple[str, str] | None:
    """What stands before and after each of the numbers, if it is the same for all, a currency or per cent, or nothing."""
    shown: tuple[str, str] | None = None
    for text in texts:
        found = _AROUND.fullmatch(text)
        if found is None:
            return None
        before, after = found[1], found[3]
        if shown is None:
            shown = (before, after)
        elif (before.strip(), after.strip()) != (shown[0].strip(), shown[1].strip()):
            return None
    return shown if shown is not None and _is_unit(shown[0].strip()) and _is_unit(shown[1].strip()) else None


def _is_unit(text: str) -> bool:
    return not text or text in PER or text in CODES or (len(text) == 1 and unicodedata.category(text) == "Sc")


def reader(example: str) -> Spelling:
    """The spelling of a column by its example; that of programs where it has none."""
    return Spelling.of(example) if example else PLAIN


def ambiguity(found: Sequence[Spelling]) -> str:
    """Why numbers cannot be read that may be of several spellings."""
    return f"its numbers may be written like {' or '.join(each.example for each in found)}, and no value says which"
