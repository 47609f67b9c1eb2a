"""PyTorch's pickles as inert data: reading one, and what its objects hold."""

from fxai_conversion.refusals import UnreadableCheckpoint
from fxai_jax.data.inert_pickle.nodes import Global, Node, Pairs, Pickled, RefusedPickle
from fxai_jax.data.inert_pickle.unpickling import ByteStream, unpickle

MAX_OPCODES = 1_000_000
MAX_PICKLE_BYTES = 64 * 2**20

ORDERED_DICT = Global("collections", "OrderedDict")


def read_pickle(stream: ByteStream, nbytes: int) -> Pickled:
    """Reads one pickle of at most `nbytes` bytes, and leaves the stream after it."""
    try:
        return unpickle(
            stream,
            nbytes,
            max_opcodes=MAX_OPCODES,
            max_bytes=MAX_PICKLE_BYTES,
            writer="torch.save",
        )
    except RefusedPickle as error:
        raise UnreadableCheckpoint(str(error)) from error


def pairs_of(value: object) -> Pairs:
    """The items of a dictionary, of a subclass or of any object with set items."""
    if not isinstance(value, Node):
        return []
    if value.pairs or value.maker != ORDERED_DICT or not value.args:
        return value.pairs or []
    listed = value.args[0] if isinstance(value.args[0], list) else []
    return [(pair[0], pair[1]) for pair in listed if _is_pair(pair)]


def attributes_of(value: Node) -> dict[str, object]:
    """The named attributes of an object: its state, or the first part of it."""
    state = value.state
    pairs = pairs_of(state[0] if isinstance(state, tuple) and state else state)
    return {name: attribute for name, attribute in pairs if isinstance(name, str)}


def _is_pair(value: object) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2
