"""What stands beside a network in its file: classifiers, averages, state of training.

None of it says what the network is, so none of it decides a recipe; it is left out by
name. A network lacks nothing then: every leaf of it must still be found.
"""

import re
from collections.abc import Callable

CLASSIFIER = "classifier of the training identities"

_WRAPPERS = r"((state_dict|module|model|net|network)\.)*"
_HEADS = r"""head heads margin margins margin_loss arc_margin arcface cosface adaface
magface am_softmax classifier classifiers cls cls_head fc fc_head parallel_fc partial_fc
module_partial_fc softmax_fc metric metric_fc logits loss loss_fn criterion"""
_HEAD = re.compile(
    rf"{_WRAPPERS}((state_dict_)?({'|'.join(_HEADS.split())})(\..+)?|kernel|weight|bias)"
)

_TRAINING = tuple(
    (re.compile(pattern), reason)
    for pattern, reason in (
        (r"(state_)?optim(izer)?(_states)?\..*", "state of the optimiser"),
        (r"(state_)?(lr_)?schedulers?\..*", "state of training"),
        (r"(callbacks|loops|scaler|amp)\..*", "state of training"),
        (r"(epoch|step|global_step|best_acc|rng_state)(\..*)?", "state of training"),
        (r"(.*\.)?(n_averaged|num_updates|decay)", "counts averaged steps"),
        (r"(.*\.)?(shadow|collected)_params(\..*)?", "averages without names"),
    )
)


def companion(name: str, prefix: str, is_own: Callable[[str], bool]) -> str | None:
    """Why a tensor that no network has is left out, or None for an unknown one.

    Args:
        name: Its name in the file.
        prefix: What stands before every name of the network.
        is_own: Whether a module below the prefix is one of the network's.

    Example:
        >>> companion("state_dict.head.kernel", "state_dict.model.", lambda _: False)
        'classifier of the training identities'
        >>> companion("decoder.weight", "", lambda _: False)
    """
    for pattern, reason in _TRAINING:
        if pattern.fullmatch(name):
            return reason
    return CLASSIFIER if _is_head(name, prefix, is_own) else None


def _is_head(name: str, prefix: str, is_own: Callable[[str], bool]) -> bool:
    """A head stands at any level of the wrappers, and in no module of the network."""
    if name.startswith(prefix):
        rest = name.removeprefix(prefix)
        return bool(_HEAD.fullmatch(rest)) and not is_own(rest.rpartition(".")[0])
    parts = prefix.split(".")[:-1]
    above = [
        ".".join([*parts[:level], ""]) if level else "" for level in range(len(parts))
    ]
    return any(
        name.startswith(place) and _HEAD.fullmatch(name.removeprefix(place))
        for place in above
    )
