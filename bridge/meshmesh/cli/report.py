"""How a failure reads on a terminal: what, why, what to do next; one line each."""

from meshmesh.failures import Failure, ProblemError


def three_lines(failure: Failure) -> str:
    """A failure in three lines, and a line more for each further field of bad input."""
    lines = [f"meshmesh: {failure.what}"]
    if failure.why:
        lines.append(f"  {failure.why}")
    if isinstance(failure, ProblemError):
        lines += [f"  {field}: {detail}" for field, detail in failure.errors if detail not in failure.why]
    lines.append(f"  Next: {failure.next_step}")
    return "".join(f"{printable(line)}\n" for line in lines)


def printable(line: str) -> str:
    """Without control characters: a sentence of somebody else's must not drive the terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in line)
