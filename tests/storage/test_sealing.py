"""The laws of the envelope: what was sealed opens in its own place, and nothing else opens anywhere."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshmesh_storage.sealing import (
    LOOKUP_KEY,
    Lookup,
    Place,
    SealBroken,
    Sealer,
    key_check,
    seal_with,
    table_cipher,
    unwrap,
    wrap,
)

KEY, OTHER_KEY = bytes(range(32)), bytes(range(32, 64))
SEALER = Sealer({1: KEY}, 1)
PLACE = Place("apps", "a1", "secret", 1)
texts = st.text(max_size=12)
places = st.builds(
    Place, table=texts, row=texts, column=texts, version=st.integers(min_value=-(1 << 63), max_value=(1 << 63) - 1)
)


@given(value=st.binary(max_size=300), place=places)
def test_what_was_sealed_opens_in_its_place(value: bytes, place: Place) -> None:
    """Opening gives the value back, whatever it and its place are."""
    assert SEALER.open(SEALER.seal(value, place), place) == value


@given(value=st.binary(max_size=60), bit=st.integers(min_value=0))
def test_a_flipped_bit_breaks_the_seal(value: bytes, bit: int) -> None:
    """No bit of a sealed value is without protection: suite, key id, nonce, ciphertext and tag alike."""
    sealed = bytearray(SEALER.seal(value, PLACE))
    at = bit % (len(sealed) * 8)
    sealed[at // 8] ^= 1 << (at % 8)

    with pytest.raises(SealBroken):
        SEALER.open(bytes(sealed), PLACE)


@given(value=st.binary(max_size=60), data=st.data())
def test_a_truncated_or_extended_value_breaks_the_seal(value: bytes, data: st.DataObject) -> None:
    """A value opens whole or not at all."""
    sealed = SEALER.seal(value, PLACE)
    cut = sealed[: data.draw(st.integers(min_value=0, max_value=len(sealed) - 1))]
    longer = sealed + data.draw(st.binary(min_size=1, max_size=20))

    for changed in (cut, longer):
        with pytest.raises(SealBroken):
            SEALER.open(changed, PLACE)


@given(sealed_for=places, opened_at=places)
def test_a_value_opens_nowhere_else(sealed_for: Place, opened_at: Place) -> None:
    """Table, row, column and version are all part of the seal, and no two places have the same associated data."""
    if sealed_for == opened_at:
        return

    assert sealed_for.associated_data() != opened_at.associated_data()
    with pytest.raises(SealBroken):
        SEALER.open(SEALER.seal(b"value", sealed_for), opened_at)


@pytest.mark.parametrize(
    "elsewhere",
    [
        replace(PLACE, table="clients"),
        replace(PLACE, row="a2"),
        replace(PLACE, column="profile"),
        replace(PLACE, version=2),
        Place("app", "sa1", "secret", 1),
        Place("apps", "a1s", "ecret", 1),
    ],
)
def test_each_part_of_the_place_counts(elsewhere: Place) -> None:
    """One part that differs, or a letter that moves from one part to the next, is another place."""
    with pytest.raises(SealBroken):
        SEALER.open(SEALER.seal(b"value", PLACE), elsewhere)


def test_tables_have_keys_of_their_own() -> None:
    """The same value, nonce and place under another table's subkey is another ciphertext: nonces are counted a table."""
    sealed = {seal_with(table_cipher(KEY, table), 1, bytes(12), b"value", PLACE) for table in ("apps", "clients")}

    assert len(sealed) == 2


def test_two_seals_of_one_value_differ() -> None:
    """Nonces are not used again, so equal values do not look alike."""
    assert len({SEALER.seal(b"value", PLACE) for _ in range(100)}) == 100


def test_older_keys_still_open_and_the_current_one_seals() -> None:
    """After a rotation old values open, new ones are under the new key, and the old ones can be told."""
    old = SEALER.seal(b"value", PLACE)
    rotated = Sealer({1: KEY, 2: OTHER_KEY}, 2)
    new = rotated.seal(b"value", PLACE)

    assert rotated.open(old, PLACE) == rotated.open(new, PLACE) == b"value"
    assert rotated.needs_reseal(old)
    assert not rotated.needs_reseal(new)
    with pytest.raises(SealBroken):
        SEALER.open(new, PLACE)


def test_a_sealer_refuses_keys_it_cannot_use() -> None:
    """A short key, or a current id that is not held, is a mistake of the caller's."""
    for keys, current in (({1: KEY[:16]}, 1), ({1: KEY}, 2), ({}, 1)):
        with pytest.raises(ValueError):
            Sealer(keys, current)


def test_a_wrapped_key_opens_with_its_master_key_vault_and_id_only() -> None:
    """The wrap is bound to the master key, the vault and the key's id; a changed byte breaks it."""
    wrapped = wrap(KEY, 1, b"vault", OTHER_KEY)

    assert unwrap(KEY, 1, b"vault", wrapped) == OTHER_KEY
    for wrong in (
        (OTHER_KEY, 1, b"vault", wrapped),
        (KEY, LOOKUP_KEY, b"vault", wrapped),
        (KEY, 1, b"other", wrapped),
        (KEY, 1, b"vault", wrapped[:-1]),
        (KEY, 1, b"vault", b""),
    ):
        with pytest.raises(SealBroken):
            unwrap(*wrong)


def test_the_key_check_tells_keys_and_vaults_apart() -> None:
    """Another key or another vault has another check value."""
    checks = {key_check(key, vault) for key in (KEY, OTHER_KEY) for vault in (b"one", b"two")}

    assert len(checks) == 4


def test_look_up_hashes_are_keyed_and_of_one_purpose() -> None:
    """Equal names are found, without the key nothing can be guessed, and two indexes do not share hashes."""
    lookup = Lookup(KEY)

    assert lookup.index("connection name", "acme") == Lookup(KEY).index("connection name", "acme")
    assert (
        len(
            {
                lookup.index("connection name", "acme"),
                lookup.index("app", "acme"),
                Lookup(OTHER_KEY).index("app", "acme"),
            }
        )
        == 3
    )


def test_no_key_shows_in_a_repr() -> None:
    """A sealer or look-up in a log line or traceback gives no key away."""
    assert repr(SEALER) == "Sealer(keys=[1], current=1)"
    assert repr(Lookup(KEY)) == "Lookup()"
