"""The step that makes core and firmware small enough for a board changes nothing of what they do."""

import ast
import subprocess
from pathlib import Path

import pytest

from hedgerow.flashing import shrink
from hedgerow.flashing.build import firmware
from hedgerow.flashing.shrink import outside
from hedgerow_lab.world import LabError, find_micropython

TOP = Path(__file__).resolve().parents[2]


def run(source: str, call: str) -> object:
    names: dict[str, object] = {}
    exec(compile(source, "bundle", "exec"), names)
    return eval(call, names)


def bundled(root: str = "app.main", **sources: str) -> str:
    return shrink.bundle(
        {name.replace("_dot_", "."): text for name, text in sources.items()}, {root}, dir(list)
    )


def test_one_module_does_what_several_did():
    text = bundled(
        limits='"""Bounds."""\nMOST = 3\nLEAST = MOST - 2\n',
        errors="class PeerError(Exception):\n    pass\n",
        store=(
            "import limits\nfrom errors import PeerError\n_HEAD = 2\n"
            "class Store:\n    '''Keeps.'''\n"
            "    def __init__(self, room=9):\n        self._kept = []\n        self.room = room\n"
            "    def put(self, thing):\n"
            "        if len(self._kept) >= limits.MOST:\n            raise PeerError('full')\n"
            "        self._kept.append(thing * _HEAD)\n        return self\n"
            "    def unused(self):\n        return 1\n"
            "    @property\n    def sum(self):\n        return sum(self._kept) + limits.LEAST\n"
        ).replace("import limits", "from package import limits"),
        app=(
            "from errors import PeerError\nfrom store import Store\n"
            "def helper(amount):\n    return amount + 1\n"
            "def main(store=None):\n"
            "    store = Store(room=5)\n    helper_sum = [helper(n) for n in range(3)]\n"
            "    for n in helper_sum:\n        store.put(n)\n"
            "    try:\n        store.put(9)\n    except PeerError as error:\n"
            "        return store.sum, store.room, str(error)\n"
        ),
    ).replace("from package import limits", "")
    assert run(text, "main()") == (13, 5, "")
    for gone in ("unused", "Bounds", "_HEAD", "_kept", "MOST", "helper(amount", "full"):
        assert gone not in text


def test_functions_that_name_only_each_other_are_left_out():
    text = bundled(
        codec=(
            "def ping(n):\n    return pong(n)\ndef pong(n):\n    return ping(n) + 77\n"
            "def head():\n    return 5\n"
        ),
        app="from codec import head\ndef main():\n    return head()\n",
    )
    assert run(text, "main()") == 5
    assert "77" not in text


def test_a_name_that_a_function_binds_itself_is_not_taken_for_the_module():
    text = bundled(
        beacon="def parse(data):\n    return data * 2\n",
        app=(
            "from beacon import parse\n"
            "def use(parse, beacon):\n    return parse + beacon\n"
            "def main():\n    return use(1, 2), parse(4)\n"
        ),
    )
    assert run(text, "main()") == (3, 8)


def test_arguments_that_are_passed_by_name_keep_their_names():
    text = bundled(
        app="def add(first, second=1):\n    return first - second\ndef main():\n    return add(5, second=2)\n"
    )
    assert run(text, "main()") == 3
    assert "second" in text and "first" not in text


def test_a_class_and_what_it_inherits_do_not_share_a_short_name():
    text = bundled(
        base=(
            "class Base:\n"
            "    def __init__(self):\n        self._first = 1\n"
            "    def _one(self):\n        return 2\n"
        ),
        app=(
            "from base import Base\n"
            "class More(Base):\n"
            "    def __init__(self):\n        Base.__init__(self)\n        self._a_list = [0]\n"
            "    def both(self):\n        return self._one() + self._first + len(self._a_list)\n"
            "class Other(Base):\n"
            "    def _one(self):\n        return 5\n"
            "    def both(self):\n        return self._one() + self._first\n"
            "def main():\n    return More().both(), Other().both()\n"
        ),
    )
    assert run(text, "main()") == (4, 6)
    assert "_one" not in text and "_first" not in text and "_a_list" not in text


def test_modules_that_need_each_other_are_refused():
    with pytest.raises(shrink.ShrinkError):
        bundled(
            a="from b import x\ny = x\n",
            b="from a import y\nx = y\n",
            app="from a import y\ndef main():\n    return y\n",
        )


def test_the_boards_module_holds_no_word_that_only_people_need():
    image = (firmware() / "hedgerow_board/app.mpy").read_bytes()
    for word in (b"PeerError", b"a damaged", b"reconcile", b"hedgerow_core"):
        assert word not in image
    assert len(image) < 43_000


def test_what_is_seldom_needed_lies_apart_and_takes_no_heap_meanwhile():
    folder = firmware() / "hedgerow_board"
    assert {path.name for path in folder.iterdir()} == {
        f"{name}.mpy"
        for name in [
            "about",
            "app",
            "care",
            "config",
            "install",
            "judge",
            "manage",
            "mesh_key",
            "pairings",
            "remote",
            "sleep",
            "soon",
            "start",
            "stored",
            "trace",
            "update",
            "view",
        ]
    }
    for name, words in (
        ("start", b"This board has no settings"),
        ("care", b"VfsLfs2"),
        ("install", b"rmdir"),
    ):
        assert words in (folder / f"{name}.mpy").read_bytes()
        assert words not in (folder / "app.mpy").read_bytes()


@pytest.mark.parametrize("bits", [64, 32])
def test_cores_tests_pass_on_the_folded_modules(bits, tmp_path):
    sources = {
        f"hedgerow_core.{path.stem}": path.read_text() for path in (TOP / "shared/hedgerow_core").glob("*.py")
    }
    tests = [path.read_text() for path in (TOP / "tests/core").glob("*.py")]
    package = tmp_path / "hedgerow_core"
    package.mkdir()
    for name, text in shrink.folded(sources, tests).items():
        (package / f"{name.rpartition('.')[2]}.py").write_text(text)
    try:
        interpreter = find_micropython(bits)
    except LabError:
        interpreter = find_micropython(64)
    runner = TOP / "tests/core/run_micropython.py"
    command = [interpreter, "-X", "heapsize=4m", runner, tmp_path]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 failed" in done.stdout


def parsed(*folders: str) -> list[ast.AST]:
    paths = [
        path
        for folder in folders
        for path in sorted({TOP / folder, *(TOP / folder).rglob("*.py")})
        if path.is_file()
    ]
    return [node for path in paths for node in ast.walk(ast.parse(path.read_text()))]


def defined(nodes: list[ast.AST]) -> set[str]:
    """What classes and modules of ``nodes`` have: functions, classes, and what is stored in an attribute."""
    bodies = [part for node in nodes if isinstance(node, ast.Module | ast.ClassDef) for part in node.body]
    found = {
        node.name
        for node in bodies
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }
    return found | {
        node.attr for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    }


def test_every_attribute_of_what_is_not_ours_is_listed_so_that_none_gets_a_short_name():
    ours = parsed("shared/hedgerow_core", "firmware/hedgerow_board")
    attributes = [node for node in ours if isinstance(node, ast.Attribute)]
    imported = {alias.name for node in ours if isinstance(node, ast.Import) for alias in node.names}
    modules = {"_aioble", "aioble", *imported}
    of_modules = {
        node.attr for node in attributes if isinstance(node.value, ast.Name) and node.value.id in modules
    }
    texts = [path.read_text() for path in (TOP / "firmware/hedgerow_board").glob("*.py")]
    constants = {node.id for node in ours if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    nobodys = {node.attr for node in attributes} - defined(ours) - constants - outside.fields(texts)
    only_on_hosts = {"finalize"}
    missing = (
        {name for name in of_modules | nobodys if not name.startswith("_")} - outside.NAMES - only_on_hosts
    )
    assert not missing, f"list them in flashing/shrink/outside.py: {sorted(missing)}"


def test_every_name_that_the_labs_mirrors_share_with_the_firmware_is_listed():
    ours = parsed("shared/hedgerow_core", "firmware/hedgerow_board")
    used = {node.attr for node in ours if isinstance(node, ast.Attribute)} | defined(ours)
    child = "tools/hedgerow_lab/child"
    # The rest of that folder is the lab's own, and meets no object of the firmware.
    names = ("bluetooth", "cryptolib", "esp32", "hashlib", "machine", "os", "select", "time")
    mirrors = parsed(f"{child}/standin", *(f"{child}/{name}.py" for name in names))
    shared = {name for name in used & defined(mirrors) if not name.startswith("_")}
    missing = shared - outside.NAMES
    assert not missing, f"list them in flashing/shrink/outside.py: {sorted(missing)}"


def test_a_name_that_the_list_lacks_would_be_shortened_on_an_object_of_others():
    text = "class Ours:\n    def listen(self):\n        return 1\n"
    text += "def main(radio):\n    return radio.listen() + Ours().listen()\n"
    assert "listen" not in shrink.bundle({"app": text}, {"app.main"}, set())
    assert shrink.bundle({"app": text}, {"app.main"}, {"listen"}).count(".listen()") == 2
