import jax
import jax.numpy as jnp
import numpy as np

from fxai_jax.runners import compiling
from fxai_jax.runners.compiling import compile_timed, face_shape, number


def test_a_compiled_function_takes_new_arguments_of_the_same_shape(rng):
    def scaled(image, *, factor):
        return factor * image.sum()

    compiled, seconds = compile_timed(scaled, face_shape((4, 5)), factor=number())
    image = rng.uniform(size=(4, 5, 3)).astype(np.float32)
    found = compiled(image, factor=np.float32(3))
    np.testing.assert_allclose(found, 3 * image.sum(), rtol=1e-5)
    assert seconds > 0


def test_the_precision_reaches_the_program(monkeypatch):
    texts = []
    lower = jax.stages.Lowered.compile
    monkeypatch.setattr(
        jax.stages.Lowered,
        "compile",
        lambda self, *a, **k: texts.append(self.as_text()) or lower(self, *a, **k),
    )
    square = jnp.ones((4, 4))
    compile_timed(jnp.matmul, square, square)
    compile_timed(jnp.matmul, square, square, precision="bfloat16")
    assert "HIGHEST" in texts[0]
    assert "HIGHEST" not in texts[1]
    assert compiling.PRECISION == "highest"
