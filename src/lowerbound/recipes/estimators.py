"""The words of how gradients get past the sampling of z."""

from __future__ import annotations

from lowerbound.recipes.grammar import At, Word

#: what is expected of a signal, whatever the draw
BASELINES = {
    "moving-average": {"baseline": Word("vae.estimators.baselines:MovingAverage", "the mean of the batches before")},
    "leave-one-out": {"baseline": Word("vae.estimators.baselines:LeaveOneOut", "the mean of the other draws")},
}

#: those of categorical latents alone
OF_CLASSES = ("enumerated", "relaxed")

ESTIMATORS = {
    "pathwise": Word("vae.estimators.pathwise:Pathwise", "along the path of a reparameterised draw"),
    "doubly-reparameterized": Word("vae.estimators.pathwise:DoublyReparameterized", "the path alone: sticking the landing, DReG"),
    "enumerated": Word("vae.estimators.enumerated:Enumerated", "all values of a categorical z, each weighted by q(z|x): no noise"),
    "relaxed": Word("vae.estimators.relaxed:Relaxed", "Gumbel-softmax of a categorical z, straight through; biased", {"temperature": 0.5}),
    "score": Word("vae.estimators.score:ScoreFunction", "the score function (REINFORCE)"),
    "score-moving-average": Word(
        "vae.estimators.score:ScoreFunction", "less the mean of batches before", fixed=BASELINES["moving-average"]
    ),
    "score-leave-one-out": Word("vae.estimators.score:ScoreFunction", "less the mean of the other draws", fixed=BASELINES["leave-one-out"]),
    "score-rao-blackwell": Word("vae.estimators.score:RaoBlackwell", "the score of each dimension meets its own terms alone"),
    "g-rep": Word("vae.estimators.score:GREP", "generalized reparameterization: a path, and a score of what it leaves out"),
    "rejection": Word(
        "vae.estimators.score:GREP",
        "the same along a rejection sampler's path",
        fixed={"transport": At("distributions.operations:rejection")},
    ),
}
