"""Several modules become one; each name of their tops is unique in it."""

import ast
from collections.abc import Collection, Iterator, Mapping

from hedgerow.flashing.shrink.short import short_names
from hedgerow.flashing.shrink.trees import DEFINITIONS, ShrinkError, Trees, imports_of


def joined(trees: Trees, roots: Collection[str]) -> ast.Module:
    """All modules in the order in which they need each other, each name of theirs unique."""
    tops = {module: _top_names(tree, set(trees)) for module, tree in trees.items()}
    taken = {node.id for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.Name)}
    taken |= {"self"}
    free = short_names(taken)
    new: dict[str, str] = {}
    for module, names in tops.items():
        for name in sorted(names):
            new[f"{module}.{name}"] = name if f"{module}.{name}" in roots else next(free)
    outside: dict[str, ast.stmt] = {}
    body: list[ast.stmt] = []
    for module in _in_order(trees):
        tree = trees[module]
        renamed = {name: new[f"{module}.{name}"] for name in tops[module]}
        aliases: dict[str, str] = {}
        for node in list(tree.body):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in _packages(trees):
                for alias in node.names:
                    name, here = f"{node.module}.{alias.name}", alias.asname or alias.name
                    if name in trees:
                        aliases[here] = name
                    else:
                        renamed[here] = new[name]
                tree.body.remove(node)
            elif isinstance(node, ast.ImportFrom | ast.Import):
                outside[ast.unparse(node)] = node
                tree.body.remove(node)
        body += _Rename(renamed, aliases, new).visit(tree).body
    return ast.Module([*outside.values(), *body], [])


def shorten_tops(trees: Trees, foreign: Collection[str]) -> None:
    """Rename what is private at the top of a module; the same short names serve every module.

    ``foreign`` are names that others use, as attributes of a module or by importing them.
    """
    for tree in trees.values():
        names = {name for name in _top_names(tree, set()) if name[0] == "_" and name[1:2] != "_"}
        taken = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        taken |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
        short = dict(zip(sorted(names - set(foreign)), short_names(taken), strict=False))
        _Rename(short, {}, {}).visit(tree)


def _packages(trees: Trees) -> set[str]:
    return {module.split(".")[0] for module in trees}


def _top_names(tree: ast.Module, modules: set[str]) -> set[str]:
    names = set()
    for node in tree.body:
        if isinstance(node, DEFINITIONS):
            names.add(node.name)
        elif not isinstance(node, ast.ImportFrom | ast.Import):
            names |= {
                part.id
                for part in ast.walk(node)
                if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
            }
    return names


def _in_order(trees: Trees) -> list[str]:
    """Modules behind those that they import."""
    order: list[str] = []

    def place(module: str, path: tuple[str, ...]) -> None:
        if module in path:
            raise ShrinkError(f"{module} imports itself by way of {path[-1]}.")
        if module in order:
            return
        for name in sorted(set(imports_of({module: trees[module]}))):
            for needed in (name, name.rpartition(".")[0]):
                if needed in trees and needed != module:
                    place(needed, (*path, module))
        order.append(module)

    for module in sorted(trees):
        place(module, ())
    return order


class _Rename(ast.NodeTransformer):
    """Gives the names of one module's top their new form, but not names that a function binds itself."""

    def __init__(
        self, renamed: Mapping[str, str], aliases: Mapping[str, str], new: Mapping[str, str]
    ) -> None:
        self._renamed = renamed
        self._aliases = aliases
        self._new = new
        self._local: list[set[str]] = []
        self._methods: set[int] = set()

    def _is_global(self, name: str) -> bool:
        return not any(name in names for names in self._local)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if self._is_global(node.id):
            if node.id in self._aliases:
                raise ShrinkError(f"The module {node.id} is used as a value.")
            node.id = self._renamed.get(node.id, node.id)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if (
            isinstance(node.value, ast.Name)
            and node.value.id in self._aliases
            and self._is_global(node.value.id)
        ):
            return ast.Name(self._new[f"{self._aliases[node.value.id]}.{node.attr}"], node.ctx)
        self.generic_visit(node)
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        if not self._local:
            node.name = self._renamed.get(node.name, node.name)
        self._methods.update(id(part) for part in node.body)
        self.generic_visit(node)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._function(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        if not self._local and id(node) not in self._methods:
            node.name = self._renamed.get(node.name, node.name)
        names = {argument.arg for argument in node.args.args}
        shared: set[str] = set()
        for part in _within(node):
            if isinstance(part, ast.Global):
                shared.update(part.names)
                part.names = [self._renamed.get(name, name) for name in part.names]
            elif isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                names.add(part.id)
            elif isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                names.add(part.name)
            elif isinstance(part, ast.ExceptHandler):
                names.add(part.name or "")
        node.args.defaults = [self.visit(default) for default in node.args.defaults]
        node.decorator_list = [self.visit(decorator) for decorator in node.decorator_list]
        self._local.append(names - shared)
        node.body = [self.visit(part) for part in node.body]
        self._local.pop()
        return node


def _within(function: ast.AST) -> Iterator[ast.AST]:
    """What belongs to a function itself, not to functions inside it."""
    waiting = list(ast.iter_child_nodes(function))
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, DEFINITIONS):
            waiting.extend(ast.iter_child_nodes(node))
