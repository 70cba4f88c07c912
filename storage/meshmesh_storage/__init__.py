"""Bytes at rest: SQLite and ciphers. No HTTP, no OAuth, no clock; `now` is an argument wherever time is kept."""
