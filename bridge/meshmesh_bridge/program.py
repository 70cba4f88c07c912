"""`meshmeshd`, as it is started.

What the imports make stays for good. Python's collector would walk through all of it, again and again: while it is made,
and then for as long as the service runs, 30 ms at a time in which nobody is answered.
"""

import gc


def main() -> int:
    """The program; see `serve.main`."""
    gc.disable()
    from meshmesh_bridge.serve import main as serve  # late: only now

    gc.freeze()
    gc.enable()
    return serve()
