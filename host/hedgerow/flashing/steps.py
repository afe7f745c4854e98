"""The way from a bare board to one of the mesh, step by step. Each step can be done again."""

import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from hedgerow import links
from hedgerow.boards.meshes import Mesh
from hedgerow.boards.paired import Paired
from hedgerow.boards.settings import FILES, BoardSettings
from hedgerow.flashing import (
    aioble,
    build,
    catalogue,
    chip,
    console,
    errors,
    image,
    onboard,
    ports,
    provision,
    selftest,
    sources,
)
from hedgerow.flashing.catalogue import Kind
from hedgerow.flashing.chip import Chip
from hedgerow.flashing.image import Image
from hedgerow.flashing.onboard import Found
from hedgerow.flashing.ports import Port
from hedgerow.flashing.provision import Provision, Wishes
from hedgerow.node import Node
from hedgerow.vault import wipe

IMAGE = "Get MicroPython and look at it"
AIOBLE = f"Get aioble {aioble.VERSION}"
BUILD = "Compile the firmware"
PORT = "Find the port"
LOOK = "Look what runs on the board"
CHIP = "Ask the chip what it is"
WRITE = "Write MicroPython and verify it"
WAIT = "Wait until MicroPython answers"
COPY = "Copy the firmware and compare it"
SETTINGS = "Write the settings"
MAIN = "Copy main.py"
TEST = "Restart the board and let it test itself"


@dataclass(frozen=True)
class Request:
    """What was asked for; None where nothing was said."""

    port: str | None = None
    board: str | None = None
    firmware: Path | None = None
    firmware_sha256: str | None = None
    aioble: Path | None = None
    keep_data: bool = False
    sure: bool = False
    wishes: Wishes = field(default_factory=Wishes)


class Screen(Protocol):
    """What the user sees, and is asked."""

    def step(self, title: str) -> AbstractContextManager[Callable[[float], None]]:
        """One step; its progress from 0 to 1 can be told."""

    def note(self, text: str) -> None:
        """Something that came out."""

    def choose(self, found: list[Port]) -> Port:
        """One of several ports. SeveralPorts where nobody can be asked."""

    def confirm(self, warning: str) -> bool:
        """Whether to go on; False where nobody can be asked."""


@dataclass(frozen=True)
class Result:
    """What became of it."""

    board: Paired
    mesh: Mesh
    kind: Kind
    port: str
    provision: Provision
    report: "selftest.Report"
    bytes_copied: int


class Flashing:
    """One board; ``run`` does it all. ``random`` gives so many secret random bytes, ``now`` unix ms."""

    def __init__(
        self,
        node: Node,
        request: Request,
        screen: Screen,
        random: Callable[[int], bytes],
        now: Callable[[], int],
    ) -> None:
        self._node = node
        self._request = request
        self._screen = screen
        self._random = random
        self._now = now
        self._sources = sources.find()
        self._kind: Kind | None = None
        self._image: Image | None = None

    def run(self) -> Result:
        """From the port to the self-test. A UserError, and then the same call again completes it."""
        request = self._request
        if self._node.rekeyings.due(self._now()):
            self._node.rekeyings.work(self._now())  # a key whose minute has come holds from now on
        if request.board is not None:
            self._kind = catalogue.named(request.board)
        # Which one is clear before anything is erased.
        mesh = self._mesh(None) if request.wishes.mesh is not None or not request.keep_data else None
        if image_first(request, self._kind):
            self._get_image(None)
        with tempfile.TemporaryDirectory(prefix="hedgerow-flash-") as name:
            self._stage(Path(name))
            port = self._find_port()
            found, shown = self._look(port)
            if request.keep_data and found is not None:
                mesh = self._kept_by(port, shown, mesh)
            there_chip = self._ask_chip(port)
            assert self._kind is not None
            if not request.keep_data or not self._is_right(found):
                port = self._write(port, there_chip)
            with self._screen.step(WAIT) as progress:
                port = console.wait(port, progress)
            if request.keep_data and found is None:
                # What did not answer before does now; nothing was erased.
                found, shown = self._look(port, silent_before=True)
                mesh = self._kept_by(port, shown, mesh)
            return self._fill(Path(name), port, there_chip, shown, mesh)

    def _mesh(self, kept: BoardSettings | None) -> Mesh | None:
        return provision.mesh_for(self._node, self._request.wishes.mesh, kept)

    def _begin_mesh(self) -> Mesh:
        mesh = self._node.meshes.create(provision.FIRST_MESH, self._now())
        self._screen.note(f"There was no mesh here yet: this board begins one, called {mesh.name}.")
        return mesh

    def _kept_by(self, port: Port, kept: BoardSettings | None, mesh: Mesh | None) -> Mesh | None:
        """The mesh of a board that keeps what it has, if there is one. SeveralMeshes, NoPairingLeft."""
        try:
            provision.check_room(self._node, kept)
            return mesh or self._mesh(kept)
        except errors.FlashError:
            onboard.restart(port)  # it goes on as before
            raise

    def _is_right(self, found: Found | None) -> bool:
        assert self._kind is not None
        return self._request.firmware is None and found is not None and found.version == self._kind.version

    def _get_image(self, flash_mb: int | None) -> None:
        with self._screen.step(IMAGE) as progress:
            request = self._request
            if request.firmware is not None:
                self._image = image.from_file(request.firmware, request.firmware_sha256)
                if self._kind is None:
                    self._kind = catalogue.generic_of(self._image.chip)
                image.fitting(self._image, self._kind)
            else:
                assert self._kind is not None
                name = self._kind.image if flash_mb is None else self._kind.image_for(flash_mb)
                self._image = image.fetched(self._kind, name, progress)

    def _stage(self, folder: Path) -> None:
        """All files as they go onto the board, below ``folder``."""
        with self._screen.step(AIOBLE) as progress:
            library = aioble.compiled(aioble.obtain(self._request.aioble, progress), self._sources)
        with self._screen.step(BUILD):
            build.lay_out(folder, library, self._sources)

    def _find_port(self) -> Port:
        with self._screen.step(PORT):
            if self._request.port is not None:
                return ports.named(self._request.port)
            found = ports.found()
            if not found:
                raise errors.NoPort
        port = found[0] if len(found) == 1 else self._screen.choose(found)
        ports.check(port)
        self._screen.note(f"The board is at {port.device}.")
        return port

    def _look(self, port: Port, silent_before: bool = False) -> tuple[Found | None, BoardSettings | None]:
        """(what runs there, its settings where it is one of ours). OtherMesh, FormerKey, LettersThere;
        CopyFailed only where it was ``silent_before``."""
        with self._screen.step(LOOK):
            if not silent_before and not console.answers(port):
                return None, None
            try:
                found = onboard.look(port)
            except errors.CopyFailed:
                if silent_before:
                    raise
                return None, None
        settings = provision.settings_in(found)
        if settings is None:
            return found, None
        try:
            ours = provision.trusted(self._node, settings)
            if not ours and not self._request.sure:
                self._ask_for(settings)
            elif found.shelf_bytes and not self._request.keep_data and not self._request.sure:
                warning = f"{settings.name} holds letters, which flashing erases; --keep-data keeps them."
                if not self._screen.confirm(warning):
                    raise errors.LettersThere(name=settings.name)
        except errors.FlashError:
            onboard.restart(port)  # it goes on as before
            raise
        return found, settings if ours else None

    def _ask_for(self, settings: BoardSettings) -> None:
        """OtherMesh or FormerKey, unless somebody says to take the board."""
        mesh = provision.mesh_of(self._node, settings)
        if mesh is None:
            warning = f"The board is {settings.name}, of a mesh whose key is not here. Take it over?"
            refusal: errors.FlashError = errors.OtherMesh(name=settings.name)
        else:
            warning = (
                f"The board is {settings.name}, with a former key of {mesh.name}, as a stolen board has."
                " Take it back, with new keys?"
            )
            refusal = errors.FormerKey(name=settings.name, mesh=mesh.name)
        if not self._screen.confirm(warning):
            raise refusal

    def _ask_chip(self, port: Port) -> Chip:
        with self._screen.step(CHIP):
            found = chip.look(port)
            if self._kind is None:
                self._kind = catalogue.generic_of(found.name)
            chip.fits(found, self._kind, port)
        self._screen.note(f"It is an {found.name} with {found.flash_mb} MB of flash: {self._kind.name}.")
        return found

    def _write(self, port: Port, there: Chip) -> Port:
        kind = self._kind
        assert kind is not None
        if self._image is None:
            self._get_image(there.flash_mb or kind.flash_mb)
        assert self._image is not None
        if there.flash_mb and self._image.flash_mb > there.flash_mb:
            name, needed = self._image.path.name, self._image.flash_mb
            raise errors.FlashTooSmall(port=port.device, found=there.flash_mb, board=name, needed=needed)
        with self._screen.step(WRITE) as progress:
            chip.write(kind, ports.moved(port), self._image.path, not self._request.keep_data, progress)
        return port

    def _fill(
        self, folder: Path, port: Port, there: Chip, shown: BoardSettings | None, mesh: Mesh | None
    ) -> Result:
        """Firmware, settings and main.py for a board that runs MicroPython; ``shown`` is what it had."""
        kind, request = self._kind, self._request
        assert kind is not None
        files = {f"/{path.relative_to(folder).as_posix()}": path for path in sorted(folder.rglob("*.mpy"))}
        with self._screen.step(COPY) as progress:
            remembers, copied = onboard.fill(port, files, progress)
        mesh = mesh or self._begin_mesh()
        with self._screen.step(SETTINGS) as progress:
            made = provision.prepare(
                self._node,
                kind,
                mesh,
                request.wishes,
                shown if request.keep_data else None,
                default_name(there),
                remembers,
                self._random,
                self._now(),
            )
            board, renamed = provision.remember(
                self._node,
                made,
                mesh,
                kind,
                build.number(self._sources),
                links.lasting(f"serial:{port.device}"),
                there.address,
                shown,
                self._now(),
            )
            with wipe.folder(self._node.home) as secret:
                for name in FILES:
                    (secret / name).write_bytes(made.settings.slot())
                onboard.put(port, {f"/{name}": secret / name for name in FILES}, progress)
        if renamed is not None:
            self._screen.note(
                f"Another board was called {board.name}: it is called {renamed} here from now on."
            )
        with self._screen.step(MAIN) as progress:
            onboard.put(port, {"/main.py": folder / "main.py"}, progress)
        with self._screen.step(TEST) as progress:
            onboard.restart(port)
            report = selftest.run(self._node, port, made.key, there.address, self._now, progress)
        return Result(board, mesh, kind, port.device, made, report, copied)


def image_first(request: Request, kind: Kind | None) -> bool:
    """Whether it is clear which image it will be, and that one is needed, before the chip is asked."""
    certain = kind is not None and kind.image_4mb is None
    return request.firmware is not None or (certain and not request.keep_data)


def default_name(there: Chip) -> str:
    """By the end of its address, which is printed on many boards."""
    return "board-" + there.address.replace(":", "")[-4:]
