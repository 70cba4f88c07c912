"""The far end of the bridge: HTTP in front of the house.

`guard` decides who is asking before any handler runs; `errors` turns every refusal into one of two shapes; `api`
holds a module a noun, in `wings` that are loaded when somebody comes to them; `broker` is the proxy under `/o/`; `serve`
is the composition root, with `rooms`, `keeping`, `joining` and `building`: the only places where the rooms are joined.
"""

VERSION = "0.1.0"  # as pyproject.toml says, which a test sees to: reading it from what is installed takes 10 ms
