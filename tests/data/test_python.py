"""What people have in Python as data: every kind of it gives what the float32 tensor of the same values gives, to the bit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import polars
import pyarrow
import pytest
import scipy.sparse
import torch
from PIL import Image
from rows import long_if
from torch.utils import data as torch_data

import lowerbound as lb
from lowerbound.data.python import examples_of
from lowerbound.errors import DataError
from lowerbound.evaluation import regret

N, D, LATENT = 24, 6, 2
SHAPE = (1, 2, 3)
GENERATOR = torch.Generator().manual_seed(0)
BITS = torch.randint(0, 2, (N, D), generator=GENERATOR).float()
EIGHTHS = torch.randint(0, 9, (N, D), generator=GENERATOR) / 8  # of which half precision has every digit
GREYS = torch.randint(0, 256, (N, *SHAPE), generator=GENERATOR).to(torch.uint8)
GREYS[0, 0, 0, 0] = 255
LABELS = torch.arange(N) % 3


class Stored(torch_data.Dataset):
    """A data set of one's own: examples by number, each a value alone or with its label."""

    def __init__(self, examples: Any, labels: Any = None) -> None:
        self.examples, self.labels = examples, labels

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, row: int) -> Any:
        assert isinstance(row, int)
        return self.examples[row] if self.labels is None else (self.examples[row], int(self.labels[row]))


class Fetched:
    """Rows that some object fetches: neither a tensor nor a data set of torch."""

    def __init__(self, values: torch.Tensor) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: Any) -> torch.Tensor:
        return self.values[rows]


def images(values: torch.Tensor) -> list[tuple[Image.Image, int]]:
    """As torchvision's MNIST gives them."""
    return [(Image.fromarray(value[0].numpy()), int(label)) for value, label in zip(values, LABELS, strict=True)]


def twice(values: torch.Tensor) -> torch.Tensor:
    """The rows twice, backwards."""
    return torch.cat([values, values]).flip(0)


BACK = list(range(N - 1, -1, -1))
SAME_NUMBERS: dict[str, Callable[[torch.Tensor], Any]] = {
    "a Dataset": lambda x: lb.data.Dataset(x),
    "float64": lambda x: x.double(),
    "float16": lambda x: x.half(),
    "bfloat16": lambda x: x.bfloat16(),
    "an array": lambda x: x.numpy(),
    "an array of float64": lambda x: x.double().numpy(),
    "an array of float16": lambda x: x.half().numpy(),
    "an array of long double": lambda x: x.numpy().astype(np.longdouble),
    "an array of big endians": lambda x: x.numpy().astype(">f4"),
    "an array in columns": lambda x: np.asfortranarray(x.numpy()),
    "an array backwards": lambda x: x.flip(0).numpy()[::-1],
    "a list of tensors": list,
    "a list of lists": lambda x: x.tolist(),
    "a list of pairs": lambda x: list(zip(x.numpy(), LABELS, strict=True)),
    "TensorDataset": lambda x: torch_data.TensorDataset(x),
    "TensorDataset with labels": lambda x: torch_data.TensorDataset(x.double(), LABELS),
    "Subset": lambda x: torch_data.Subset(torch_data.TensorDataset(twice(x)), BACK),
    "Subset of a Dataset": lambda x: torch_data.Subset(lb.data.Dataset(twice(x)), BACK),
    "Subset of a data set": lambda x: torch_data.Subset(Stored(twice(x), [0] * 2 * N), BACK),
    "Subset of a Subset": lambda x: torch_data.Subset(torch_data.Subset(Stored(twice(x)), BACK), range(N)),
    "a data set": lambda x: Stored(x),
    "a data set with labels": lambda x: Stored(x.bfloat16(), LABELS),
    "ConcatDataset": lambda x: torch_data.ConcatDataset([Stored(x[:5]), Stored(x[5:])]),
    "DataLoader": lambda x: torch_data.DataLoader(Stored(x), batch_size=5),
    "DataLoader that shuffles": lambda x: torch_data.DataLoader(torch_data.TensorDataset(x, LABELS), shuffle=True, drop_last=True),
    "DataLoader of some": lambda x: torch_data.DataLoader(torch_data.TensorDataset(twice(x)), sampler=torch_data.SubsetRandomSampler(BACK)),
    "rows of one's own": lambda x: Fetched(x),
    "rows of one's own of float64": lambda x: Fetched(x.double()),
    "a sparse matrix": lambda x: scipy.sparse.coo_array(x.numpy()),
    "a sparse matrix of float64": lambda x: scipy.sparse.csr_matrix(x.double().numpy()),
    "pandas": lambda x: pandas.DataFrame(x.numpy(), columns=list("abcdef")),
    "pandas, nullable": lambda x: pandas.DataFrame(x.double().numpy(), columns=list("abcdef")).convert_dtypes(),
    "polars": lambda x: polars.DataFrame({name: x[:, at].double().numpy() for at, name in enumerate("abcdef")}),
    "pyarrow": lambda x: pyarrow.table({name: x[:, at].numpy() for at, name in enumerate("abcdef")}),
}
WHOLE = {
    str(kind): lambda x, kind=kind: x.to(kind) for kind in (torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
}
SAME_BITS: dict[str, Callable[[torch.Tensor], Any]] = {
    **WHOLE,
    **{
        f"an array of {kind}": lambda x, kind=kind: x.numpy().astype(kind) for kind in ("bool", "uint8", "uint16", "uint64", "int64", ">i2")
    },
    "whole numbers of pandas": lambda x: pandas.DataFrame(x.numpy().astype(int)),
    "truths of polars": lambda x: polars.DataFrame({name: x[:, at].bool().numpy() for at, name in enumerate("abcdef")}),
    "a data set of truths": lambda x: Stored(x.bool(), LABELS),
}
SAME_GREYS: dict[str, Callable[[torch.Tensor], Any]] = {
    "bytes": lambda x: x,
    "an array of bytes": lambda x: x.numpy(),
    "bytes in int64": lambda x: x.long(),
    "images and labels": images,
    "a loader of images": lambda x: torch_data.DataLoader(Stored(images(x))),
}
SOURCES = {
    **{f"{name}, eighths": (EIGHTHS, EIGHTHS, make) for name, make in SAME_NUMBERS.items()},
    **{f"{name}, bits": (BITS, BITS, make) for name, make in SAME_BITS.items()},
    **{f"{name}, greys": (GREYS / 255, GREYS, make) for name, make in SAME_GREYS.items()},
}


def model() -> lb.VAE:
    with lb.seeding.seeded(0, "python"):
        return lb.VAE(
            prior=lb.priors.StandardNormal(LATENT),
            likelihood=lb.likelihoods.Bernoulli(lb.nn.mlp(LATENT, 8, D)),
            posterior=lb.posteriors.DiagonalGaussian(lb.nn.mlp(D, 8, 2 * LATENT)),
        )


def fitted(data: Any) -> torch.Tensor:
    vae = model()
    list(lb.fit(vae, data, epochs=1, batch=10))
    return torch.nn.utils.parameters_to_vector(vae.parameters()).detach()


def bound(data: Any) -> torch.Tensor:
    return torch.tensor(lb.mean_bound(model(), data).bound)


FUNCTIONS: dict[str, Callable[[Any], torch.Tensor]] = {
    "fit": fitted,
    "encode": lambda data: lb.encode(model(), data),
    "mean_bound": bound,
    "log_likelihood": lambda data: lb.log_likelihood(model(), data, samples=5).log_p,
}


@cache
def of_tensor(function: str, source: str) -> torch.Tensor:
    values = SOURCES[source][0]
    return FUNCTIONS[function](values)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("source", long_if(lambda source: source not in [*SOURCES][::2], SOURCES))
def test_it_is_the_tensor_to_the_bit(source: str, function: str) -> None:
    _, raw, make = SOURCES[source]
    assert torch.equal(FUNCTIONS[function](make(raw)), of_tensor(function, source))


# --- one example -------------------------------------------------------------------------------------


ONES = {
    "a tensor": EIGHTHS[3],
    "an array": EIGHTHS[3].numpy(),
    "a list": EIGHTHS[3].tolist(),
    "another layout": EIGHTHS[3].view(2, 3),
}


@pytest.mark.parametrize("one", ONES)
def test_one_example_gives_an_answer_without_an_axis_for_several(one: str) -> None:
    vae, several = model().eval(), EIGHTHS[3:4]
    x = ONES[one]
    assert torch.equal(vae.encode(x), vae.encode(several)[0])
    assert torch.equal(lb.encode(vae, x), vae.encode(several)[0])
    back = vae.reconstruct(several)[0].reshape(np.shape(x))
    assert torch.equal(vae.reconstruct(x), back)
    assert torch.equal(lb.reconstruct(vae, x), back)
    density, whole = lb.log_likelihood(vae, x, samples=5), lb.log_likelihood(vae, several, samples=5)
    assert density.log_p.shape == density.kl.shape == ()
    assert torch.equal(density.log_p, whole.log_p[0])
    assert (density.mean, density.se_samples, density.bias) == (whole.mean, whole.se_samples, whole.bias)
    assert lb.mean_bound(vae, x).bound == lb.mean_bound(vae, several).bound


def test_one_example_is_completed_and_imputed() -> None:
    vae, x = model(), EIGHTHS[3]
    observed = torch.arange(D) < 3
    whole = lb.tasks.complete.complete(vae, x[None], observed[None], 4, samples=20)
    one = lb.tasks.complete.complete(vae, x.numpy(), observed, 4, samples=20)
    assert torch.equal(one.values, whole.values[:, 0])
    assert torch.equal(one.mean, whole.mean[0])
    assert one.ess == whole.ess[0]
    spec = lb.data.DataSpec((D,), holes=True)
    vae = lb.build(lb.Recipe(likelihood="gaussian", network="mlp:4", latent=2), spec).vae
    holed = torch.where(observed, x, torch.nan)
    filled, of_one = (lb.tasks.impute.impute(vae, data, 3, samples=20) for data in (holed[None], holed))
    assert torch.equal(of_one.mean, filled.mean[0])
    assert torch.equal(of_one.draws, filled.draws[:, 0])


def test_the_regret_of_one_example_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regret, "SCORED", 1)
    monkeypatch.setattr(regret, "LOOKS", 1)
    vae = model()
    assert torch.equal(lb.likelihood_regret(vae, EIGHTHS[3], steps=1), lb.likelihood_regret(vae, EIGHTHS[3:4], steps=1)[0])


def test_one_latent_gives_one_example() -> None:
    vae = model()
    z = torch.tensor([0.5, -1.0])
    assert torch.equal(vae.decode(z), vae.decode(z[None])[0])
    assert torch.equal(lb.decode(vae, z), vae.decode(z))
    assert torch.equal(vae.decode(z.double().numpy()), vae.decode(z))
    assert torch.equal(vae.decode(z.expand(2, 3, 2))[1, 2], vae.decode(z.expand(6, 2))[5])


@pytest.mark.parametrize(
    ("shape", "event", "alone"),
    [
        ((6,), (6,), True),
        ((7,), (6,), True),  # a wrong one, as the encoder will say
        ((5, 6), (6,), False),
        ((1, 6), (6,), False),
        ((6, 6), (6,), False),
        ((2, 3), (6,), True),
        ((1, 2, 3), (6,), False),  # one image among others: before there was a rule it was
        ((1, 2, 3), (1, 2, 3), True),
        ((2, 3), (1, 2, 3), True),
        ((5, 2, 3), (1, 2, 3), False),
        ((5, 1, 2, 3), (1, 2, 3), False),
        ((6, 1), (1,), False),
        ((1,), (1,), True),
        ((4, 7), (6,), False),
        ((2, 3), None, False),
    ],
)
def test_one_is_told_from_several_by_the_shape_of_an_example(shape: tuple[int, ...], event: tuple[int, ...] | None, alone: bool) -> None:
    for x in (torch.zeros(shape), np.zeros(shape, bool)):
        found = examples_of(x, lambda: event)
        assert found.alone is alone
        assert found.rows[torch.tensor([0])].shape[1:] == (shape if alone else shape[1:])


def test_one_image_is_one_example() -> None:
    vae = lb.build(lb.Recipe(latent=2, network="conv:4"), (1, 4, 4)).vae
    x = torch.rand(1, 4, 4)
    assert vae.event_shape == (1, 4, 4)
    assert torch.equal(vae.encode(x), vae.encode(x[None])[0])
    image = Image.fromarray((x[0] * 255).byte().numpy())
    assert vae.encode(image).shape == (2,)


# --- what numbers and labels mean ----------------------------------------------------------------------


def test_whole_numbers_mean_what_they_mean_in_a_file() -> None:
    assert lb.data.dataset_of(np.array([[0, 1]]))[:].tolist() == [[0, 1]]
    assert lb.data.dataset_of(np.array([[0, 255]], np.uint8))[:].tolist() == [[0, 1]]
    assert lb.data.dataset_of(np.array([[0, 65535]], np.uint16))[:].tolist() == [[0, 1]]
    assert lb.data.dataset_of(np.array([[0, 3]]), counts=True)[:].tolist() == [[0, 3]]
    with pytest.warns(UserWarning, match="whole numbers up to 16 are read as greys of which 255 is white; where 16 is white, give x / 16"):
        assert lb.data.dataset_of(np.array([[0, 16]]))[:].tolist() == [[0, pytest.approx(16 / 255)]]
    assert lb.data.dataset_of(np.array([[0, 16]], np.uint8))[:].tolist() == [[0, pytest.approx(16 / 255)]]


def test_counts_are_counts_where_the_likelihood_is_one_of_counts() -> None:
    vae = lb.VAE(
        lb.priors.StandardNormal(2),
        lb.likelihoods.Poisson(lb.nn.mlp(2, 8, 3), steps=1),
        lb.posteriors.DiagonalGaussian(lb.nn.mlp(3, 8, 4)),
    )
    counts = torch.tensor([[0, 3, 700], [1, 0, 2]])
    assert lb.mean_bound(vae, counts) == lb.mean_bound(vae, counts.float())


def test_a_frame_has_nan_where_a_cell_is_empty() -> None:
    cells = {"a": [1.5, None, 2.0], "b": [True, False, None], "c": [3, None, 5]}
    frames = [
        pandas.DataFrame(cells).convert_dtypes(),
        polars.DataFrame(cells),
        pyarrow.table(cells),
    ]
    for frame in frames:
        found = lb.data.dataset_of(frame)
        expected = torch.tensor([[1.5, 1, 3], [torch.nan, 0, torch.nan], [2, torch.nan, 5]])
        assert torch.equal(found.array.nan_to_num(nan=9), expected.nan_to_num(nan=9))
        assert found.array.dtype == torch.float32
    vae = lb.VAE(
        lb.priors.StandardNormal(2),
        lb.likelihoods.Columns(lb.nn.mlp(2, 9), 3),
        lb.posteriors.DiagonalGaussian(torch.nn.Sequential(NoHoles(), lb.nn.mlp(3, 8, 4))),
    )
    assert len(list(lb.fit(vae, frames[1], epochs=1))) == 1


def table() -> dict[str, list[Any]]:
    return {"size": [1.5, 1.7, None, 1.6] * 10, "city": ["Rome", "Oslo", None, "Rome"] * 10, "ill": [True, False] * 20}


@pytest.mark.parametrize("kind", [pandas.DataFrame, polars.DataFrame, pyarrow.table])
def test_a_frame_is_the_table_that_a_file_of_it_is(kind: Callable[[Any], Any], tmp_path: Path) -> None:
    pandas.DataFrame(table()).to_parquet(tmp_path / "t.parquet")
    of_file, of_frame = lb.data.load(tmp_path / "t.parquet"), lb.data.load(kind(table()))
    assert of_frame.schema == of_file.schema
    assert [column.kind for column in of_frame.schema.columns] == ["number", "category", "boolean"]
    assert torch.equal(of_frame.train[:].nan_to_num(nan=9), of_file.train[:].nan_to_num(nan=9))
    spec = lb.data.DataSpec.of(of_frame.train, of_frame.test, of_frame.schema)
    vae = lb.build(lb.Recipe(likelihood="columns", network="mlp:4", latent=2), spec).vae
    assert torch.equal(lb.encode(vae, kind(table())), lb.encode(vae, of_file.whole))
    assert torch.equal(vae.encode(kind(table())), vae.encode(of_file.whole[:]))
    with pytest.raises(DataError, match="the table has no column 'city', which the model needs"):
        vae.encode(pandas.DataFrame({"size": [1.0], "ill": [True]}))


def test_a_frame_has_no_options_of_files() -> None:
    with pytest.raises(DataError, match="are for images, which 'the frame' is not"):
        lb.data.load(pandas.DataFrame(table()), size=3)
    with pytest.raises(DataError, match="the frame has one row, too few to learn from"):
        lb.data.load(pandas.DataFrame({"a": [1.0]}))
    with pytest.raises(DataError, match="a column of this frame is of no type that a table can have") as caught:
        lb.data.load(pandas.DataFrame({"a": [object(), 1]}))
    assert "\n" not in str(caught.value)


class NoHoles(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.nan_to_num(nan=0.0)


def test_labels_are_the_class_numbers_that_they_were() -> None:
    for source in (torch_data.TensorDataset(EIGHTHS, LABELS + 3), Stored(EIGHTHS, LABELS + 3)):
        found = lb.data.dataset_of(source)
        assert torch.equal(found.labels, LABELS + 3)
        assert found.classes == ("0", "1", "2", "3", "4", "5")
    some = lb.data.dataset_of([(EIGHTHS[0], 1), (EIGHTHS[1], None), (EIGHTHS[2], -1)])
    assert some.labels.tolist() == [1, -1, -1]
    assert some.names == ["1", None, None]
    for other in (EIGHTHS[:, 0], torch.eye(N), LABELS - 5, LABELS + 2**20):  # no class numbers
        assert lb.data.dataset_of(torch_data.TensorDataset(EIGHTHS, other)).labels is None


def test_a_conditional_model_is_given_the_labels_of_a_data_set() -> None:
    spec = lb.data.DataSpec((D,), classes=("a", "b", "c"))
    vae = lb.build(lb.Recipe(latent=2, network="mlp:4", given="label"), spec).vae
    labelled = lb.data.Dataset(EIGHTHS, LABELS, ("a", "b", "c"))
    assert torch.equal(lb.encode(vae, Stored(EIGHTHS, LABELS)), lb.encode(vae, labelled))
    with pytest.raises(DataError, match="label"):
        lb.encode(vae, EIGHTHS)


def test_a_subset_of_data_of_ours_keeps_the_names_of_classes() -> None:
    whole = lb.data.Dataset(EIGHTHS, LABELS, ("a", "b", "c"))
    part, _ = torch_data.random_split(whole, [4, N - 4], torch.Generator().manual_seed(1))
    found = lb.data.dataset_of(part)
    assert found.array is whole.array
    assert found.names == [("a", "b", "c")[row % 3] for row in part.indices]


def test_floats_are_not_copied() -> None:
    x = torch.rand(4, 3)
    assert examples_of(x).rows is x
    array = x.numpy().copy()
    array_rows = examples_of(array).rows
    array[0, 0] = 7
    assert float(array_rows[torch.tensor([0])][0, 0]) == 7
    array.flags.writeable = False
    assert float(examples_of(array).rows[torch.tensor([0])][0, 0]) == 7


def test_a_model_in_double_precision_takes_floats_of_any_type() -> None:
    vae = model().double()
    assert lb.mean_bound(vae, EIGHTHS) == lb.mean_bound(vae, EIGHTHS.double())
    assert torch.equal(vae.encode(EIGHTHS.numpy()), vae.encode(EIGHTHS.double()))


# --- what is refused -----------------------------------------------------------------------------------


class Endless(torch_data.IterableDataset):
    def __iter__(self) -> Iterator[torch.Tensor]:
        return iter(EIGHTHS)


SET = torch_data.TensorDataset(EIGHTHS)
REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "a name": (lambda: "digits", r"'digits' is a name; read it first, lb.data.load\('digits'\).train"),
    "parts": (lambda: lb.data.load("digits"), "parts of a source of data; give one of them: .train or .test"),
    "a tuple": (
        lambda: (EIGHTHS, LABELS),
        r"a tuple is no data set; give values and labels as torch.utils.data.TensorDataset\(values, labels\)",
    ),
    "a dict": (lambda: {"x": EIGHTHS}, "data of the type dict have names, not numbers, for its examples; give a list"),
    "a generator": (
        lambda: (x for x in EIGHTHS),
        r"type generator give examples in turn alone; write them once, lb.data.shard\(it, 'shards'\), and give lb",
    ),
    "an iterable data set": (Endless, "type Endless give examples in turn alone; write them once, lb.data.shard"),
    "a loader of one": (
        lambda: torch_data.DataLoader(Endless()),
        "type Endless give examples in turn alone; write them once, lb.data.shard",
    ),
    "a loader that collates": (
        lambda: torch_data.DataLoader(SET, collate_fn=list),
        "collate_fn of its own; do in the data set's __getitem__",
    ),
    "a loader that weighs": (
        lambda: torch_data.DataLoader(SET, sampler=torch_data.WeightedRandomSampler([1.0] * N, N)),
        "draws by a WeightedRandomSampler, and here each example comes once an epoch; give its data set",
    ),
    "a loader that repeats": (
        lambda: torch_data.DataLoader(SET, sampler=torch_data.RandomSampler(SET, replacement=True)),
        "draws by a RandomSampler",
    ),
    "a loader of batches of its own": (
        lambda: torch_data.DataLoader(SET, batch_sampler=[[0, 1]]),
        "draws by a list",
    ),
    "examples of two shapes": (
        lambda: [torch.zeros(3), torch.zeros(4)],
        r"example 1 is float32 \(4,\), the first float32 \(3,\); give all the same shape and type",
    ),
    "examples with names": (lambda: [{"pixels": EIGHTHS[0]}], "example 0 is a dict with pixels; give a data set of arrays"),
    "texts": (lambda: ["a", "b"], "example 0 is a str; give a data set of arrays"),
    "no examples": (list, "no examples in this data set; give some"),
    "text": (lambda: np.array([["a"]]), "type <U1 are no numbers; give floats, whole numbers or truths"),
    "complex numbers": (lambda: torch.zeros(2, 2, dtype=torch.complex64), "type complex64 are no numbers"),
    "a number": (lambda: torch.tensor(1.0), "one number is no example; give an array of its values"),
    "a sparse tensor": (lambda: EIGHTHS.to_sparse(), r"a sparse tensor has no rows to draw; give tensor.to_dense\(\)"),
    "a masked array": (lambda: np.ma.masked_array([[1.0]], [[True]]), r"give array.filled\(numpy.nan\)"),
    "negative numbers": (
        lambda: torch.tensor([[-1, 1]]),
        "whole numbers from -1 to 1; greys and counts are not negative.*give them as floats",
    ),
    "large numbers": (lambda: torch.tensor([[0, 300]]), "whole numbers from 0 to 300, which may be greys or counts.*give them as floats"),
    "a palette": (lambda: [Image.new("P", (2, 2))], r"mode P has no plain pixels; convert it, image.convert\('L'\)"),
    "a column of text": (
        lambda: pandas.DataFrame({"a": [1.0], "city": ["Rome"]}),
        r"column 'city' \(String\) holds no numbers; leave it out, or read the frame with lb.data.load",
    ),
    "two columns of a name": (lambda: pandas.DataFrame([[1.0, 2.0]], columns=["a", "a"]), "columns with one name each; rename some"),
    "no columns": (lambda: pandas.DataFrame(index=[1, 2]), "this frame has no columns"),
    "a column of dates": (lambda: polars.DataFrame({"day": [None]}).cast(polars.Date), r"column 'day' \(Date\) holds no numbers"),
    "a lazy frame": (lambda: polars.LazyFrame({"a": [1.0]}), r"not computed yet; give frame.collect\(\)"),
    "one column": (lambda: polars.Series([1.0, 2.0]), "one column of a frame; give the frame itself"),
    "one example": (lambda: EIGHTHS[0], r"one example without a batch axis, and training wants several; give them as \(N, …\)"),
    "numbers that are none": (lambda: EIGHTHS / 0, r"values in \[0, 1\]"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_data_is_refused_in_one_line_that_says_what_to_do(name: str) -> None:
    make, message = REFUSED[name]
    with pytest.raises(DataError, match=message) as caught:
        next(iter(lb.fit(model(), make(), epochs=1)))
    assert "\n" not in str(caught.value)


def test_holes_where_there_may_be_none_are_refused() -> None:
    vae = lb.VAE(
        lb.priors.StandardNormal(2),
        lb.likelihoods.Gaussian(lb.nn.mlp(2, 1)),
        lb.posteriors.DiagonalGaussian(lb.nn.mlp(1, 4)),
    )
    with pytest.raises(DataError, match="some values are NaN or infinite; fill them in or leave those examples out"):
        next(iter(lb.fit(vae, polars.DataFrame({"a": [1.0, None]}), epochs=1)))
