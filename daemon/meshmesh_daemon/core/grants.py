"""Grants over time: one that is given for a while gives way to the narrower one that there was before."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from meshmesh_daemon.core.presence import is_within
from meshmesh_storage.records import Grant


def current(grant: Grant, now: datetime) -> Grant | None:
    """What is left of a grant: itself, what comes after it, or nothing."""
    left: Grant | None = grant
    while left is not None and left.expires_at is not None and now >= left.expires_at:
        left = left.then
    return left


def with_fallback(new: Grant, had: Sequence[Grant]) -> Grant:
    """A grant with what comes back when it ends: what there was, where that is narrower and lasts longer.

    Args:
        new: the grant.
        had: what the client may do until now.
    """
    if new.expires_at is None:
        return new
    old = next((grant for grant in had if grant.connection_id == new.connection_id), None)
    while (
        old is not None
        and is_within(new, mode=old.mode, raw_token=old.raw_token)
        and is_within(old, mode=new.mode, raw_token=new.raw_token)
    ):
        old = old.then  # as wide: not what to fall back to, but maybe what stands behind it
    if old is None or not is_within(new, mode=old.mode, raw_token=old.raw_token):
        return new
    outlasts = old.expires_at is None or old.expires_at > new.expires_at
    return replace(new, then=old) if outlasts else new
