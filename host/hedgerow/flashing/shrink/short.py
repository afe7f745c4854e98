"""Names become short: of what a class keeps to itself, of what classes show to each other, of arguments."""

import ast
from collections.abc import Collection, Iterable, Iterator

from hedgerow.flashing.shrink.trees import FUNCTIONS


def foreign_names(trees: Iterable[ast.Module]) -> set[str]:
    """Attributes that are used on something else than ``self``."""
    found = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    return {node.attr for node in found if not (isinstance(node.value, ast.Name) and node.value.id == "self")}


def families(trees: Iterable[ast.Module]) -> set[str]:
    """Classes that inherit, or are inherited from: they share their private names."""
    found: set[str] = set()
    for node in [node for tree in trees for node in ast.walk(tree)]:
        if isinstance(node, ast.ClassDef) and node.bases:
            found.add(node.name)
            found |= {base.id if isinstance(base, ast.Name) else ast.unparse(base) for base in node.bases}
    return found


def short_names(taken: set[str]) -> Iterator[str]:
    letters = "abcdefghijklmnopqrstuvwxyz"
    names = ["_" + letter for letter in letters]
    names += ["_" + first + second for first in letters for second in letters]
    return (name for name in names if name not in taken)


def shorten_members(
    tree: ast.Module,
    foreign: Collection[str],
    outside: Collection[str] | None = None,
    family: Collection[str] = (),
) -> None:
    """Rename what only a class and its relatives use; the same short names serve every one.

    ``foreign`` are names used on other objects. Without ``outside`` only what is marked private counts, for
    others may use the rest. Classes of a ``family``, which has members elsewhere, stay as they are.
    """
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name not in family]
    for relatives in _related(classes):
        parts = [part for one in relatives for part in ast.walk(one)]
        names = {part.name for part in parts if isinstance(part, FUNCTIONS)}
        names |= {p.attr for p in parts if isinstance(p, ast.Attribute) and isinstance(p.ctx, ast.Store)}
        names = {name for name in names if not name.startswith("__")} - set(foreign)
        if outside is None:
            names = {name for name in names if name.startswith("_")}
        else:
            names -= set(outside)
        short = dict(zip(sorted(names), short_names(set()), strict=False))
        for part in parts:
            if isinstance(part, ast.Attribute) and part.attr in short:
                part.attr = short[part.attr]
            elif isinstance(part, FUNCTIONS) and part.name in short:
                part.name = short[part.name]


def _related(classes: Iterable[ast.ClassDef]) -> list[list[ast.ClassDef]]:
    """The classes, those together of which one inherits from the other."""
    groups: list[list[ast.ClassDef]] = []
    for one in classes:
        bases = {base.id for base in one.bases if isinstance(base, ast.Name)}
        kin = [group for group in groups if bases & {other.name for other in group}]
        groups = [group for group in groups if group not in kin]
        groups.append([*(other for group in kin for other in group), one])
    return groups


def shorten_public(tree: ast.Module, outside: Collection[str]) -> None:
    """Rename what classes show to each other: one name is one name in all, for nobody knows the receivers."""
    attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    methods = [node for owner in classes for node in owner.body if isinstance(node, FUNCTIONS)]
    ours = {node.name for node in methods} | {
        node.attr for node in attributes if isinstance(node.ctx, ast.Store)
    }
    ours = {name for name in ours if not name.startswith("_") and name not in outside}
    taken = {node.attr for node in attributes} | {node.name for node in methods}
    short = dict(zip(sorted(ours), short_names(taken), strict=False))
    for attribute in attributes:
        attribute.attr = short.get(attribute.attr, attribute.attr)
    for method in methods:
        method.name = short.get(method.name, method.name)


def shorten_arguments(tree: ast.Module, trees: Iterable[ast.Module]) -> None:
    """Rename the arguments of functions that nobody passes by name."""
    everything = [node for one in trees for node in ast.walk(one)]
    by_name = {node.arg for node in everything if isinstance(node, ast.keyword)}
    for function in [node for node in ast.walk(tree) if isinstance(node, FUNCTIONS)]:
        taken = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
        taken |= {
            argument.arg
            for node in ast.walk(function)
            if isinstance(node, ast.arguments)
            for argument in node.args
        }
        inner = {
            argument.arg
            for node in ast.walk(function)
            if isinstance(node, FUNCTIONS) and node is not function
            for argument in node.args.args
        }
        names = [argument.arg for argument in function.args.args if argument.arg != "self"]
        short = {}
        free = short_names(taken)
        for name in names:
            if name not in by_name and name not in inner and len(name) > 2:
                short[name] = next(free)
        for node in ast.walk(function):
            if isinstance(node, ast.Name) and node.id in short:
                node.id = short[node.id]
            elif isinstance(node, ast.arg) and node.arg in short and node in function.args.args:
                node.arg = short[node.arg]
