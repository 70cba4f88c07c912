"""The near end of the bridge: what people type (`cli`) and what other programs import (`transport`).

Importing this package imports nothing else. `wire` holds what both ends must spell alike.
"""
