"""What `hedgerow flash` would do, from what is known with nothing attached."""

from hedgerow.boards.settings import FILES
from hedgerow.flashing import aioble, catalogue, chip, image, steps
from hedgerow.flashing.steps import Request

_MPREMOTE = "mpremote connect {port}"


def lines(request: Request) -> list[tuple[str, list[str]]]:
    """(title, details) of each step. UnknownKind, BadBoardFile; nothing is read but boards/."""
    kind = None if request.board is None else catalogue.named(request.board)
    port = request.port or "PORT"
    mpremote = _MPREMOTE.format(port=port)
    wanted = request.wishes
    if request.firmware is not None:
        got = f"from {request.firmware}" + (
            "" if request.firmware_sha256 is None else ", whose SHA-256 is compared"
        )
    elif kind is not None:
        got = f"from {image.address_of(kind)}, or from {image.cache_folder()}"
    else:
        got = "the one of the chip that esptool finds"
    name = wanted.name or ("the one it has" if request.keep_data else "by its address")
    mesh = wanted.mesh or ("the board's own" if request.keep_data else "the only one here, or a new one")
    profile = wanted.profile or (kind.profile if kind is not None else "its kind's")
    image_step = (
        steps.IMAGE,
        [got, "header, chip, checksums and SHA-256 are checked before anything is written"],
    )
    early = steps.image_first(request, kind)
    found = [
        *([image_step] if early else []),
        (
            steps.AIOBLE,
            [
                str(request.aioble)
                if request.aioble
                else f"from {aioble.SOURCE}, or from {aioble.cache_folder()}"
            ],
        ),
        (steps.BUILD, ["core and firmware to .mpy, with mpy-cross"]),
        (steps.PORT, [request.port or "the only one with a USB device; several are asked about"]),
        (steps.LOOK, ["a board of a mesh that is not here, and letters, are not erased without a yes"]),
        (
            steps.CHIP,
            [
                f"esptool --port {port} flash-id",
                f"refused unless it is an {kind.chip}" if kind else "chooses the kind",
            ],
        ),
        *([] if early else [image_step]),
    ]
    if request.keep_data:
        found.append((steps.WRITE, ["only where it is another version; files and letters stay"]))
    elif kind is not None:
        arguments = chip.writing(
            kind, port, request.firmware or image.address_of(kind).rpartition("/")[2], True
        )
        found.append((steps.WRITE, ["esptool " + " ".join(arguments)]))
    else:
        found.append((steps.WRITE, [f"esptool --port {port} write-flash --erase-all OFFSET IMAGE"]))
    return [
        *found,
        (steps.WAIT, []),
        (
            steps.COPY,
            [
                f"{mpremote} run …",
                "/a/hedgerow_board, /a/hedgerow_console.mpy, /lib, deflated; every SHA-256",
            ],
        ),
        (
            steps.SETTINGS,
            [f"{', '.join('/' + file for file in FILES)}: name {name}; mesh {mesh}; profile {profile}"],
        ),
        (steps.MAIN, ["/main.py, last: from then on the board is one of the mesh"]),
        (
            steps.TEST,
            ["heap, flash, radio, clock, unique id; then the code with which another computer pairs"],
        ),
    ]
