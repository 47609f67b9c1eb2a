import jax
import jax.numpy as jnp
import numpy as np

from fxai_jax.runs import compiling
from fxai_jax.runs.compiling import NUMBER, compile_timed, face_shape


def test_a_compiled_function_takes_new_arguments_of_the_same_shape(rng):
    def scaled(image, *, factor):
        return factor * image.sum()

    compiled, seconds = compile_timed(scaled, face_shape((4, 5)), factor=NUMBER)
    image = rng.uniform(size=(4, 5, 3)).astype(np.float32)
    found = compiled(image, factor=np.float32(3))
    np.testing.assert_allclose(found, 3 * image.sum(), rtol=1e-5)
    assert seconds > 0


def test_the_precision_reaches_the_program(monkeypatch):
    texts = []
    compile_ = jax.stages.Lowered.compile

    def spied(self, *args, **options):
        texts.append(self.as_text())
        return compile_(self, *args, **options)

    monkeypatch.setattr(jax.stages.Lowered, "compile", spied)
    square = jnp.ones((4, 4))
    with jax.default_matmul_precision("bfloat16"):
        compile_timed(jnp.matmul, square, square)
        jax.jit(jnp.matmul).lower(square, square).compile()
    assert "HIGHEST" in texts[0]
    assert "HIGHEST" not in texts[1]
    assert compiling.PRECISION == "highest"
