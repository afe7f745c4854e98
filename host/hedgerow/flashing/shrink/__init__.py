"""Makes one small module of core and firmware for a board's heap, where every name costs some 22 bytes.

Works on the sources of all modules that run together on a board, and knows nothing of what they do:

    limits.HOPS -> 32                          _HEAD = 6 ... _HEAD -> 6
    raise PeerError("why") -> raise PeerError  if MICROPYTHON: a else: b -> a
    self._reassembler -> self._a               def receive(self, data) -> def receive(self, a)

What nothing names is left out, and the modules become one (``bundle``). Core's tests run on shrunk modules
as well (tests/firmware/test_shrink.py).
"""

import ast
from collections.abc import Collection, Iterable, Mapping

from hedgerow.flashing.shrink.fold import drop_constants, fold
from hedgerow.flashing.shrink.join import joined, shorten_tops
from hedgerow.flashing.shrink.short import (
    families,
    foreign_names,
    shorten_arguments,
    shorten_members,
    shorten_public,
)
from hedgerow.flashing.shrink.trees import ShrinkError, imports_of
from hedgerow.flashing.shrink.unnamed import drop_unnamed

__all__ = ["ShrinkError", "bundle", "folded"]


def folded(
    sources: Mapping[str, str], users: Iterable[str] = (), closed: Collection[str] = ()
) -> dict[str, str]:
    """The modules in ``sources`` (name with dots -> source), their constants folded, private names short.

    All other names stay, and so does what is marked private where one of ``users`` touches it. Modules that
    are ``closed`` have no other users: constants that nobody names any more go, and arguments become short.
    """
    trees = fold(sources)
    others = {f"user {n}": ast.parse(source) for n, source in enumerate(users)}
    everything = [*trees.values(), *others.values()]
    for name in closed:
        drop_constants(trees[name], everything)
        shorten_arguments(trees[name], everything)
    foreign, family = foreign_names(everything), families(everything)
    imported = {name.rpartition(".")[2] for name in imports_of({**trees, **others})}
    shorten_tops(trees, {*foreign, *imported, *family})
    for tree in trees.values():
        shorten_members(tree, foreign, family=family)
    return {name: _text(tree) for name, tree in trees.items()}


def bundle(
    sources: Mapping[str, str],
    roots: Collection[str],
    outside: Collection[str] | None = None,
    asked: Collection[str] = (),
) -> str:
    """One module in place of all of ``sources``.

    ``roots`` ("module.name") are what the outside uses; ``outside`` are the names of attributes that objects
    from elsewhere have: built-in types, asyncio, and the modules of a board. Without it all names of
    attributes stay. ``asked`` are the names of methods that others call.
    """
    trees = fold(sources)
    drop_unnamed(trees, roots, asked)
    whole = joined(trees, roots)
    if outside is None:
        return _text(whole)
    shorten_members(whole, foreign_names([whole]), outside)
    shorten_public(whole, outside)
    shorten_arguments(whole, [whole])
    return _text(whole)


def _text(tree: ast.Module) -> str:
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"
