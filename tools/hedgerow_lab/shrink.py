"""Makes one small module of core and firmware for a board's heap, where every name costs some 22 bytes.

Works on the sources of all modules that run together on a board, and knows nothing of what they do:

    limits.HOPS -> 32                          _HEAD = 6 ... _HEAD -> 6
    raise PeerError("why") -> raise PeerError  if MICROPYTHON: a else: b -> a
    self._reassembler -> self._a               def receive(self, data) -> def receive(self, a)

What nothing names is left out, and the modules become one (``bundle``). Core's tests run on shrunk modules
as well (tests/firmware/test_shrink.py).
"""

import ast
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

# Their messages are for those who debug on a computer; a board shows them to nobody.
_SILENT = {"PeerError", "AuthError", "VersionError", "LimitError"}
_BOARD = "MICROPYTHON"
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)

Trees = dict[str, ast.Module]


class ShrinkError(Exception):
    """The sources do something that cannot be shrunk."""


def folded(sources: Mapping[str, str], users: Iterable[str] = ()) -> dict[str, str]:
    """The modules in ``sources`` (name with dots -> source), their constants folded, private names short.

    All other names stay, and so does what is marked private where one of ``users`` touches it.
    """
    trees = _folded(sources)
    everything = [*trees.values(), *(ast.parse(source) for source in users)]
    foreign, family = _foreign(everything), _family(everything)
    for tree in trees.values():
        _shorten_members(tree, foreign, family=family)
    return {name: _text(tree) for name, tree in trees.items()}


def _foreign(trees: Iterable[ast.Module]) -> set[str]:
    """Attributes that are used on something else than ``self``."""
    found = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    return {node.attr for node in found if not (isinstance(node.value, ast.Name) and node.value.id == "self")}


def _family(trees: Iterable[ast.Module]) -> set[str]:
    """Classes that inherit, or are inherited from: they share their private names."""
    found: set[str] = set()
    for node in [node for tree in trees for node in ast.walk(tree)]:
        if isinstance(node, ast.ClassDef) and node.bases:
            found.add(node.name)
            found |= {base.id if isinstance(base, ast.Name) else ast.unparse(base) for base in node.bases}
    return found


def bundle(sources: Mapping[str, str], root: str, outside: Collection[str]) -> str:
    """One module in place of all of ``sources``.

    ``root`` ("module.name") is what the outside calls; ``outside`` are the names of attributes that objects
    from elsewhere have: built-in types, asyncio, and the modules of a board.
    """
    trees = _folded(sources)
    _drop_unnamed(trees, root)
    whole = _joined(trees, root)
    _shorten_members(whole, _foreign([whole]), outside)
    _shorten_public(whole, outside)
    _shorten_arguments(whole, [whole])
    return _text(whole)


def _text(tree: ast.Module) -> str:
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"


# Constants, messages, docstrings


def _folded(sources: Mapping[str, str]) -> Trees:
    trees = {name: ast.parse(source) for name, source in sources.items()}
    constants = {name: _constants(tree) for name, tree in trees.items()}
    for name, tree in trees.items():
        _Fold(constants, constants[name]).visit(tree)
        tree.body = [node for node in tree.body if not _is_private_constant(node, constants[name])]
    return trees


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


def _is_private_constant(node: ast.stmt, constants: Mapping[str, int]) -> bool:
    if not (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)):
        return False
    return node.targets[0].id.startswith("_") and node.targets[0].id in constants


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


def _drop_imports(tree: ast.Module) -> None:
    """Take out what is imported and not used any more."""
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    for node in list(tree.body):
        if isinstance(node, ast.ImportFrom | ast.Import):
            node.names = [alias for alias in node.names if (alias.asname or alias.name) in used]
            if not node.names:
                tree.body.remove(node)


# What nothing names


def _drop_unnamed(trees: Trees, root: str) -> None:
    """Leave out definitions that nothing names, until nothing changes."""
    changed = True
    while changed:
        changed = False
        found = [
            node for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.Attribute)
        ]
        members = {node.attr for node in found}
        dotted = {f"{node.value.id}.{node.attr}" for node in found if isinstance(node.value, ast.Name)}
        wanted = {root, *_imports_of(trees)}
        for module, tree in list(trees.items()):
            last = module.rpartition(".")[2]
            for node in list(tree.body):
                name = _bound_by(node)
                others = [part for other in tree.body if other is not node for part in ast.walk(other)]
                if name is None or any(isinstance(part, ast.Name) and part.id == name for part in others):
                    keep = True
                else:
                    keep = f"{module}.{name}" in wanted or f"{last}.{name}" in dotted
                if not keep:
                    tree.body.remove(node)
                    changed = True
                elif isinstance(node, ast.ClassDef):
                    for method in [part for part in node.body if isinstance(part, _DEFINITIONS)]:
                        if method.name not in members and method.name[:2] != "__":
                            node.body.remove(method)
                            changed = True
            _drop_imports(tree)


def _bound_by(node: ast.stmt) -> str | None:
    """The one name that a definition or a plain assignment at the top binds."""
    if isinstance(node, _DEFINITIONS):
        return node.name
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    return None


def _imports_of(trees: Trees) -> Iterator[str]:
    for tree in trees.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module is not None:
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


# Short names


def _short_names(taken: set[str]) -> Iterator[str]:
    letters = "abcdefghijklmnopqrstuvwxyz"
    names = ["_" + letter for letter in letters]
    names += ["_" + first + second for first in letters for second in letters]
    return (name for name in names if name not in taken)


def _shorten_members(
    tree: ast.Module,
    foreign: Collection[str],
    outside: Collection[str] | None = None,
    family: Collection[str] = (),
) -> None:
    """Rename what only a class itself uses; the same short names serve every class.

    ``foreign`` are names used on other objects. Without ``outside`` only what is marked private counts, for
    others may use the rest. Classes of a ``family`` stay as they are.
    """
    for node in [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name not in family]:
        names = set()
        for part in ast.walk(node):
            if isinstance(part, _FUNCTIONS):
                names.add(part.name)
            elif isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Store):
                names.add(part.attr)
        names = {name for name in names if not name.startswith("__")} - set(foreign)
        if outside is None:
            names = {name for name in names if name.startswith("_")}
        else:
            names -= set(outside)
        short = dict(zip(sorted(names), _short_names(set()), strict=False))
        for part in ast.walk(node):
            if isinstance(part, ast.Attribute) and part.attr in short:
                part.attr = short[part.attr]
            elif isinstance(part, _FUNCTIONS) and part.name in short:
                part.name = short[part.name]


def _shorten_public(tree: ast.Module, outside: Collection[str]) -> None:
    """Rename what classes show to each other: one name is one name in all, for nobody knows the receivers."""
    attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    methods = [node for owner in classes for node in owner.body if isinstance(node, _FUNCTIONS)]
    ours = {node.name for node in methods} | {
        node.attr for node in attributes if isinstance(node.ctx, ast.Store)
    }
    ours = {name for name in ours if not name.startswith("_") and name not in outside}
    taken = {node.attr for node in attributes} | {node.name for node in methods}
    short = dict(zip(sorted(ours), _short_names(taken), strict=False))
    for attribute in attributes:
        attribute.attr = short.get(attribute.attr, attribute.attr)
    for method in methods:
        method.name = short.get(method.name, method.name)


def _shorten_arguments(tree: ast.Module, trees: Iterable[ast.Module]) -> None:
    """Rename the arguments of functions that nobody passes by name."""
    everything = [node for one in trees for node in ast.walk(one)]
    by_name = {node.arg for node in everything if isinstance(node, ast.keyword)}
    for function in [node for node in ast.walk(tree) if isinstance(node, _FUNCTIONS)]:
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
            if isinstance(node, _FUNCTIONS) and node is not function
            for argument in node.args.args
        }
        names = [argument.arg for argument in function.args.args if argument.arg != "self"]
        short = {}
        free = _short_names(taken)
        for name in names:
            if name not in by_name and name not in inner and len(name) > 2:
                short[name] = next(free)
        for node in ast.walk(function):
            if isinstance(node, ast.Name) and node.id in short:
                node.id = short[node.id]
            elif isinstance(node, ast.arg) and node.arg in short and node in function.args.args:
                node.arg = short[node.arg]


# One module


def _joined(trees: Trees, root: str) -> ast.Module:
    """All modules in the order in which they need each other, each name of theirs unique."""
    tops = {module: _top_names(tree, set(trees)) for module, tree in trees.items()}
    taken = {node.id for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.Name)}
    taken |= {"self"}
    free = _short_names(taken)
    new: dict[str, str] = {}
    for module, names in tops.items():
        for name in sorted(names):
            new[f"{module}.{name}"] = name if f"{module}.{name}" == root else next(free)
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


def _packages(trees: Trees) -> set[str]:
    return {module.split(".")[0] for module in trees}


def _top_names(tree: ast.Module, modules: set[str]) -> set[str]:
    names = set()
    for node in tree.body:
        if isinstance(node, _DEFINITIONS):
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
        for name in sorted(set(_imports_of({module: trees[module]}))):
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
        if not isinstance(node, _DEFINITIONS):
            waiting.extend(ast.iter_child_nodes(node))
