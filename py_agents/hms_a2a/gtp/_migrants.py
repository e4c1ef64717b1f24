"""Trees of genes as bytes, for islands to exchange; what comes from another island is read strictly and bounded."""

from __future__ import annotations

import re

import msgspec
from flint import fmpq

from hms_a2a.gtp._genes import DEEPEST, Branch, Open, Tree, depth
from hms_a2a.gtp._poly import Poly
from hms_a2a.gtp._shapes import Shape

MOST_TREES = 8
MOST_BYTES = 64 * 1024
_MOST_NODES = 256
_MOST_TERMS = 64
_MOST_DEGREE = 32
_RATIO = re.compile(r"-?[0-9]{1,60}(/[1-9][0-9]{0,59})?")

#: A node: a split's terms, or None at a leaf; and a leaf's shape.
_Terms = list[tuple[str, list[int]]]


class _Node(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    split: _Terms | None
    shape: tuple[int, int, int, bool, bool, bool, bool, bool] | None


class _Individual(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    view: int
    nodes: list[_Node]


_reader = msgspec.msgpack.Decoder(list[_Individual])


def write_trees(trees: list[tuple[int, Tree]]) -> bytes:
    """Trees, each with its view. Squares of a leaf's own stay at home: they name hypotheses by index in their view."""
    return msgspec.msgpack.encode([_Individual(view, _nodes(tree)) for view, tree in trees[:MOST_TREES]])


def read_trees(body: bytes, n: int) -> list[tuple[int, Tree]]:
    """What another island sent. Raises `ValueError`."""
    if len(body) > MOST_BYTES:
        raise ValueError(f"migrants of {len(body)} bytes; at most {MOST_BYTES} are read")
    try:
        individuals = _reader.decode(body)
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from error
    if len(individuals) > MOST_TREES:
        raise ValueError(f"{len(individuals)} migrants; at most {MOST_TREES} are read")
    return [(individual.view, _tree(individual.nodes, n)) for individual in individuals]


def _nodes(tree: Tree) -> list[_Node]:
    if isinstance(tree, Open):
        s = tree.shape
        how = (s.squares, s.crossed, s.binomials, s.sparse, s.bernstein)
        return [_Node(None, (s.degree, s.factors, s.multiplier, *how))]
    terms = [(str(c), list(m)) for m, c in tree.on.ordered()]
    return [_Node(terms, None), *_nodes(tree.above), *_nodes(tree.below)]


def _tree(nodes: list[_Node], n: int) -> Tree:
    if not 1 <= len(nodes) <= _MOST_NODES:
        raise ValueError(f"a tree of {len(nodes)} nodes")
    waiting = list(reversed(nodes))

    def grow(level: int) -> Tree:
        if not waiting or level > DEEPEST:
            raise ValueError("a tree that does not end")
        node = waiting.pop()
        if node.split is not None:
            on = _poly(node.split, n)
            above = grow(level + 1)
            return Branch(on, above, grow(level + 1))
        if node.shape is None:
            raise ValueError("a leaf without a shape")
        degree, factors, multiplier, *_ = node.shape
        if not (1 <= degree <= _MOST_DEGREE and 0 <= factors <= _MOST_DEGREE and -1 <= multiplier <= _MOST_DEGREE):
            raise ValueError("a shape beyond its limits")
        return Open(Shape(*node.shape))

    tree = grow(0)
    if waiting or depth(tree) > DEEPEST:
        raise ValueError("nodes follow the tree")
    return tree


def _poly(terms: _Terms, n: int) -> Poly:
    if not 1 <= len(terms) <= _MOST_TERMS:
        raise ValueError(f"a split of {len(terms)} terms")
    read = {}
    for text, exponents in terms:
        if len(exponents) != n or min(exponents, default=0) < 0 or sum(exponents) > _MOST_DEGREE:
            raise ValueError("a split in other variables")
        if not _RATIO.fullmatch(text):
            raise ValueError("a split with a coefficient that is none")
        top, _, bottom = text.partition("/")
        read[tuple(exponents)] = fmpq(int(top), int(bottom or 1))
    poly = Poly(n, read)
    if poly.is_constant:
        raise ValueError("a split on a constant")
    return poly
