"""A first level whose prior is the mixture of the posteriors of pseudo-inputs, 1/K Σ_k N(m_k, e^l_k): the loops."""

from __future__ import annotations

import numpy as np

from lowerbound.system.compiled.kernels.arithmetic import add_bias, exp, sigmoid, single, within
from lowerbound.system.compiled.kernels.loop import Singles, loop

LEAST = single(2.0**-60)  # a share below adds nothing, and products of such are slow where they are no normal numbers


@loop(n=int, given=Singles, found=Singles)
def squashed(begin, end, n, given, found):
    """S(u)."""
    for place in range(begin, end):
        found[place] = sigmoid(given[place])


@loop(n=int, back=Singles, value=Singles, found=Singles)
def through_squash(begin, end, n, back, value, found):
    """The gradient in u, of that in S(u), which is ``value``."""
    for place in range(begin, end):
        found[place] = back[place] * value[place] * (single(1) - value[place])


@loop(
    k=int,
    d=int,
    low=float,
    high=float,
    given=Singles,
    bias=Singles,
    precisions=Singles,
    constants=Singles,
    means_t=Singles,
    precisions_t=Singles,
)
def components(begin, end, k, d, low, high, given, bias, precisions, constants, means_t, precisions_t):
    """Of (m, l), ``given`` plus its bias and left there: e^−l, and ½ Σ l of each component; m and e^−l also by dimension, ``(d, K)``."""
    for row in range(begin, end):
        total = single(0)
        add_bias(given, 2 * row * d, bias, 2 * d)
        for j in range(d):
            log = within(given[(2 * row + 1) * d + j], low, high)
            precisions[row * d + j] = precisions_t[j * k + row] = exp(-log)
            means_t[j * k + row] = given[2 * row * d + j]
            total += log
        constants[row] = single(0.5) * total


@loop(
    n=int,
    d=int,
    k=int,
    low=float,
    high=float,
    q=Singles,
    bias=Singles,
    noise=Singles,
    given=Singles,
    precisions=Singles,
    constants=Singles,
    z=Singles,
    z_t=Singles,
    shares=Singles,
    shares_t=Singles,
    kl=Singles,
)
def mixed(begin, end, n, d, k, low, high, q, bias, noise, given, precisions, constants, z, z_t, shares, shares_t, kl):
    """z = μ + σ ε of q = N(μ, e^l), ``q`` plus its bias and left there; log q(z) − log p(z), and each component's share of p(z).

    z is also left by dimension, ``(d, B)``, and shares by component, ``(K, B)``. What is far from all components, in single precision,
    has shares that are right to 1e-7 of the logarithms' size.
    """
    for row in range(begin, end):
        means, logs, own, top = 2 * row * d, (2 * row + 1) * d, single(0), single(-np.inf)
        add_bias(q, means, bias, 2 * d)
        for j in range(d):
            e, log = noise[row * d + j], within(q[logs + j], low, high)
            z[row * d + j] = z_t[j * n + row] = q[means + j] + exp(single(0.5) * log) * e
            own += e * e + log
        for component in range(k):
            square = single(0)
            for j in range(d):
                apart = z[row * d + j] - given[2 * component * d + j]
                square += apart * apart * precisions[component * d + j]
            logarithm = -single(0.5) * square - constants[component]
            shares[row * k + component] = logarithm
            top = max(top, logarithm)
        total = single(0)
        for component in range(row * k, (row + 1) * k):
            shares[component] = exp(shares[component] - top)
            total += shares[component]
        for component in range(k):
            share = shares[row * k + component] / total
            share = single(0) if share < LEAST else share
            shares[row * k + component] = shares_t[component * n + row] = share
        kl[row] = single(np.log(single(k))) - top - np.log(total) - single(0.5) * own


@loop(
    n=int,
    d=int,
    k=int,
    low=float,
    high=float,
    weight=Singles,
    q=Singles,
    noise=Singles,
    z=Singles,
    of_z=Singles,
    means_t=Singles,
    precisions_t=Singles,
    shares=Singles,
    found=Singles,
)
def of_mixed(begin, end, n, d, k, low, high, weight, q, noise, z, of_z, means_t, precisions_t, shares, found):
    """The gradient in μ and l, of what z gets and of c (log q − log p); c is ``weight``."""
    c = weight[0]
    for row in range(begin, end):
        means, logs = 2 * row * d, (2 * row + 1) * d
        for j in range(d):
            drawn, total = z[row * d + j], single(0)
            for component in range(k):
                total += shares[row * k + component] * (drawn - means_t[j * k + component]) * precisions_t[j * k + component]
            log, g = q[logs + j], of_z[row * d + j] + c * total
            slope = single(0.5) * (g * exp(single(0.5) * within(log, low, high)) * noise[row * d + j] - c)
            found[means + j], found[logs + j] = g, slope if low <= log <= high else slope * single(0)


@loop(
    k=int,
    d=int,
    n=int,
    low=float,
    high=float,
    weight=Singles,
    z_t=Singles,
    given=Singles,
    precisions=Singles,
    shares_t=Singles,
    found=Singles,
)
def of_components(begin, end, k, d, n, low, high, weight, z_t, given, precisions, shares_t, found):
    """The gradient in m and l of each component, of −c log p(z); c is ``weight``."""
    c = weight[0]
    for component in range(begin, end):
        means, logs = 2 * component * d, (2 * component + 1) * d
        for j in range(d):
            mean, log, precision = given[means + j], given[logs + j], precisions[component * d + j]
            total, first, second = single(0), single(0), single(0)
            for row in range(n):
                share, apart = shares_t[component * n + row], z_t[j * n + row] - mean
                total += share
                first += share * apart
                second += share * apart * apart
            slope = single(0.5) * c * (total - second * precision)
            found[means + j], found[logs + j] = -c * first * precision, slope if low <= log <= high else slope * single(0)
