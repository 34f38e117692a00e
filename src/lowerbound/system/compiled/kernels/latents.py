"""Latents of a Gaussian posterior, of one level or of several, the bounds they give, and the gradient back: the loops."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lowerbound.system.compiled.kernels.arithmetic import add_bias, exp, single, within
from lowerbound.system.compiled.kernels.loop import Singles, loop


@loop(
    n=int,
    d=int,
    k=int,
    low=float,
    high=float,
    q=Singles,
    bias=Singles,
    noise=Singles,
    scale=Singles,
    z=Singles,
    kl=Singles,
    ratio=Singles,
)
def latents(begin, end, n, d, k, low, high, q, bias, noise, scale, z, kl, ratio):
    """z = μ + σ ε with σ² = e^l, where ``q`` plus its bias is (μ, l); KL(q ‖ p) and log p(z) − log q(z|x) for a standard normal p."""
    for row in range(begin, end):
        total, logarithms = single(0), single(0)
        add_bias(q, 2 * row * d, bias, 2 * d)
        for j in range(d):
            mean, log = q[2 * row * d + j], within(q[(2 * row + 1) * d + j], low, high)
            variance = exp(log)
            scale[row * d + j] = np.sqrt(variance)
            logarithms += log
            total += mean * mean + variance - log - single(1)
        kl[row] = single(0.5) * total
        for draw in range(row, k * n, n):
            squares = logarithms
            for j in range(d):
                e = noise[draw * d + j]
                drawn = q[2 * row * d + j] + scale[row * d + j] * e
                z[draw * d + j] = drawn
                squares += e * e - drawn * drawn
            ratio[draw] = single(0.5) * squares


@loop(n=int, k=int, weighted=int, log_likelihood=Singles, kl=Singles, ratio=Singles, share=Singles, found=Singles)
def bounds(begin, end, n, k, weighted, log_likelihood, kl, ratio, share, found):
    """Means of the bound, log p(x|z) and the KL; for the importance-weighted bound, log 1/K Σ_k w_k, also each w_k / Σ w, over n."""
    bounds, likelihoods, kls = 0.0, 0.0, 0.0
    for row in range(n):
        top, mean, divergence = -np.inf, 0.0, 0.0
        for draw in range(row, k * n, n):
            mean += log_likelihood[draw] / k
            divergence -= ratio[draw] / k
            top = max(top, np.float64(log_likelihood[draw] + ratio[draw]))
        total = 0.0
        if weighted:
            for draw in range(row, k * n, n):
                weight = math.exp(log_likelihood[draw] + ratio[draw] - top)
                share[draw] = weight
                total += weight
            for draw in range(row, k * n, n):
                share[draw] /= total * n
        else:
            divergence = kl[row]
        bounds += (top + math.log(total / k) if weighted else mean - divergence) / n
        likelihoods += mean / n
        kls += divergence / n
    found[0], found[1], found[2] = bounds, likelihoods, kls


@loop(
    n=int,
    d=int,
    k=int,
    low=float,
    high=float,
    e=float,
    weight=Singles,
    q=Singles,
    noise=Singles,
    scale=Singles,
    z=Singles,
    of_z=Singles,
    weighted=int,
    share=Singles,
    found=Singles,
)
def of_latents(begin, end, n, d, k, low, high, e, weight, q, noise, scale, z, of_z, weighted, share, found):
    """The gradient in μ and l: Σ_k g + c μ and ½ (σ Σ_k g ε + c (σ² − 1) + e), zero in l outside its bounds.

    g = of_z + share z, c = ``weight``.
    """
    c = weight[0]
    for row in range(begin, end):
        means, logs = 2 * row * d, (2 * row + 1) * d
        for j in range(d):
            found[means + j], found[logs + j] = single(0), single(0)
        for draw in range(row, k * n, n):
            mine = share[draw] if weighted else single(0)
            for j in range(d):
                g = of_z[draw * d + j] + mine * z[draw * d + j]
                found[means + j] += g
                found[logs + j] += g * noise[draw * d + j]
        for j in range(d):
            s, log = scale[row * d + j], q[logs + j]
            found[means + j] += c * q[means + j]
            slope = single(0.5) * (s * found[logs + j] + c * (s * s - single(1)) + e)
            found[logs + j] = slope if low <= log <= high else slope * single(0)


# --- levels ------------------------------------------------------------------------------------------


@loop(n=int, levels=int, c=float, free=float, kls=Singles, kl=Singles, weights=Singles)
def divergences(begin, end, n, levels, c, free, kls, kl, weights):
    """KL of each example, the sum over levels; in the gradient a level's has the weight c, or 0 where its mean is within the free nats."""
    for row in range(n):
        kl[row] = single(0)
    for level in range(levels):
        total = 0.0
        for row in range(n):
            kl[row] += kls[level * n + row]
            total += kls[level * n + row]
        weights[level] = c if total >= free * n else single(0)


#: what a level's loops are given forward and back: μ and the log of σ² of q and of p, or of what q is made of
FORWARD: dict[str, Any] = {
    "n": int,
    "d": int,
    "low": float,
    "high": float,
    "q": Singles,
    "bias_of_q": Singles,
    "p": Singles,
    "bias_of_p": Singles,
}
FORWARD |= {"noise": Singles, "z": Singles, "kl": Singles}
BACKWARD: dict[str, Any] = {"n": int, "d": int, "low": float, "high": float, "weight": Singles, "q": Singles, "p": Singles}
BACKWARD |= {"noise": Singles, "of_z": Singles, "of_q": Singles, "of_p": Singles}


@loop(**FORWARD, sampled=int)
def level(begin, end, n, d, low, high, q, bias_of_q, p, bias_of_p, noise, z, kl, sampled):
    """z = μ + σ ε of q = N(μ, e^l), and KL(q ‖ p); ``sampled`` it is log q(z) − log p(z). p = N(m, e^k).

    (μ, l) is ``q`` plus its bias, and left there; so of p.
    """
    for row in range(begin, end):
        means, logs, total = 2 * row * d, (2 * row + 1) * d, single(0)
        add_bias(q, means, bias_of_q, 2 * d)
        add_bias(p, means, bias_of_p, 2 * d)
        for j in range(d):
            e, log, other = noise[row * d + j], within(q[logs + j], low, high), within(p[logs + j], low, high)
            drawn = q[means + j] + exp(single(0.5) * log) * e
            z[row * d + j] = drawn
            apart = (drawn if sampled else q[means + j]) - p[means + j]
            spread, left = (single(0), e * e) if sampled else (exp(log), single(1))
            total += (spread + apart * apart) * exp(-other) - left - log + other
        kl[row] = single(0.5) * total


@loop(**BACKWARD, sampled=int)
def of_level(begin, end, n, d, low, high, weight, q, p, noise, of_z, of_q, of_p, sampled):
    """The gradient in μ and l, and in m and k, of what z gets and of c KL(q ‖ p), c being ``weight``.

    It is zero in a logarithm outside its bounds.
    """
    c = weight[0]
    for row in range(begin, end):
        means, logs = 2 * row * d, (2 * row + 1) * d
        for j in range(d):
            e, log, other = noise[row * d + j], q[logs + j], p[logs + j]
            s, precision = exp(single(0.5) * within(log, low, high)), exp(-within(other, low, high))
            apart = q[means + j] - p[means + j] + (s * e if sampled else single(0))
            of_mean, spread = c * apart * precision, single(0) if sampled else s * s * precision
            g = of_z[row * d + j] + (of_mean if sampled else single(0))
            of_q[means + j], of_p[means + j] = of_z[row * d + j] + of_mean, -of_mean
            slope = single(0.5) * (g * s * e + c * (spread - single(1)))
            back = single(0.5) * c * (single(1) - spread - apart * apart * precision)
            of_q[logs + j] = slope if low <= log <= high else slope * single(0)
            of_p[logs + j] = back if low <= other <= high else back * single(0)


@loop(**FORWARD)
def refined(begin, end, n, d, low, high, q, bias_of_q, p, bias_of_p, noise, z, kl):
    """As ``level``, of q ∝ p N(m̂, e^l̂), where (m̂, l̂) is ``q`` plus its bias, and left there: precisions, e^−l̂ and e^−k, are added."""
    for row in range(begin, end):
        means, logs, total = 2 * row * d, (2 * row + 1) * d, single(0)
        add_bias(q, means, bias_of_q, 2 * d)
        add_bias(p, means, bias_of_p, 2 * d)
        for j in range(d):
            log, other = within(q[logs + j], low, high), within(p[logs + j], low, high)
            a, b = exp(-log), exp(-other)
            variance = single(1) / (a + b)
            mean = (q[means + j] * a + p[means + j] * b) * variance
            z[row * d + j] = mean + np.sqrt(variance) * noise[row * d + j]
            apart = mean - p[means + j]
            total += (variance + apart * apart) * b - single(1) - np.log(variance) + other
        kl[row] = single(0.5) * total


@loop(**BACKWARD)
def of_refined(begin, end, n, d, low, high, weight, q, p, noise, of_z, of_q, of_p):
    """The gradient in (m̂, l̂) and in (m, k) of p, as ``of_level``: through q's mean μ and variance v, and those through precisions."""
    c = weight[0]
    for row in range(begin, end):
        means, logs = 2 * row * d, (2 * row + 1) * d
        for j in range(d):
            log, other, g = q[logs + j], p[logs + j], of_z[row * d + j]
            a, b = exp(-within(log, low, high)), exp(-within(other, low, high))
            variance = single(1) / (a + b)
            mean = (q[means + j] * a + p[means + j] * b) * variance
            apart = mean - p[means + j]
            of_mean = g + c * apart * b
            of_variance = single(0.5) * (g * noise[row * d + j] / np.sqrt(variance) - c * a)
            of_a = of_mean * (q[means + j] - mean) * variance - of_variance * variance * variance
            of_b = -of_mean * apart * variance - of_variance * variance * variance + single(0.5) * c * (variance + apart * apart)
            of_q[means + j] = of_mean * a * variance
            of_p[means + j] = of_mean * b * variance - c * apart * b
            slope, back = -a * of_a, single(0.5) * c - b * of_b
            of_q[logs + j] = slope if low <= log <= high else slope * single(0)
            of_p[logs + j] = back if low <= other <= high else back * single(0)
