"""What can go wrong while a board is flashed, each with an exit code (docs/boards.md, "Exit codes")."""

from hedgerow.errors import UserError


class FlashError(UserError):
    """Flashing failed."""

    code = 1


class BadBoardFile(FlashError):
    """{path} is no board file, for {reason}: mend that key, docs/boards.md explains it."""

    code = 10


class UnknownKind(FlashError):
    """There is no kind of board called {name}: `hedgerow boards` shows them ({names})."""

    code = 11


class NoPort(FlashError):
    """No board is plugged in: connect one, with a cable that carries data, or name its port with --port."""

    code = 12


class SeveralPorts(FlashError):
    """There are several ports ({ports}): say with --port which one the board is on."""

    code = 12


class PortMissing(FlashError):
    """There is nothing at {port}: plug the board in, and check the name."""

    code = 13


class PortForbidden(FlashError):
    """You may not use {port}: join the group {group} (`sudo usermod -aG {group} $USER`) and log in again."""

    code = 14


class PortBusy(FlashError):
    """Another program uses {port}: end it (a terminal, `hedgerow run`) and run the same command again."""

    code = 15


class NoChip(FlashError):
    """No chip answers at {port}: hold BOOT, press RESET, let BOOT go, and run the same command again."""

    code = 16


class OtherChip(FlashError):
    """The chip is an {found}, but {board} has an {chip}: nothing was written; choose another --board."""

    code = 17


class UnknownChip(FlashError):
    """Hedgerow runs on no {chip}: it needs one of {chips}; nothing was written."""

    code = 17


class FlashTooSmall(FlashError):
    """The chip at {port} has {found} MB of flash, {board} needs {needed}: nothing was written."""

    code = 18


class ImageNotFetched(FlashError):
    """{address} cannot be fetched ({reason}): connect to the internet, or give the file with --firmware."""

    code = 19


class ImageMissing(FlashError):
    """{path} cannot be read ({reason}): give the .bin file of MicroPython's download page."""

    code = 19


class ImageDamaged(FlashError):
    """{path} is no whole image of MicroPython ({reason}): get it again; nothing was written."""

    code = 20


class ImageOtherChip(FlashError):
    """{path} is for an {found}, not for an {chip}: get {image}; nothing was written."""

    code = 21


class ImageOtherSum(FlashError):
    """{path} has the SHA-256 {found}, not {expected}: somebody changed it; nothing was written."""

    code = 22


class NotASum(FlashError):
    """This is no SHA-256: --firmware-sha256 takes 64 hexadecimal digits, and goes with --firmware."""

    code = 22


class AiobleNotFetched(FlashError):
    """{address} cannot be fetched ({reason}): connect to the internet, or give a folder with --aioble."""

    code = 23


class AiobleMissing(FlashError):
    """{path} has not all nine sources of aioble {version}: name the folder where they are with --aioble."""

    code = 23


class AiobleOther(FlashError):
    """{path} is not aioble {version}, for its checksum is another: get that version; nothing was kept."""

    code = 24


class NoRoomHere(FlashError):
    """{path} cannot be written on this computer ({reason}): make room and run the same command again."""

    code = 25


class WriteFailed(FlashError):
    """MicroPython was not written whole ({reason}): plug the board in again, run the same command again."""

    code = 26


class NotVerified(FlashError):
    """What was written could not be verified ({reason}): run the same command again, with another cable."""

    code = 27


class BoardMute(FlashError):
    """MicroPython does not answer at {port}: press RESET, and run the same command again."""

    code = 28


class BootLoop(FlashError):
    """The board starts again and again ({reason}): run the same command again, without --keep-data."""

    code = 29


class CopyFailed(FlashError):
    """The files were not copied whole ({reason}): plug the board in again and run the same command again."""

    code = 30


class BoardFull(FlashError):
    """The board has {free} bytes free, the firmware needs {needed}: run it again without --keep-data."""

    code = 31


class FileDiffers(FlashError):
    """{path} on the board is not what was copied: run the same command again."""

    code = 32


class OtherMesh(FlashError):
    """The board is {name}, of a mesh whose key is not here: nothing was written; --yes takes it over."""

    code = 33


class FormerKey(FlashError):
    """{name} has a former key of {mesh}, as a stolen one has: nothing was written; --yes renews its keys."""

    code = 33


class LettersThere(FlashError):
    """{name} holds letters, which flashing erases: say --keep-data to keep them, or --yes."""

    code = 34


class NoAccount(FlashError):
    """There is no account in {home}, and no terminal to ask your name on: run `hedgerow init` first."""

    code = 35


class SeveralMeshes(FlashError):
    """There are several meshes here ({names}): say with --mesh which one the board is of."""

    code = 36


class TooLong(FlashError):
    """{step} took more than {limit_s:.0f} s: plug the board in again and run the same command again."""

    code = 37


class SelfTestFailed(FlashError):
    """The board runs Hedgerow, but its self-test failed: {reason}."""

    code = 38


class NoLink(FlashError):
    """The board does not talk Hedgerow ({reason}): press RESET, and run the same command again."""

    code = 39


class ToolBroken(FlashError):
    """{tool} does not run here ({reason}): install Hedgerow again."""

    code = 40


class NoPairingLeft(FlashError):
    """{name} has all {most} pairings that fit: `hedgerow board unpair` makes room; or omit --keep-data."""

    code = 41


class Stopped(FlashError):
    """Stopped at the step "{step}": the same command completes it."""

    code = 130
