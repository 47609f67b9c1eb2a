"""Four simulated devices, strict promotion, fresh random numbers in every run."""

import atexit
import os
import secrets
import shutil
import tempfile

os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=4"
)

import jax
import jaxtyping
import numpy as np
import pytest

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_default_matmul_precision", "highest")

# Tests compile the same programs: both processes of a run, and the processes that
# tests start, read what one of them has compiled.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, os.environ["JAX_COMPILATION_CACHE_DIR"])
jax.config.update("jax_compilation_cache_dir", os.environ["JAX_COMPILATION_CACHE_DIR"])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)

SEED = int(os.environ.get("FXAI_JAX_TEST_SEED", secrets.randbelow(2**31)))


def pytest_report_header():
    return f"random inputs: FXAI_JAX_TEST_SEED={SEED}"


@pytest.fixture
def rng(request):
    """A generator that differs between tests and runs; the header prints the seed."""
    return np.random.default_rng([SEED, *request.node.name.encode()])


@pytest.fixture
def key(rng):
    """A fresh typed key."""
    return jax.random.key(int(rng.integers(2**31)))


@pytest.fixture
def unchecked():
    """Switches the type checks off, to see the message a user gets without them."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
