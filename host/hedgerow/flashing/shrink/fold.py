"""Constants stand where they are used; messages, docstrings and annotations go."""

import ast
from collections.abc import Callable, Container, Iterable, Mapping

from hedgerow.flashing.shrink.trees import Trees

# Their messages are for those who debug on a computer; a board shows them to nobody.
_SILENT = {"PeerError", "AuthError", "VersionError", "LimitError"}
_BOARD = "MICROPYTHON"


def fold(sources: Mapping[str, str]) -> Trees:
    trees = {name: ast.parse(source) for name, source in sources.items()}
    constants = {name: _constants(tree) for name, tree in trees.items()}
    for name, tree in trees.items():
        _Fold(constants, constants[name]).visit(tree)
        private = {constant for constant in constants[name] if constant.startswith("_")}
        tree.body = [node for node in tree.body if not _binds(node, private)]
    return trees


def drop_constants(tree: ast.Module, everything: Iterable[ast.Module]) -> None:
    """Leave out the constants of ``tree`` that nothing in ``everything`` names, now that they are folded."""
    named = set()
    for other in everything:
        for node in ast.walk(other):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                named.add(node.id)
            elif isinstance(node, ast.Attribute):
                named.add(node.attr)
            elif isinstance(node, ast.ImportFrom):
                named.update(alias.name for alias in node.names)
    spare = _constants(tree).keys() - named
    tree.body = [node for node in tree.body if not _binds(node, spare)]


def _value(node: ast.expr) -> int | None:
    """The value of an integer expression, None where it is something else."""
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return node.value
    if isinstance(node, ast.BinOp):
        left, right = _value(node.left), _value(node.right)
        operations: dict[type[ast.operator], Callable[[int, int], int]] = {
            ast.Add: int.__add__,
            ast.Sub: int.__sub__,
            ast.Mult: int.__mul__,
            ast.LShift: int.__lshift__,
            ast.BitOr: int.__or__,
        }
        operation = operations.get(type(node.op))
        if left is not None and right is not None and operation is not None:
            return operation(left, right)
    return None


def _constants(tree: ast.Module) -> dict[str, int]:
    """Names in capitals that the module binds once, at its top, to an integer."""
    found: dict[str, int] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name, value = node.targets[0].id, _value(_Fold({}, found).visit(node.value))
            if name.isupper() and value is not None:
                found[name] = value
    stores = [n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    return {name: value for name, value in found.items() if stores.count(name) == 1}


def _binds(node: ast.stmt, names: Container[str]) -> bool:
    return (
        isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id in names
    )


class _Fold(ast.NodeTransformer):
    """Puts constants where their names stand, and takes away what only readers need."""

    def __init__(self, modules: Mapping[str, Mapping[str, int]], own: Mapping[str, int]) -> None:
        self._modules = modules
        self._names = dict(own)
        self._by_last = {name.rpartition(".")[2]: found for name, found in modules.items()}

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        for alias in node.names:
            value = self._modules.get(node.module or "", {}).get(alias.name)
            if value is not None:
                self._names[alias.asname or alias.name] = value
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if isinstance(node.ctx, ast.Load) and node.id in self._names:
            return ast.Constant(self._names[node.id])
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if isinstance(node.value, ast.Name) and isinstance(node.ctx, ast.Load):
            value = self._by_last.get(node.value.id, {}).get(node.attr)
            if value is not None:
                return ast.Constant(value)
        self.generic_visit(node)
        return node

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        call = node.exc
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in _SILENT:
            node.exc = call.func
        self.generic_visit(node)
        return node

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        if isinstance(node.test, ast.Name) and node.test.id == _BOARD:
            return node.body
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        self.generic_visit(node)
        return ast.Assign([node.target], node.value) if node.value is not None else None

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        self.generic_visit(node)
        return ast.Pass() if isinstance(node.value, ast.Constant) else node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._plain(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._plain(node)

    def _plain(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        for argument in node.args.args + node.args.kwonlyargs:
            argument.annotation = None
        self.generic_visit(node)
        return node
