"""A decoder whose numbers are all of one sign where they may be any: something at its end bounds them, unseen by those who refuse it.

A Bernoulli whose logits come of a sigmoid has no probability below ½. What the bound at 0 costs is at least what one constant, added to all
of the decoder's numbers, would gain.
"""

from __future__ import annotations

import torch

from lowerbound.evaluation.diagnosis import Finding
from lowerbound.evaluation.one_draw import OneDraw, best

FARTHEST = 16.0  # constant that is tried: of a logit all there is between ½ and certainty
BEYOND = 0.5  # by how much some of the decoder's numbers are then on the other side of 0: less may be chance


@torch.no_grad()
def one_sign(drawn: OneDraw) -> list[Finding]:
    """All of the decoder's numbers are on one side of 0, and the values ask for some on the other."""
    likelihood, output = drawn.likelihood, drawn.output
    if not likelihood.takes:
        return []
    lowest, highest = float(output.min()), float(output.max())
    if lowest < 0 < highest:
        return []
    gain = best(lambda constant: drawn.log_p(likelihood.law(output + constant, 2)), 0.0, -FARTHEST, FARTHEST)
    positive = lowest >= 0
    across = -(lowest + gain.at) if positive else highest + gain.at
    if across < BEYOND or not gain.is_sure:
        return []
    evidence = (
        f"the decoder's numbers, {likelihood.takes}, are from {lowest:.3g} to {highest:.3g}, none {'below' if positive else 'above'} 0; "
        f"{gain.at:+.3g} added to all of them suits the values best"
    )
    advice = "leave out what bounds them at the decoder's end, as a sigmoid, ReLU or softplus does, and train again"
    return [Finding("a decoder of one sign", evidence, advice, gain.nats, gain.se)]
