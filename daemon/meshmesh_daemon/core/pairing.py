"""Pairing tokens and user codes as texts: made of given random bytes, read back leniently, never compared here.

A pairing token is `mmp_`, 43 base-62 digits (256 bits) and 6 digits of a checksum, so that secret scanners find it and a
mistyped one is told from an unknown one without a look-up. A user code (RFC 8628, section 6.1) has eight consonants.
"""

import zlib

TOKEN_PREFIX = "mmp_"  # noqa: S105 - a prefix
TOKEN_BYTES = 32
CODE_BYTES = 16
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET_DIGITS = 43  # 62^43 > 2^256
_CHECK_DIGITS = 6  # 62^6 > 2^32
_TOKEN_LENGTH = len(TOKEN_PREFIX) + _SECRET_DIGITS + _CHECK_DIGITS
_CONSONANTS = "BCDFGHJKLMNPQRSTVWXZ"  # no vowels, so no words; no digits to confuse with letters
_CODE_LETTERS = 8


def make_token(random: bytes) -> str:
    """A pairing token.

    Args:
        random: 32 random bytes.
    """
    secret = TOKEN_PREFIX + _digits(int.from_bytes(random, "big"), _SECRET_DIGITS)
    return secret + _checksum(secret)


def is_token(text: str) -> bool:
    """Whether a text has the form of a pairing token, its checksum included."""
    if len(text) != _TOKEN_LENGTH or not text.startswith(TOKEN_PREFIX):
        return False
    return text[-_CHECK_DIGITS:] == _checksum(text[:-_CHECK_DIGITS])


def _checksum(secret: str) -> str:
    return _digits(zlib.crc32(secret.encode("utf-8", "replace")), _CHECK_DIGITS)


def _digits(number: int, length: int) -> str:
    digits = ""
    for _ in range(length):
        number, rest = divmod(number, len(_BASE62))
        digits = _BASE62[rest] + digits
    return digits


def make_user_code(random: bytes) -> str:
    """A user code such as `BCDF-GHJK`: 34 bits, enough for five minutes and a handful of tries.

    Args:
        random: 16 random bytes.
    """
    number = int.from_bytes(random, "big")
    letters = ""
    for _ in range(_CODE_LETTERS):
        number, rest = divmod(number, len(_CONSONANTS))
        letters += _CONSONANTS[rest]
    return f"{letters[:4]}-{letters[4:]}"


def read_user_code(text: str) -> str:
    """A user code as a person may type it: any case, with or without the hyphen."""
    letters = "".join(letter for letter in text.upper() if letter in _CONSONANTS)
    return f"{letters[:4]}-{letters[4:]}" if len(letters) == _CODE_LETTERS else text
