#!/usr/bin/env bash
# scvi-tools 1.4.2: the log probability of a negative binomial is wrong in single precision where its dispersion θ is large.
#
# Guess before it was run: θ of 10⁶ is as good as a Poisson, and log p that of a Poisson to single precision.
# Seen: for μ = 3, x = 2 log p is −1.50 at all large θ; scvi's NegativeBinomial gives −1.57 at θ = 10⁵, −1.69 at 10⁶ and −0.69 from 10⁷ on,
# as differences of two large logarithms of Γ cancel. A dispersion that is learned gains 0.8 nats a count there that are not in the data.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet torch==2.13.0 scvi-tools==1.4.2 mpmath==1.3.0
"$folder/env/bin/python" -W ignore - <<'PY' 2>/dev/null
import mpmath as mp
import scvi
import torch
from scvi.distributions import NegativeBinomial

mp.mp.dps = 40
mu, x = 3, 2
off = {}
for theta in (1e4, 1e5, 1e6, 1e7):
    found = float(NegativeBinomial(mu=torch.tensor([float(mu)]), theta=torch.tensor([theta])).log_prob(torch.tensor([float(x)])))
    t = mp.mpf(theta)
    gammas = mp.loggamma(x + t) - mp.loggamma(t) - mp.loggamma(x + 1)
    true = float(gammas + t * mp.log(t / (t + mu)) + x * mp.log(mu / (t + mu)))
    off[theta] = found - true
    print(f"scvi-tools {scvi.__version__}, θ = {theta:.0e}: log p {found:.4f}, right is {true:.4f}")
assert abs(off[1e4]) < 0.02 and off[1e5] < -0.05 and off[1e6] < -0.15 and off[1e7] > 0.7
PY
