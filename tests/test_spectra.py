import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fxai_jax.spectra import half_spectrum, image_without

SIZES = [(8, 8), (7, 9), (6, 11), (9, 4)]


@pytest.fixture(params=SIZES)
def image(request, rng):
    return rng.uniform(size=(*request.param, 3)).astype(np.float32)


def test_equals_the_fourier_transform(image):
    found = np.asarray(half_spectrum(jnp.asarray(image)))
    expected = np.fft.rfft2(image.astype(float), axes=(0, 1)).transpose(2, 1, 0)
    np.testing.assert_allclose(found[:, :, 0], expected.real, atol=3e-5)
    np.testing.assert_allclose(found[:, :, 1], expected.imag, atol=3e-5)


def test_masks_without_symmetry_act_as_on_the_whole_spectrum(image, rng):
    removed = rng.uniform(size=image.shape[:2]) < 0.4
    found = image_without(half_spectrum(jnp.asarray(image)), jnp.asarray(removed))
    spectrum = np.fft.fft2(image.astype(float), axes=(0, 1))
    left = np.where(np.fft.ifftshift(removed)[..., None], 0, spectrum)
    expected = np.fft.ifft2(left, axes=(0, 1)).real
    np.testing.assert_allclose(found, expected, atol=3e-6)


def test_whole_faces_are_exact_to_two_millionths(rng):
    image = rng.uniform(size=(112, 112, 3)).astype(np.float32)
    nothing = jnp.zeros((112, 112), bool)
    found = image_without(half_spectrum(jnp.asarray(image)), nothing)
    np.testing.assert_allclose(found, image, atol=2e-6)


def test_doubles_stay_doubles_and_halves_are_computed_in_float32(image):
    with jax.enable_x64(True):
        double = jnp.asarray(image, jnp.float64)
        nothing = jnp.zeros(image.shape[:2], bool)
        same = image_without(half_spectrum(double), nothing)
        np.testing.assert_allclose(same, double, atol=1e-13)
    assert half_spectrum(jnp.asarray(image, jnp.bfloat16)).dtype == jnp.float32
