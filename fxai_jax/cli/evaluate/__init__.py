"""``fxai-jax evaluate``: tables and curves over labelled pairs."""

from fxai_jax.cli.evaluate.faithfulness import evaluate_faithfulness
from fxai_jax.cli.evaluate.frequency import evaluate_frequency
from fxai_jax.cli.evaluate.localisation import evaluate_localisation
from fxai_jax.cli.evaluate.quality import evaluate_quality
from fxai_jax.cli.evaluate.sanity import evaluate_sanity
from fxai_jax.cli.evaluate.verification import evaluate_verification

EVALUATIONS = {
    "faithfulness": evaluate_faithfulness,
    "frequency": evaluate_frequency,
    "localisation": evaluate_localisation,
    "quality": evaluate_quality,
    "sanity": evaluate_sanity,
    "verification": evaluate_verification,
}
