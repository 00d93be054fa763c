"""Where the checks of a verifier are, and its source without one of them.

A mutant takes out one check and changes nothing else: what it still checks, reads and draws is what it was.

    raise      a `raise` of a typed error does nothing
    require    a call that demands something (`require`, `check`, `rule`, ..) does nothing
    part       of a demanded conjunction, a refused disjunction or a chain of comparisons, one member is left out
    answer     a predicate that checks ask is answered yes, or one member of its conjunction is left out
    constraint a constraint on hidden values is recorded as 0 = 0, so that the proof keeps its form
    claim      a claim on a commitment is recorded as 0 = 0, likewise
    absorb     the transcript does not hear a message
    bind       one part of the statement that a transcript starts from is left empty
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

DEMANDS = {"require", "require_range", "require_hex", "_require", "need", "check", "rule", "within"}
CHECKS = {
    "check_sizes",
    "check_statement",
    "check_chain",
    "check_expected",
    "check_weights",
    "check_data",
    "check_bounds",
}
CHECKS |= {"validate", "_validate_model", "_validate_schedule", "_validate_initial_weights", "_validate_scales"}
CHECKS |= {
    "_validate_limbs",
    "_validate_states",
    "check_used_up",
    "sacrifice",
    "finish",
    "check_grind",
    "expect",
    "work",
}
CHECKS |= {"verify_multiproof", "verify_columns", "_check_product", "_report", "columns"}
CONSTRAINTS = {"require_zero": "*", "zero": "*"}
CLAIM_LISTS = {"claims", "target", "auxiliary"}


@dataclass(frozen=True)
class Mutant:
    """One check that is taken out. number: which of the places of this kind in its function, counted from 0."""

    module: str
    function: str
    kind: str
    number: int
    line: int
    text: str

    @property
    def name(self) -> str:
        return f"{self.module}:{self.function}:{self.kind}:{self.number}"


@dataclass
class _Site:
    kind: str
    node: ast.AST
    shown: ast.AST
    function: str
    member: int = 0


def _called(node: ast.AST) -> str:
    if not isinstance(node, ast.Call):
        return ""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _members(test: ast.expr, joined_by: type[ast.boolop]) -> int:
    """How many members can be left out: operands of the junction, or the comparisons of a chain."""
    if isinstance(test, ast.BoolOp) and isinstance(test.op, joined_by):
        return len(test.values)
    if isinstance(test, ast.Compare) and len(test.ops) > 1 and joined_by is ast.And:
        return len(test.ops)
    return 0


def _nested(test: ast.expr, joined_by: type[ast.boolop]) -> Iterator[ast.expr]:
    """Junctions whose members count one by one: the test itself, and what stands in `all(.. for ..)` or below `not`."""
    if _members(test, joined_by) > 1:
        yield test
        for value in test.values if isinstance(test, ast.BoolOp) else []:
            yield from _nested(value, joined_by)
    elif isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        yield from _nested(test.operand, ast.Or if joined_by is ast.And else ast.And)
    elif _called(test) in ("all", "bool") and isinstance(test, ast.Call):
        inner = test.args[0]
        yield from _nested(inner.elt if isinstance(inner, ast.GeneratorExp) else inner, joined_by)


class _Finder(ast.NodeVisitor):
    """All sites of a module, in the order of the source."""

    def __init__(self, left_out: frozenset[str]) -> None:
        self.left_out, self.path, self.sites = left_out, [], []
        self.path: list[str]
        self.sites: list[_Site]

    def add(self, kind: str, node: ast.AST, shown: ast.AST, member: int = 0) -> None:
        self.sites.append(_Site(kind, node, shown, ".".join(self.path), member))

    def parts(self, test: ast.expr, joined_by: type[ast.boolop], kind: str = "part") -> None:
        for junction in _nested(test, joined_by):
            inner = ast.And if isinstance(junction, ast.Compare) else type(junction.op)  # type: ignore[attr-defined]  # a BoolOp
            for member in range(_members(junction, inner)):
                self.add(kind, junction, junction, member)

    def _scope(self, node: ast.FunctionDef | ast.ClassDef) -> None:
        if node.name in self.left_out or ".".join([*self.path, node.name]) in self.left_out:
            return
        self.path.append(node.name)
        self.generic_visit(node)
        self.path.pop()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:  # noqa: N802 - name given by ast
        if isinstance(node.returns, ast.Name) and node.returns.id == "bool" and node.name not in self.left_out:
            self.path.append(node.name)
            for found in ast.walk(node):
                if isinstance(found, ast.Return) and found.value is not None:
                    self.add("answer", found, found)
                    self.parts(found.value, ast.And, "answer")
            self.path.pop()
        self._scope(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:  # noqa: N802 - name given by ast
        self._scope(node)

    def visit_Raise(self, node: ast.Raise) -> None:  # noqa: N802 - name given by ast
        if node.exc is not None:
            self.add("raise", node, node)

    def visit_If(self, node: ast.If) -> None:  # noqa: N802 - name given by ast
        if any(isinstance(inside, ast.Raise) for inside in node.body):
            self.parts(node.test, ast.Or)
        self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> None:  # noqa: N802 - name given by ast
        name, call = _called(node.value), node.value
        if isinstance(call, ast.Call):
            if name in DEMANDS | CHECKS:
                self.add("require", node, call)
                if call.args and name in DEMANDS:
                    self.parts(call.args[0], ast.And)
            elif name in CONSTRAINTS:
                self.add("constraint", call, call)
                if call.args and isinstance(call.args[0], ast.Dict):
                    for place, key in enumerate(call.args[0].keys):
                        self.add("part", call.args[0], key or call, place)
            elif name == "absorb" or name == "public" and len(call.args) == 2:
                self.add("absorb", node, call)
            elif (
                name == "add"
                and isinstance(call.func, ast.Attribute)
                and getattr(call.func.value, "id", "") in CLAIM_LISTS
            ):
                self.add("claim", call, call)
            elif (
                name == "append"
                and isinstance(call.func, ast.Attribute)
                and getattr(call.func.value, "id", "") == "claims"
            ):
                self.add("claim", call, call.args[0])
        self.generic_visit(node)

    def visit_List(self, node: ast.List) -> None:  # noqa: N802 - name given by ast
        for place, element in enumerate(node.elts):
            if _called(element) in ("Claim", "link_claim"):
                self.add("claim", node, element, place)
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:  # noqa: N802 - name given by ast
        targets = {name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)}
        names = {"parts", "sizes", "codes"} & targets
        if names and isinstance(node.value, ast.List | ast.Tuple) and "statement" in "".join(self.path):
            for place, element in enumerate(node.value.elts):
                if not isinstance(element, ast.Starred) and "parts" in names:
                    self.add("bind", node.value, element, place)
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:  # noqa: N802 - name given by ast
        if getattr(node.target, "id", "") == "parts" and isinstance(node.value, ast.List):
            for place, element in enumerate(node.value.elts):
                if not isinstance(element, ast.Call) or _called(element) != "Part":
                    self.add("bind", node.value, element, place)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:  # noqa: N802 - name given by ast
        if _called(node) == "framed" and node.args and isinstance(node.args[0], ast.List):
            for place, element in enumerate(node.args[0].elts):
                if not isinstance(element, ast.Starred):
                    self.add("bind", node.args[0], element, place)
        self.generic_visit(node)


def _find(module: str, tree: ast.Module, left_out: frozenset[str]) -> list[tuple[Mutant, _Site]]:
    finder = _Finder(left_out)
    finder.visit(tree)
    counts: dict[tuple[str, str], int] = {}
    found = []
    for site in finder.sites:
        key = site.function, site.kind
        number = counts[key] = counts.get(key, -1) + 1
        text = " ".join(ast.unparse(site.shown).split())
        if site.kind in ("part", "answer") and _parts_of(site.node):
            text = f"{ast.unparse(_parts_of(site.node)[site.member])}  in  {text}"
        line = getattr(site.shown, "lineno", 0)
        found.append((Mutant(module, site.function, site.kind, number, line, text[:160]), site))
    return found


def _parts_of(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.BoolOp):
        return node.values
    if isinstance(node, ast.Compare):
        chain = [node.left, *node.comparators]
        return [ast.Compare(chain[i], [op], [chain[i + 1]]) for i, op in enumerate(node.ops)]
    return []


def mutants(module: str, source: str, left_out: frozenset[str] = frozenset()) -> list[Mutant]:
    """All mutants of a module. left_out: functions and classes that are none of the verifier's."""
    return [mutant for mutant, _ in _find(module, ast.parse(source), left_out)]


class _Replace(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        return self.new if node is self.old else super().generic_visit(node)


def _expression(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def _neutral_claim(call: ast.Call) -> ast.Call:
    """value * 0 on no rows: main's `claims.add(value, parts)`, or an element of the other verifier's list of claims."""
    new = copy.copy(call)
    if _called(call) == "add":
        new.args = [
            _expression("__import__('zkdl.hiding.ledger', fromlist=['constant']).constant(0)"),
            _expression("[]"),
        ]
    else:
        new.args = [_expression("Claim(Hidden(ZERO), [])")]
    new.keywords = []
    return new


def _without(site: _Site) -> ast.AST:
    node = site.node
    if site.kind in ("raise", "require", "absorb"):
        return ast.Pass()
    if isinstance(node, ast.Dict):
        places = [i for i in range(len(node.keys)) if i != site.member]
        return ast.Dict([node.keys[i] for i in places], [node.values[i] for i in places])
    if site.kind in ("part", "answer") and _parts_of(node):
        kept = [part for i, part in enumerate(_parts_of(node)) if i != site.member]
        op = node.op if isinstance(node, ast.BoolOp) else ast.And()
        return kept[0] if len(kept) == 1 else ast.BoolOp(op, kept)
    if site.kind == "answer":
        return ast.Return(ast.Constant(True))
    if site.kind == "constraint" and isinstance(node, ast.Call):
        new = copy.copy(node)
        new.args = [ast.BinOp(node.args[0], ast.Mult(), ast.Constant(0))]
        return new
    if site.kind == "claim" and isinstance(node, ast.Call):
        return _neutral_claim(node)
    if isinstance(node, ast.List | ast.Tuple):
        new_list = copy.copy(node)
        empty = _expression("Claim(Hidden(ZERO), [])" if site.kind == "claim" else "b''")
        new_list.elts = [empty if i == site.member else element for i, element in enumerate(node.elts)]
        return new_list
    raise ValueError(f"no mutant of {ast.unparse(node)}")


def mutate_all(chosen: Sequence[Mutant], source: str) -> ast.Module:
    """The module without these checks, each of them named as of the unchanged source."""
    tree, names = ast.parse(source), {mutant.name for mutant in chosen}
    # Left-out functions as well: a forger leaves the check out on the prover's side.
    sites = [site for found, site in _find(chosen[0].module, tree, frozenset()) if found.name in names]
    if len(sites) != len(names):
        raise ValueError(f"no such mutants: {names}")
    for site in sites:
        tree = _Replace(site.node, _without(site)).visit(tree)
    return ast.fix_missing_locations(tree)


def module_path(source: Path, module: str) -> Path:
    """The file of a module below the folder of the sources."""
    return source.joinpath(*module.split(".")).with_suffix(".py")
