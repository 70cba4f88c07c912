"""The demo org: a whole small Salesforce org on a loopback port of its own.

A peer and no part of the service: it imports nothing of ours, is reached by HTTP only, keeps its data in its own folder
and stores no token in clear. Everything in it that is secret-looking is a documented demo value or random.
"""
