"""What nothing names is left out."""

import ast
from collections.abc import Collection

from hedgerow.flashing.shrink.trees import DEFINITIONS, Trees, drop_imports, imports_of


def drop_unnamed(trees: Trees, roots: Collection[str], asked: Collection[str] = ()) -> None:
    """Leave out definitions that nothing names, until nothing changes. A class of ``roots`` stays whole;
    others keep the methods called as in ``asked``, too."""
    changed = True
    while changed:
        changed = False
        found = [
            node for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.Attribute)
        ]
        members = {node.attr for node in found}.union(asked)
        dotted = {f"{node.value.id}.{node.attr}" for node in found if isinstance(node.value, ast.Name)}
        wanted = {*roots, *imports_of(trees)}
        for module, tree in list(trees.items()):
            last = module.rpartition(".")[2]
            named = {name for name in map(_bound_by, tree.body) if name is not None}
            first = {name for name in named if f"{module}.{name}" in wanted or f"{last}.{name}" in dotted}
            reached = _reached(tree, first)
            for node in list(tree.body):
                name = _bound_by(node)
                if name is not None and name not in reached:
                    tree.body.remove(node)
                    changed = True
                elif isinstance(node, ast.ClassDef) and f"{module}.{name}" not in roots:
                    for method in [part for part in node.body if isinstance(part, DEFINITIONS)]:
                        if method.name not in members and method.name[:2] != "__":
                            node.body.remove(method)
                            changed = True
            drop_imports(tree)


def _reached(tree: ast.Module, first: set[str]) -> set[str]:
    """What ``first``, and statements that bind nothing, name, and what that names: two that name each other
    are no reason to keep them."""
    reached = set(first)
    left = list(tree.body)
    while True:
        now = [node for node in left if (bound := _bound_by(node)) is None or bound in reached]
        if not now:
            return reached
        left = [node for node in left if node not in now]
        reached |= {part.id for node in now for part in ast.walk(node) if isinstance(part, ast.Name)}


def _bound_by(node: ast.stmt) -> str | None:
    """The one name that a definition or a plain assignment at the top binds."""
    if isinstance(node, DEFINITIONS):
        return node.name
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    return None
