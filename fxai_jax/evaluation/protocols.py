"""The protocols of `fxai_jax.evaluation.driver.evaluate`, by their names."""

from fxai_jax.evaluation.faithfulness import Faithfulness
from fxai_jax.evaluation.frequency import Frequency
from fxai_jax.evaluation.localisation import Localisation
from fxai_jax.evaluation.quality import Quality
from fxai_jax.evaluation.sanity import Sanity
from fxai_jax.evaluation.verification import Verification

PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Faithfulness,
        Frequency,
        Localisation,
        Quality,
        Sanity,
        Verification,
    )
}
