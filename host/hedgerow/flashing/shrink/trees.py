"""What all steps share: parsed modules, and what they bind and import."""

import ast
from collections.abc import Iterator

DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)

Trees = dict[str, ast.Module]


class ShrinkError(Exception):
    """The sources do something that cannot be shrunk."""


def imports_of(trees: Trees) -> Iterator[str]:
    for tree in trees.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module is not None:
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def drop_imports(tree: ast.Module) -> None:
    """Take out what is imported and not used any more."""
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    for node in list(tree.body):
        if isinstance(node, ast.ImportFrom | ast.Import):
            node.names = [alias for alias in node.names if (alias.asname or alias.name) in used]
            if not node.names:
                tree.body.remove(node)
