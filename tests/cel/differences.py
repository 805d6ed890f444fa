"""Where Levada and cel-go differ on purpose, each with its reason.

A difference is known by the expression and by what came out: `outcome` is matched against Levada's line, which begins
with "expected …, got …" (expected: by cel-go), followed by cel-go's own error, if any.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Difference:
    reason: str
    expression: str = ""
    outcome: str = ""

    def explains(self, expression: str, outcome: str) -> bool:
        return bool(re.search(self.expression, expression, re.S) and re.search(self.outcome, outcome, re.S))


KNOWN = (
    Difference(
        "a map's keys are bool, int, uint or string and differ from one another: cel-spec says so, cel-go does not look",
        outcome=r"got the error '(a map's key cannot be|the map has the key)",
    ),
    Difference(
        "string(double) has an exponent from 1e21 on, as JSON has it; in cel-go earlier",
        expression=r"(?=.*string\()(?=.*(\de[+-]?\d|\d{7}|\bd\b|double\(|math\.))",
    ),
    Difference(
        "a duration as text has all its digits; cel-go goes through a float",
        expression=r"string|format|%s",
        outcome=r"\d{5,}(\.\d+)?s|duration",
    ),
    Difference(
        "a timestamp is a point in time and is written in UTC; cel-go keeps the offset it was read with",
        expression=r"\d[+-]\d\d:00'.*|.*\d[+-]\d\d:00'",
        outcome=r"[+-]\d\d:00|got",
    ),
    Difference(
        "json.encode writes any map and any number, and < > & as they are",
        expression=r"json\.encode",
    ),
    Difference(
        "%d %x %o %b take doubles that are whole numbers: a number in JSON is a double",
        outcome=r"clause can only be used on|can be formatted as",
    ),
    Difference(
        "an optional field or element of what has none is an error, and so is has(); cel-go says there is no value",
        expression=r"\.\?|\[\?|has\(|optional|first\(|last\(",
        outcome=r"has no field|no such overload: _\[_\]",
    ),
    Difference(
        "int() takes no duration: the language definition has no such overload",
        outcome=r"no such overload: (int|uint|double)\(duration\)",
    ),
    Difference(
        "macros of what they do not take are an error when that is evaluated; cel-go refuses to parse them",
        outcome=r"ERROR: <input>.*(math\.(least|greatest)\(\)|sortBy can only be applied to)",
    ),
    Difference(
        "the zero of a timestamp is 1970, as in Protobuf; in cel-go it is the year 1",
        expression=r"ofNonZeroValue",
        outcome=r"1970-01-01T00:00:00Z|got",
    ),
    Difference(
        "two timestamps may be as far apart as a duration is long; cel-go gives up a second earlier",
        expression=r"timestamp|\bt\b",
        outcome=r"expected an error, got .*integer overflow",
    ),
    Difference(
        "bytes that are not UTF-8 become U+FFFD in %s, since a string is UTF-8",
        expression=r"%s|%x|format",
        outcome=r"efbfbd|\ufffd|77\+9|vv70|\+/v",
    ),
    Difference(
        "what has no order with a number has none with a NaN; cel-go says false",
        outcome=r"got the error 'no such overload: _[<>]=?_\(.*double",
    ),
    Difference(
        "the entries of a map come in the order in which they are written; in cel-go in any",
        expression=r"(\}|\bm)\)*\.(map|filter|transformList|sortBy)\(",
    ),
    Difference(
        "minus has no overload for a duration: so says the language definition",
        outcome=r"no such overload: -_\(duration\)",
    ),
    Difference(
        "two minuses are two negations, and a minus before a number is its sign; cel-go takes pairs away first",
        expression=r"--",
        outcome=r"invalid int literal|overflow",
    ),
    Difference(
        "or() takes an optional; cel-go gives back whatever stands there",
        outcome=r"no such overload: or\(",
    ),
    Difference(
        "in a sorted list NaN comes first; cel-go leaves the order to chance",
        expression=r"sort",
        outcome=r"\bnull\b.*got list",
    ),
    Difference(
        "duration.getMilliseconds() is the milliseconds behind the whole seconds: so says the conformance test",
        expression=r"getMilliseconds",
    ),
)


def explanation(expression: str, outcome: str) -> str | None:
    """The reason for a difference, None where there is none."""
    return next((it.reason for it in KNOWN if it.explains(expression, outcome)), None)
