"""Every known difference between our parser and the others, with its reason.

A difference is named by who differs, how, and what word the one that refuses has for it. The test
fails on a difference that no row explains, and on a row that explains nothing any more. Numbers of
rules are those of tests/corpus/README.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from peers import Answer

# How a peer differs.
LAXER = "laxer"  # we refuse, it accepts or waits for more
STRICTER = "stricter"  # it refuses, we accept or wait for more
OTHER = "other"  # both accept, and have seen something else


def always(data: bytes, ours: Answer, theirs: Answer) -> bool:
    """For rows that the word alone decides."""
    return True


def only_space_around_values(data: bytes, ours: Answer, theirs: Answer) -> bool:
    """Whether the fields are the same without the white space around their values."""
    for our, their in zip(ours.requests, theirs.requests, strict=False):
        stripped = [(name, value.strip(" \t")) for name, value in their.fields]
        if our.fields != stripped:
            return False
    return True


def unknown_method(data: bytes, ours: Answer, theirs: Answer) -> bool:
    """Whether the request that the peer stopped at has a method that it has no number for."""
    stop = len(theirs.requests)
    return stop >= len(ours.requests) or ours.requests[stop].method not in KNOWN_METHODS


def space_before_semicolon(data: bytes, ours: Answer, theirs: Answer) -> bool:
    """Whether a chunk size line has white space before its extension."""
    return b" ;" in data or b"\t;" in data


KNOWN_METHODS = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "PROPFIND"}


@dataclass(frozen=True)
class Difference:
    """One row: the reason is a sentence, the rule a number (0: none of the corpus's rules)."""

    peer: str
    how: str
    word: str
    rule: int
    reason: str
    applies: Callable[[bytes, Answer, Answer], bool] = always


def _rows(peer: str, how: str, words: dict[str, tuple[int, str]]) -> tuple[Difference, ...]:
    return tuple(Difference(peer, how, word, *row) for word, row in words.items())


LLHTTP = _rows(
    "llhttp",
    LAXER,
    {
        "ERR_CHUNK_EXTENSION": (6, "takes extensions without a name, and =v without a value"),
        "ERR_CHUNK_LINE_TOO_LONG": (5, "leaves the length of a size line to its user"),
        "ERR_CHUNK_OVERHEAD": (5, "leaves the weight of extensions to its user"),
        "ERR_CHUNK_SIZE": (5, "takes any number of zeros, and sizes from 2^63 on"),
        "ERR_CODING_HTTP10": (2, "takes Transfer-Encoding in HTTP/1.0; RFC 9112 6.1: faulty"),
        "ERR_CODING_UNKNOWN": (2, "leaves codings before chunked to its user"),
        "ERR_CONNECT": (11, "hands the tunnel of CONNECT to its user; we serve none"),
        "ERR_CONTENT_LENGTH": (4, "takes any number of zeros, and lengths from 2^63 on"),
        "ERR_CONTENT_TYPE_REPEATED": (10, "does not know Content-Type"),
        "ERR_EXPECT": (14, "does not know Expect"),
        "ERR_HEAD_TOO_LONG": (21, "leaves limits to its user"),
        "ERR_HOST_MISSING": (10, "does not know Host"),
        "ERR_HOST_REPEATED": (10, "does not know Host"),
        "ERR_HOST_VALUE": (10, "does not know Host"),
        "ERR_LINE_END": (
            8,
            "skips CR and LF of any kind and number before a request line, and "
            "takes a request line of HTTP/0.9 that ends in LF",
        ),
        "ERR_LINE_TOO_LONG": (21, "leaves limits to its user"),
        "ERR_REQUEST_LINE": (
            11,
            "skips spaces between the parts, any number of empty lines "
            "before them, and takes HTTP/0.9 without a version",
        ),
        "ERR_TARGET": (
            11,
            "takes * with any method and behind it anything, a fragment, other "
            "schemes, an empty authority",
        ),
        "ERR_TOO_MANY_FIELDS": (21, "leaves limits to its user"),
        "ERR_TRAILER_NAME": (13, "hands trailers to its user as it does fields"),
        "ERR_TRAILER_TOO_LONG": (13, "leaves limits to its user"),
        "ERR_TRANSFER_CODING": (2, "takes a list with empty elements"),
        "ERR_VERSION": (11, "takes HTTP/0.9 and HTTP/2.0 as well"),
    },
)

LLHTTP_STRICTER = (
    Difference(
        "llhttp",
        STRICTER,
        "Invalid method encountered",
        11,
        "knows a fixed list of methods; RFC 9110 9.1: any token",
        unknown_method,
    ),
    Difference(
        "llhttp",
        STRICTER,
        "Expected space after method",
        11,
        "knows a fixed list of methods; RFC 9110 9.1: any token",
        unknown_method,
    ),
    Difference(
        "llhttp",
        STRICTER,
        "Invalid character in chunk size",
        6,
        "has no white space before an extension; RFC 9112 7.1.1: BWS is to be taken",
        space_before_semicolon,
    ),
    Difference(
        "llhttp",
        STRICTER,
        "Data after `Connection: close`",
        14,
        "stops behind a last request; we leave that to the connection",
    ),
    Difference(
        "llhttp", STRICTER, "upgrade", 14, "stops at Upgrade; we leave that to the connection"
    ),
    *(
        Difference(
            "llhttp",
            STRICTER,
            word,
            rule,
            "judges the field when it is there; we judge when the head is complete",
        )
        for word, rule in (
            ("Content-Length overflow", 4),
            ("Invalid character in Content-Length", 4),
            ("Invalid `Transfer-Encoding` header value", 2),
            ("Invalid characters in url", 11),
            ("Unexpected char in url schema", 11),
            ("Unexpected char in url server", 11),
            ("Unexpected start char in url", 11),
        )
    ),
    Difference(
        "llhttp",
        OTHER,
        "fields",
        3,
        "leaves white space behind a value in it; RFC 9112 5.1: excluded",
        only_space_around_values,
    ),
)

PHR = _rows(
    "phr",
    LAXER,
    {
        "ERR_FIELD_SPACE": (9, "takes folded lines, and gives them without a name"),
        "ERR_HEAD_TOO_LONG": (21, "leaves limits to its user"),
        "ERR_LINE_END": (
            8,
            "takes a bare LF for the end of a line, and waits for more of a "
            "line that has gone wrong already",
        ),
        "ERR_LINE_TOO_LONG": (21, "leaves limits to its user"),
        "ERR_METHOD": (11, "takes any visible bytes for a method"),
        "ERR_REQUEST_LINE": (11, "takes an empty target, and waits for the whole version"),
        "ERR_TARGET": (11, "takes bytes from 0x80 on in a target, and knows no forms of it"),
        "ERR_VERSION": (11, "takes every HTTP/1.x"),
    },
)

PHR_OTHER = (
    Difference(
        "phr",
        OTHER,
        "fields",
        3,
        "leaves white space behind a value in it; RFC 9112 5.1: excluded",
        only_space_around_values,
    ),
)

DIFFERENCES: tuple[Difference, ...] = (*LLHTTP, *LLHTTP_STRICTER, *PHR, *PHR_OTHER)
