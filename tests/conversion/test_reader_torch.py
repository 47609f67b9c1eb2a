"""The reader against PyTorch, bit for bit."""

import warnings
from argparse import Namespace
from collections import OrderedDict

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from fxai_conversion.containers.reader import read  # noqa: E402
from fxai_conversion.refusals import UnreadableCheckpoint  # noqa: E402

pytestmark = pytest.mark.torch
CONTAINERS = pytest.mark.parametrize("container", ["zip", "legacy"])


@pytest.fixture(autouse=True)
def seeded(rng):
    torch.manual_seed(int(rng.integers(2**31)))


@pytest.fixture
def saved(tmp_path):
    def save(value, container="zip", **options):
        path = tmp_path / "model.pth"
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Couldn't retrieve source code")
            torch.save(
                value,
                path,
                _use_new_zipfile_serialization=container == "zip",
                **options,
            )
        return path

    return save


def raw_bytes(tensor):
    return tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def same(found, expected):
    assert list(found) == list(expected)
    for key, tensor in expected.items():
        assert found[key].dtype.name == str(tensor.dtype).removeprefix("torch.")
        assert found[key].shape == tuple(tensor.shape)
        assert found[key].tobytes() == raw_bytes(tensor)
        assert found[key].flags.owndata


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.PReLU(4))
        self.tied = self.body[0]
        self.fc = nn.Linear(4, 2)
        self.scratch = torch.ones(3)
        self.register_buffer("grid", torch.arange(5), persistent=False)
        self.register_buffer("absent", None)
        self.register_parameter("missing", None)

    def forward(self, x):
        return self.fc(self.body(x).mean((2, 3)))


@CONTAINERS
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_state_dicts(saved, container, protocol):
    state = Net().state_dict()
    path = saved(state, container, pickle_protocol=protocol)
    found = read(path, strict_pickle=True)
    same(found.tensors, state)
    assert (found.container, found.layout) == (container, "state dict")


@CONTAINERS
def test_types_shapes_and_views(saved, container):
    base = torch.randn(6, 8)
    tensors = {
        "transposed": base.T,
        "sliced": base[1:5:2, 3:],
        "column": base[:, 2],
        "expanded": base[:1].expand(3, 8),
        "whole": base,
        "scalar": torch.tensor(7),
        "empty": torch.empty(0, 3),
        "none": torch.empty(0),
        "channels_last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "parameter": nn.Parameter(torch.randn(3)),
    }
    kinds = "float64 float16 bfloat16 int64 int32 int16 int8 uint8 bool complex64"
    for kind in [*kinds.split(), "complex128"]:
        tensors[kind] = (torch.randn(5) * 9).to(getattr(torch, kind))
    tensors["special"] = torch.tensor([float("nan"), float("-inf"), -0.0, 1e-45])
    same(read(saved(tensors, container)).tensors, tensors)


@CONTAINERS
def test_whole_modules_have_the_names_of_their_state_dict(saved, container):
    for net in (Net(), nn.DataParallel(nn.Sequential(Net(), nn.Linear(2, 2)))):
        found = read(saved(net, container))
        same(found.tensors, net.state_dict())
        assert found.layout == "whole module"
        with pytest.raises(UnreadableCheckpoint, match="strict_pickle"):
            read(saved(net, container), strict_pickle=True)


@CONTAINERS
def test_training_checkpoints(saved, container):
    net = Net()
    optimiser = torch.optim.Adam(net.parameters())
    net(torch.randn(2, 3, 5, 5)).sum().backward()
    optimiser.step()
    checkpoint = {
        "pytorch-lightning_version": "2.0",
        "epoch": 3,
        "state_dict": net.state_dict(),
        "hyper_parameters": Namespace(size=torch.Size([2]), dtype=torch.float16),
        "optimizer_states": [optimiser.state_dict()],
        "lr": 0.1,
    }
    found = read(saved(checkpoint, container))
    assert found.layout == "lightning"
    moment = optimiser.state_dict()["state"][0]["exp_avg"]
    key = "optimizer_states.0.state.0.exp_avg"
    assert found.tensors[key].tobytes() == raw_bytes(moment)
    state = {f"state_dict.{k}": v for k, v in net.state_dict().items()}
    same({k: v for k, v in found.tensors.items() if k in state}, state)


def test_ordered_parameters_and_modules_in_dictionaries(saved):
    net = Net()
    parameters = OrderedDict(net.named_parameters())
    found = read(saved({"net": net, "parameters": parameters}))
    expected = {f"net.{k}": v for k, v in net.state_dict().items()}
    same(
        found.tensors,
        expected | {f"parameters.{k}": v for k, v in parameters.items()},
    )
    assert found.layout == "nested"


def test_torchscript(tmp_path):
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(net, torch.randn(1, 3, 5, 5))
        torch.jit.save(traced, str(tmp_path / "model.pt"))
    found = read(tmp_path / "model.pt")
    assert found.layout == "torchscript"
    state = net.state_dict()
    assert found.tensors.keys() == state.keys()
    same({key: found.tensors[key] for key in state}, state)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: torch.eye(3).to_sparse(), "_rebuild_sparse_tensor"),
        (lambda: torch.eye(3).to_sparse_csr(), "_rebuild_sparse"),
        (
            lambda: torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8),
            "quantised",
        ),
        (lambda: torch.empty(3, device="meta"), "_rebuild_meta_tensor"),
        (lambda: torch.ones(3, dtype=torch.complex64).conj(), "conjugation"),
        (lambda: torch.ones(3).to(torch.float8_e4m3fn), "_rebuild_tensor_v3"),
    ],
)
def test_tensors_that_are_not_dense_and_strided(saved, make, reason):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = saved({"w": make()})
    with pytest.raises(UnreadableCheckpoint, match=reason):
        read(path)


def test_tensors_with_attributes_are_refused(saved):
    tensor = torch.ones(3)
    tensor.note = "kept"
    with pytest.raises(UnreadableCheckpoint, match="_rebuild_from_type_v2"):
        read(saved({"w": tensor}))


def test_safetensors(tmp_path):
    files = pytest.importorskip("safetensors.torch")
    kinds = "float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 bool"
    state = {
        kind: (torch.randn(3, 2) * 9).to(getattr(torch, kind)) for kind in kinds.split()
    }
    state |= {"scalar": torch.tensor(3), "empty": torch.empty(0, 4)}
    files.save_file(state, tmp_path / "model.safetensors", metadata={"format": "pt"})
    found = read(tmp_path / "model.safetensors")
    assert found.container == "safetensors"
    same(dict(sorted(found.tensors.items())), dict(sorted(state.items())))
