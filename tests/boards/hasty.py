"""hedgerow as the tests run it: hasty.py FOLDER WORDS…, for a virtual board answers at once or never.

FOLDER is the aioble that boards get, whichever it is: the lab's stand-in is not the pinned one.
"""

import hashlib
import sys
from pathlib import Path

from pyhsslms import pyhsslms

from hedgerow.cli import main
from hedgerow.flashing import aioble, limits, selftest
from hedgerow.updates import signer

FACTOR = 0.2
CLOCK_S = 0.5  # the clock of a virtual board is this computer's


def hurry(folder: Path) -> None:
    for name, value in vars(limits).items():
        if name.endswith("_S"):
            setattr(limits, name, value * FACTOR)
    selftest._CLOCK_S = CLOCK_S
    signer._HEIGHT = pyhsslms.lms_sha256_m32_h5  # a second less; no board of these tests is updated
    files = sorted((folder / "aioble").glob("*.py"))
    aioble.SHA256 = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    if aioble.kept(aioble.cache_folder()) is None:
        aioble.store({path.name: path.read_bytes() for path in files}, aioble.cache_folder())


if __name__ == "__main__":
    hurry(Path(sys.argv.pop(1)))
    main()
