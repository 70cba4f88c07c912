"""The life of the rooms: opened with the vault, closed when it is locked, opened again; a lock takes all that was open.

One task holds them from their opening to their closing, so that whatever becomes of who asked for it, they are whole or not
there. While they are closed the doors stay open: the status says why, and everything else is refused with that sentence.
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path

from meshmesh.paths import Paths
from meshmesh_bridge import VERSION
from meshmesh_bridge.ground import end
from meshmesh_bridge.house import House, Trouble
from meshmesh_bridge.joining import joined
from meshmesh_bridge.ready_demo import demo_org, ready_connection, tell_failure
from meshmesh_daemon.adapters.demo import DemoPeer
from meshmesh_daemon.adapters.key_sources import PASSPHRASE, KeySources, PassphraseMissing, PassphraseNeeded
from meshmesh_daemon.adapters.landmark import LANDMARK, Landmark
from meshmesh_daemon.core.activity import OWNER, SERVICE, Deed
from meshmesh_daemon.core.notice import Notice
from meshmesh_daemon.core.problems import Problem, bad_field
from meshmesh_daemon.usecases.activity import Activity
from meshmesh_daemon.usecases.locking import Gate
from meshmesh_daemon.usecases.pins import Pins
from meshmesh_daemon.usecases.presence import Consent
from meshmesh_daemon.usecases.strongbox import Restored, Strongbox, vault_problem, wrong_passphrase
from meshmesh_storage.activity import ActivityLog
from meshmesh_storage.activity_rows import Actor
from meshmesh_storage.errors import KeyLocked, KeyUnavailable, UnsafePath, VaultError, VaultUnwritable, WrongKey
from meshmesh_storage.keys import KeySource
from meshmesh_storage.unbroken import to_the_end
from meshmesh_storage.vault import Vault

log = logging.getLogger("meshmesh.vault")

RETRY_SECONDS = 5.0  # a keyring opens with the session, a disk may be mounted after us
MAX_RETRY_SECONDS = 30.0  # nobody was there at login, it seems
FAREWELL_SECONDS = 1.0  # for those who listen to take the news
_LOCKED = Trouble("The vault is locked.", "Unlock it", "meshmesh unlock")
_NOTICE = "vault"

Proof = Callable[[Vault, Activity], Awaitable[None]]


class Keeper:
    """Opens and closes the rooms of a house.

    Args:
        house: whose.
        paths: where everything is kept.
        sources: where the master key can come from.
        stack: what outlives a lock is closed with it.
    """

    def __init__(self, house: House, paths: Paths, sources: KeySources, stack: AsyncExitStack) -> None:
        self._house = house
        self._paths = paths
        self._sources = sources
        self._stack = stack
        self._gate = Gate(house.clock)
        self._landmark = Landmark(paths.state / LANDMARK)
        self._turn = asyncio.Lock()
        self._leave = asyncio.Event()
        self._life: asyncio.Task[None] | None = None
        self._kind: str | None = None
        self._begun = False
        self._hopeful = asyncio.Event()  # it is closed, and may open by itself

    @property
    def source(self) -> str | None:
        """One word for where the master key is kept; None where that is not known."""
        rooms = self._house.rooms_if_open
        return rooms.strongbox.source.kind if rooms else self._kind

    async def start(self) -> None:
        """Open the rooms, if that needs nobody; else say what it needs, once, and go on trying where that may help.

        Raises:
            UnsafePath: a file that others may read; the service does not start.
        """
        with suppress(Problem):
            await self._open(None, _nothing)
        if self._house.locked is not None:
            lines = (self._house.locked.detail, "Everything waits.")
            notice = Notice(key=_NOTICE, title="MeshMesh is locked", lines=lines, command=self._house.locked.command)
            self._house.screen.show(notice, lambda _: None)
        for watch in (self._open_by_itself(), self._lock_unused()):
            self._stack.push_async_callback(end, asyncio.create_task(watch))
        if self._house.settings.vault.lock_with_screen:
            from meshmesh_daemon.adapters.screen_lock import watch_screen

            screen = watch_screen(os.environ, self._house.clock, self._lock_by_itself)
            self._stack.push_async_callback(end, asyncio.create_task(screen))

    async def close(self) -> None:
        """Close the rooms, for the end of the service."""
        async with self._turn:
            if self._house.rooms_if_open is not None:
                activity = self._house.rooms_if_open.activity
                activity.note(SERVICE, Deed.SERVICE_STOPPED, detail="The service was stopped.")
            await self._close()

    # --- Opening ---------------------------------------------------------------------------------------------------

    async def unlock(self, passphrase: str | None, consent: Consent) -> None:
        """Open the rooms.

        Args:
            passphrase: what was typed, where the vault opens with one.
            consent: what the request brought to prove that a person is there, where a stored key opens the vault.

        Raises:
            Problem: 403 `presence_required` with `ways`, 429, 423 or 503 with what keeps it closed.
        """
        if self._house.rooms_if_open is not None:
            return
        if await self._opens_with_passphrase():
            await self._unlock_by_passphrase(passphrase)
            return
        by_pin = await self._gate.demand(self._house.screen, consent)

        async def prove(vault: Vault, activity: Activity) -> None:
            if by_pin and consent.pin is not None:
                pins = Pins(vault=vault, activity=activity, clock=self._house.clock)
                await pins.load()
                await pins.check(consent.pin)

        await to_the_end(self._in_turn(None, prove))

    async def _unlock_by_passphrase(self, passphrase: str | None) -> None:
        if passphrase is None:
            raise self._gate.passphrase_required()
        self._gate.begin_try()
        try:
            await to_the_end(self._in_turn(passphrase, _nothing))
        except WrongKey:
            raise wrong_passphrase() from None
        self._gate.end_tries()

    async def choose_passphrase(self, passphrase: str) -> None:
        """Make the vault that is not there yet, under a passphrase.

        Raises:
            Problem: 423 where there is a vault already, which is locked.
        """
        if await Vault.look(self._paths.data) is not None:
            raise vault_problem(
                KeyLocked("The vault is locked; its passphrase is changed when it is open.", "Unlock it")
            )
        await to_the_end(self._in_turn(passphrase, _nothing))

    async def _in_turn(self, passphrase: str | None, prove: Proof) -> None:
        async with self._turn:
            if self._house.rooms_if_open is None:
                await self._open(passphrase, prove)

    async def _opens_with_passphrase(self) -> bool:
        with suppress(VaultError):
            header = await Vault.look(self._paths.data)
            return header is not None and header.note.get("kind") == PASSPHRASE
        return False

    async def _open(self, passphrase: str | None, prove: Proof) -> None:
        """Open the rooms, or say in the status why they are closed.

        Raises:
            Problem: what kept them closed.
            WrongKey: a passphrase is another's.
            UnsafePath: a file that others may read, at the start.
        """
        self._leave = asyncio.Event()
        opened = asyncio.Event()
        life = asyncio.create_task(self._live(passphrase, prove, opened, self._leave))
        ready = asyncio.create_task(opened.wait())
        await asyncio.wait({life, ready}, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if not life.done():
            self._life = life
            return
        try:
            await life
        except VaultError as error:
            if isinstance(error, UnsafePath) and not self._house.ready:
                raise
            if isinstance(error, WrongKey) and passphrase is not None:
                raise
            self._say(error)
            raise vault_problem(error) from None

    def _say(self, error: VaultError) -> None:
        waits = isinstance(error, KeyLocked)
        command = "meshmesh passphrase" if isinstance(error, PassphraseMissing) else "meshmesh unlock"
        self._house.locked = Trouble(str(error), error.next_step, command) if waits else None
        self._house.trouble = None if waits else Trouble.of(error)
        mends_itself = isinstance(error, KeyUnavailable | VaultUnwritable) and not isinstance(error, PassphraseNeeded)
        if mends_itself and not self._gate.needs_person:
            self._hopeful.set()
        else:
            self._hopeful.clear()

    async def _live(self, passphrase: str | None, prove: Proof, opened: asyncio.Event, leave: asyncio.Event) -> None:
        house = self._house
        async with AsyncExitStack() as stack:
            source = await self._source(passphrase)
            vault = await Vault.open(self._paths.data, source, now=house.clock.now())
            stack.push_async_callback(vault.close)
            rows = await ActivityLog.open(self._paths.data, vault.sealer)
            activity = Activity(rows=rows, clock=house.clock)
            stack.push_async_callback(activity.close)
            await prove(vault, activity)
            with suppress(OSError):
                await self._landmark.set(vault.keys.wrapper.vault_id)
            if house.demo is None and house.settings.demo_enabled:
                house.demo = await self._demo_org()
            strongbox = Strongbox(
                vault=vault,
                rows=rows,
                activity=activity,
                sources=self._sources,
                source=source,
                folder=self._paths.data,
                clock=house.clock,
            )
            rooms = await stack.enter_async_context(joined(house, vault, activity, strongbox))
            stack.push_async_callback(end, asyncio.create_task(strongbox.tend()))
            self._kind = source.kind
            house.trouble = house.locked = None
            self._hopeful.clear()
            house.rooms_if_open = rooms
            house.used_at = house.clock.monotonic()
            house.screen.withdraw(_NOTICE)
            self._tell_open(activity)
            house.opened.set()
            try:
                if house.demo is not None:
                    await ready_connection(rooms, house.demo.origin)
                rooms.resume()  # only now: the demo org may have moved
                opened.set()
                await leave.wait()
            finally:
                self._kind = strongbox.source.kind
                house.opened.clear()
                house.rooms_if_open = None

    async def _demo_org(self) -> DemoPeer | None:
        try:
            return await self._stack.enter_async_context(demo_org(self._paths.data / "demo", self._house.clock.now))
        except OSError as error:
            tell_failure(error)
            return None

    def _tell_open(self, activity: Activity) -> None:
        if not self._begun:
            activity.note(SERVICE, Deed.SERVICE_STARTED, detail=f"MeshMesh {VERSION} started.")
        else:
            activity.note(OWNER, Deed.VAULT_UNLOCKED, detail="The vault was unlocked.")
        self._begun = True

    async def _source(self, passphrase: str | None) -> KeySource:
        header = await Vault.look(self._paths.data)
        if header is not None:
            self._kind = str(header.note.get("kind"))
            return self._sources.remembered(header.note, passphrase)
        await self._landmark.check(self._paths.data)
        return await self._sources.first(passphrase)

    # --- Closing ---------------------------------------------------------------------------------------------------

    async def lock(self, actor: Actor) -> None:
        """Close the rooms and forget the keys; whoever waits is told.

        Args:
            actor: who locks it.

        Raises:
            Problem: 403 where nothing could open it again, 503 where it is not open.
        """
        await to_the_end(self._lock(actor))

    async def _lock(self, actor: Actor) -> None:
        async with self._turn:
            house = self._house
            if house.locked is not None:
                return
            rooms = house.rooms
            self._gate.remember(
                source=rooms.strongbox.source.kind,
                serious=await rooms.connections.have_serious(),
                pin_is_set=rooms.pins.is_set,
                has_buttons=house.screen.has_buttons,
            )
            with suppress(VaultError):  # a disk that is full is no reason to stay open
                await rooms.terminal.forget()
            rooms.activity.note(actor, Deed.VAULT_LOCKED, detail="The vault was locked.")
            await rooms.say_locked(FAREWELL_SECONDS)
            house.locked = _LOCKED
            await self._close()

    async def _close(self) -> None:
        self._leave.set()
        life, self._life = self._life, None
        if life is not None:
            await asyncio.wait({life})
            if not life.cancelled() and life.exception() is not None:
                log.error("the rooms did not close well: %s", type(life.exception()).__name__)

    # --- By itself -------------------------------------------------------------------------------------------------

    async def _open_by_itself(self) -> None:
        """Until cancelled: try again what may open without a person."""
        pause = RETRY_SECONDS
        while True:
            await self._hopeful.wait()
            await self._house.clock.sleep(pause)
            if self._hopeful.is_set():
                with suppress(Problem, WrongKey):
                    await to_the_end(self._in_turn(None, _nothing))
            pause = min(2 * pause, MAX_RETRY_SECONDS) if self._hopeful.is_set() else RETRY_SECONDS

    async def _lock_unused(self) -> None:
        """Until cancelled: lock what nobody uses."""
        house, after = self._house, self._house.settings.vault.lock_after_seconds
        while after:
            await house.opened.wait()
            left = house.used_at + after - house.clock.monotonic()
            if left <= 0:
                await self._lock_by_itself()
            await house.clock.sleep(max(left, RETRY_SECONDS))

    async def _lock_by_itself(self) -> None:
        house = self._house
        if house.rooms_if_open is None:
            return
        try:
            await self.lock(SERVICE)
        except Problem as problem:
            log.warning("the vault does not lock itself: %s", problem.detail)
            house.used_at = house.clock.monotonic()

    # --- Another vault ---------------------------------------------------------------------------------------------

    async def restore(self, path: Path, passphrase: str, *, force: bool) -> Restored:
        """Put a backup in the place of the vault, and open it.

        Args:
            path: the backup.
            passphrase: its own.
            force: also over a newer vault, or another one.

        Raises:
            Problem: 422 for a file or a passphrase that is no good, 409 `backup_older`; nothing was changed.
        """
        return await to_the_end(self._restore(path, passphrase, force=force))

    async def _restore(self, path: Path, passphrase: str, *, force: bool) -> Restored:
        from meshmesh_bridge.restoring import present_in, put_back  # late: most services never need it

        async with self._turn:
            rooms = self._house.rooms_if_open
            present = rooms.strongbox.present if rooms else await present_in(self._paths)
            try:
                restored, opens_with = await put_back(
                    path,
                    passphrase,
                    paths=self._paths,
                    sources=self._sources,
                    present=present,
                    force=force,
                    now=self._house.clock.now(),
                    stop=self._close,
                )
            except (VaultError, OSError) as error:
                if rooms is not None and self._life is None:
                    with suppress(Problem, WrongKey):
                        await self._open(None, _nothing)
                if isinstance(error, VaultError):
                    raise vault_problem(error) from None
                raise bad_field("path", f"{path} cannot be restored ({error.strerror}).") from None
            self._gate.forget()
            await self._open(opens_with, _nothing)
            detail = f"A backup of {restored.made_at:%Y-%m-%d %H:%M}Z was restored."
            self._house.rooms.activity.note(OWNER, Deed.VAULT_RESTORED, detail=detail)
            return restored


async def _nothing(_vault: Vault, _activity: Activity) -> None:
    """No proof is asked for."""
