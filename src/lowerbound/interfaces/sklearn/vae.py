"""``VAE``, of numbers, and ``TableVAE``, of columns of several kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, final

from lowerbound.interfaces.sklearn.base import OF_ARRAYS, OF_TABLES, refuse
from lowerbound.interfaces.sklearn.latents import Latents

if TYPE_CHECKING:
    from lowerbound.interfaces.sklearn.numbers import Numbers
    from lowerbound.interfaces.sklearn.tables import Table


@final
class VAE(Latents):
    """A variational autoencoder of an array, or a frame, of numbers: latents that a row is drawn from, p(x) = ∫ p(x|z) p(z) dz.

    Usually a Gaussian with one σ, the best one for the residuals, or of an X with holes a learned one, and 100 epochs, for features of one
    scale: put ``StandardScaler()`` before it; for pixels ``MinMaxScaler()`` and ``likelihood="bernoulli"``. The parameters are those of
    ``Estimator``, the words of a recipe.
    Source: Kingma and Welling, "Auto-Encoding Variational Bayes", 2013, https://arxiv.org/abs/1312.6114.

    >>> import numpy as np
    >>> from lowerbound.sklearn import VAE
    >>> X = np.random.default_rng(0).normal(size=(50, 4))
    >>> VAE(epochs=2, random_state=0).fit(X).transform(X).shape
    (50, 2)
    """

    usual: ClassVar[dict[str, Any]] = {"likelihood": "gaussian", "scale": "optimal", "epochs": 100}
    with_holes: ClassVar[dict[str, Any]] = {"scale": "learned"}
    draws: ClassVar[int] = 100

    def _reader(self) -> Numbers:
        from lowerbound.interfaces.sklearn.numbers import Numbers

        refuse(self, OF_TABLES, "X is an array of numbers, and TableVAE is for tables")
        return Numbers(self.shape)


@final
class TableVAE(Latents):
    """A variational autoencoder of a frame whose columns are of several kinds, with holes: numbers, categories, counts, dates.

    Each column has a distribution of its kind, which is found out, or said in ``types``: ``{"age": "count"}``. Usually the recipe "miwae".
    Frames are of pandas, polars or pyarrow, or arrays. The parameters are those of ``Estimator``, the words of a recipe.
    Source: Mattei and Frellsen, "MIWAE: Deep Generative Modelling and Imputation of Incomplete Data Sets", 2019,
    https://arxiv.org/abs/1812.02633.

    >>> import pyarrow
    >>> from lowerbound.sklearn import TableVAE
    >>> frame = pyarrow.table({"size": [1.5, 2.5, None, 2.0] * 5, "sort": ["a", "b", "b", None] * 5})
    >>> TableVAE(epochs=2, random_state=0).fit(frame).sample(3, where={"sort": "a"}).column_names
    ['size', 'sort']
    """

    usual: ClassVar[str] = "miwae"
    draws: ClassVar[int] = 100
    texts: ClassVar[bool] = True

    def _reader(self) -> Table:
        from lowerbound.interfaces.sklearn.tables import Table

        refuse(self, OF_ARRAYS, "X is a table, and VAE is for arrays of numbers")
        return Table(self.types, self.missing_as)
