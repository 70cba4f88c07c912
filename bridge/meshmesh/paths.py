"""Where MeshMesh keeps things, as paths: what `places` computes, typed for those who can afford pathlib."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from meshmesh import places


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """The folders and the owner's door of one installation."""

    config: Path
    data: Path
    state: Path
    runtime: Path
    socket: Path


def resolve(environ: Mapping[str, str]) -> Paths:
    """The paths that an environment leads to; nothing is created.

    Args:
        environ: the environment, usually `os.environ`.
    """
    found = places.folders(environ)
    return Paths(
        config=Path(found.config),
        data=Path(found.data),
        state=Path(found.state),
        runtime=Path(found.runtime),
        socket=Path(places.socket_path(environ)),
    )
