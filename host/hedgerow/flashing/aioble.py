"""aioble, the board's Bluetooth library: one pinned version, fetched once, compiled by us."""

import hashlib
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import platformdirs

from hedgerow.flashing import download, errors, shrink
from hedgerow.flashing.build import compile_once, made_by
from hedgerow.flashing.sources import Sources, find

VERSION = "0.6.2"
# micropython-lib's commit that is this version; the checksums are of its files.
COMMIT = "70684405115eac163d5347fea9191d0d784b0f51"
SOURCE = f"https://github.com/micropython/micropython-lib/raw/{COMMIT}/micropython/bluetooth/aioble/aioble"
SHA256 = {
    "__init__.py": "735eb2f71c857b5f13db3b7f7179e49bfe8438bed42b8e6c89ac796121fe193c",
    "central.py": "3ffca35829b2ba978b5f72ab785514d2da2d11c7ada2395a021cf76d5dbe8502",
    "client.py": "b117e9070d19eed1ffb4728b3c50515b4a7377b9b4d5b116cf9989849b81852c",
    "core.py": "966d147542de50b8d4cbe06671a2a6d0633c0e426083b0ad2d6a888a03569414",
    "device.py": "056708daee94d94d1fbba22566b9cd3591ed002e1325a2baa8d8c922282108a7",
    "l2cap.py": "ca504df10240621f44854321a05e2b0354c36740cf83a8102669bd97c52edd88",
    "peripheral.py": "4aea6302bc0cc703a9f0b1fa44db0c0089daac736460ccd64dc33b9725e73b6c",
    "security.py": "bf550386331b9c35459ab626acce3e8d84f8799e2911ef420507a73f42d5fe9f",
    "server.py": "6253b57dd3d4fcdad4cc0226c3501fbcc63f7780e48b610f83b0de80f1d5bec4",
}
_FILE_BYTES = 1 << 20


def cache_folder() -> Path:
    """Where it is kept."""
    return Path(platformdirs.user_cache_dir("hedgerow")) / f"aioble-{VERSION}"


def files_in(folder: Path) -> dict[str, bytes] | None:
    """The nine files of ``folder`` or of its folder aioble; None where one is missing. AiobleOther."""
    folder = folder / "aioble" if (folder / "aioble").is_dir() else folder
    try:
        found = {name: (folder / name).read_bytes() for name in SHA256}
    except OSError:
        return None
    for name, content in found.items():
        _check(name, content, folder / name)
    return found


def _check(name: str, content: bytes, where: object) -> None:
    if hashlib.sha256(content).hexdigest() != SHA256[name]:
        raise errors.AiobleOther(path=where, version=VERSION)


def fetch(source: str = SOURCE, progress: Callable[[float], None] = lambda part: None) -> dict[str, bytes]:
    """All files below an address. AiobleNotFetched, or AiobleOther."""
    found: dict[str, bytes] = {}
    for name in SHA256:
        address = f"{source.rstrip('/')}/{name}"
        try:
            content = download.get(address, _FILE_BYTES, lambda part: None)
        except download.Failed as error:
            raise errors.AiobleNotFetched(address=address, reason=error) from None
        _check(name, content, address)
        found[name] = content
        progress(len(found) / len(SHA256))
    return found


def store(files: dict[str, bytes], folder: Path) -> None:
    """Put ``files`` into ``folder``/aioble: all of them at once, or none. NoRoomHere."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".aioble-", dir=folder.parent) as name:
            fresh = Path(name) / "new"
            (fresh / "aioble").mkdir(parents=True)
            for file_name, content in files.items():
                (fresh / "aioble" / file_name).write_bytes(content)
            if folder.exists():
                shutil.move(folder, Path(name) / "old")
            fresh.rename(folder)
    except OSError as error:
        raise errors.NoRoomHere(path=folder, reason=(error.strerror or str(error)).lower()) from None


def kept(folder: Path) -> dict[str, bytes] | None:
    """What a cache holds; None where it is not whole, or damaged."""
    try:
        return files_in(folder)
    except errors.AiobleOther:
        return None


def obtain(
    given: Path | None = None, progress: Callable[[float], None] = lambda part: None
) -> dict[str, bytes]:
    """The files: of the folder that is given, of the cache, or fetched and kept there.

    AiobleMissing, AiobleOther, AiobleNotFetched, NoRoomHere.
    """
    if given is not None:
        found = files_in(given)
        if found is None:
            raise errors.AiobleMissing(path=given, version=VERSION)
        return found
    found = kept(cache_folder())
    if found is None:
        found = fetch(progress=progress)
        store(found, cache_folder())
    return found


def compiled(files: dict[str, bytes], sources: Sources | None = None) -> Path:
    """A folder with aioble/*.mpy, as the lab measures it: constants folded, private names short."""
    sources = sources or find()
    texts = {f"aioble.{Path(name).stem}": content.decode() for name, content in files.items()}
    users = {str(n): path.read_text() for n, path in enumerate(sorted(sources.firmware.rglob("*.py")))}

    def made() -> dict[str, str]:
        smaller = shrink.folded(texts, users.values())
        return {f"{name.replace('.', '/')}.py": text for name, text in smaller.items()}

    return compile_once({**texts, **users, **made_by(Path(__file__))}, made, sources.cache)
