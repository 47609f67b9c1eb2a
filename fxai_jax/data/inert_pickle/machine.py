"""A machine that records what a pickle asks for and does none of it.

A pickle is a program. Python's unpicklers run it: however `find_class` is restricted,
they call what is on the stack and set attributes of it, and the C one allocates what a
forged memo index asks for. This machine has no operation that calls, imports or sets
anything: REDUCE, NEWOBJ and BUILD write a `Node`, GLOBAL a `Global`, a persistent id a
`PersistentId`. Values from the file are neither hashed nor compared, so nested tuples
and colliding keys cost nothing.
"""

from typing import Any

from fxai_jax.data.inert_pickle.nodes import (
    DICT,
    Global,
    Node,
    PersistentId,
    RefusedPickle,
)

MAX_IMPORT = 512
"""Most characters of a name to import."""


class Machine:
    """A stack, a memo, and the operations of the opcodes that are allowed."""

    def __init__(self, max_memo: int):
        self.max_memo = max_memo
        self.stack: list[Any] = []
        self.outer_stacks: list[list[Any]] = []
        self.memo: dict[int, object] = {}
        self.globals_seen: dict[Global, None] = {}
        self.persistent_ids: list[PersistentId] = []

    def push(self, value: object) -> None:
        """Puts a value on the stack."""
        self.stack.append(value)

    def mark(self, _) -> None:
        """Starts a stack of its own for the items of a collection."""
        self.outer_stacks.append(self.stack)
        self.stack = []

    def pop_mark(self, _=None) -> list[Any]:
        """Ends that stack and returns its items."""
        items, self.stack = self.stack, self.outer_stacks.pop()
        return items

    def pop(self, _) -> None:
        """Drops one value, or a mark."""
        if self.stack:
            self.stack.pop()
        else:
            self.pop_mark()

    def duplicate(self, _) -> None:
        """Repeats the topmost value."""
        self.push(self.stack[-1])

    def memoize(self, index: int | None) -> None:
        """Remembers the topmost value under an index, or the next free one."""
        index = len(self.memo) if index is None else index
        if index >= self.max_memo:
            raise RefusedPickle(f"forged pickle: it memoizes entry {index}")
        self.memo[index] = self.stack[-1]

    def recall(self, index: int) -> None:
        """Repeats a remembered value."""
        if index not in self.memo:
            raise RefusedPickle(f"damaged pickle: it has no memo entry {index}")
        self.push(self.memo[index])

    def tuple_of(self, count: int) -> None:
        """Joins the topmost values."""
        items = tuple(self.stack.pop() for _ in range(count))
        self.push(items[::-1])

    def named(self, names: tuple[str, str]) -> None:
        """Records a name to import; it becomes an inert `Global`."""
        found = Global(*names)
        if not str(found).isprintable() or len(str(found)) > MAX_IMPORT:
            raise RefusedPickle("forged pickle: it imports an unprintable name")
        self.globals_seen[found] = None
        self.push(found)

    def named_on_stack(self, _) -> None:
        """Records a name whose parts lie on the stack."""
        name, module = self.stack.pop(), self.stack.pop()
        if not (isinstance(name, str) and isinstance(module, str)):
            raise RefusedPickle("damaged pickle: it imports what is not a name")
        self.named((module, name))

    def persistent(self, _) -> None:
        """Records a persistent id."""
        found = PersistentId(self.stack.pop())
        self.persistent_ids.append(found)
        self.push(found)

    def make(self, extra_arguments: int) -> None:
        """Records a call or construction; nothing is called."""
        extra = [self.stack.pop() for _ in range(extra_arguments)]
        args, maker = self.stack.pop(), self.stack.pop()
        if not isinstance(args, tuple):
            raise RefusedPickle(
                f"damaged pickle: the arguments of a call are a {type(args).__name__}"
            )
        self.push(Node(maker, (*args, *extra)))

    def make_from_mark(self, _) -> None:
        """Records a construction whose class and arguments follow a mark."""
        maker, *args = self.pop_mark() or [None]
        self.push(Node(maker, tuple(args)))

    def build(self, _) -> None:
        """Records the state of an object; no attribute is set."""
        state = self.stack.pop()
        self.node("BUILD").state = state

    def set_items(self, flat: list[Any]) -> None:
        """Records items of a dictionary or any object, given flat."""
        node = self.node("SETITEMS")
        if len(flat) % 2:
            raise RefusedPickle("damaged pickle: a key without a value")
        node.pairs = node.pairs or []
        node.pairs.extend(zip(flat[::2], flat[1::2], strict=True))

    def append_items(self, items: list[Any]) -> None:
        """Appends to a list, or records items of any object."""
        target = self.stack[-1]
        if not isinstance(target, list):
            node = self.node("APPENDS")
            target = node.items = node.items or []
        target.extend(items)

    def node(self, opcode: str) -> Node:
        """The topmost value, which must be a record to write into."""
        target = self.stack[-1]
        if not isinstance(target, Node):
            raise RefusedPickle(
                f"damaged or forged pickle: {opcode} on a {type(target).__name__}"
            )
        return target

    def one_pair(self, _) -> None:
        """Records one item."""
        value, key = self.stack.pop(), self.stack.pop()
        self.set_items([key, value])

    def dict_from_mark(self, _) -> None:
        """Makes a dictionary of the items after a mark."""
        flat = self.pop_mark()
        self.push(Node(DICT))
        self.set_items(flat)
