"""Reads and writes of Salesforce's APIs, told apart before anything is sent. Pure: a request in, a verdict out.

What is not known to be a read is none. The rows of the table are the rules, and `python -m meshmesh_daemon.core.classify`
prints them.
"""

from meshmesh_daemon.core.classify.judge import classify, is_plain_read, wants_body
from meshmesh_daemon.core.classify.verdict import Json, Kind, Part, Verdict

__all__ = ["Json", "Kind", "Part", "Verdict", "classify", "is_plain_read", "wants_body"]
