"""Ratings files: CSV, Parquet and NPZ in, tables out, and where a bad record stands."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

import lowrank_la as ll
from lowrank_la.errors import FileFormatError, InvalidInputError, UnknownNameError
from lowrank_la.estimators.files import read_positions, read_triples, write_table

pandas = pytest.importorskip("pandas")
NAMES = {"row": "user", "column": "item", "value": "rating"}
COLUMNS = {
    "user": np.array(["bob", "ann", "bob", "cat"]),
    "item": np.array([30, 10, 10, 20]),
    "rating": np.array([4.0, 5.0, 1.5, 2.0]),
}
CSV = "user,item,rating\nbob,30,4\nann,10,5\nbob,10,1.5\ncat,20,2\n"


def put(path, text):
    path.write_text(text)
    return path


def read(path):
    return read_triples(path, **NAMES)


def check(cells):
    assert list(cells.row_labels) == ["ann", "bob", "cat"]
    assert list(cells.column_labels) == [10, 20, 30]
    np.testing.assert_array_equal(cells.i, [1, 0, 1, 2])
    np.testing.assert_array_equal(cells.j, [2, 0, 0, 1])
    np.testing.assert_array_equal(cells.values, COLUMNS["rating"])
    assert cells.shape == (3, 3)


# --- reading ---


def test_csv(tmp_path):
    check(read(put(tmp_path / "a.csv", CSV)))
    check(read(str(put(tmp_path / "a.txt", CSV))))
    # Other columns, another order, Windows line ends, a byte-order mark.
    extra = "when,rating,item,user\r\n1,4,30,bob\r\n2,5,10,ann\r\n3,1.5,10,bob\r\n4,2,20,cat\r\n"
    (tmp_path / "b.csv").write_bytes(b"\xef\xbb\xbf" + extra.encode())
    check(read(tmp_path / "b.csv"))


def test_tabs_and_compression(tmp_path):
    check(read(put(tmp_path / "a.tsv", CSV.replace(",", "\t"))))
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(CSV.encode()))
    check(read(tmp_path / "a.csv.gz"))
    (tmp_path / "a.tsv.gz").write_bytes(gzip.compress(CSV.replace(",", "\t").encode()))
    check(read(tmp_path / "a.tsv.gz"))


def test_npz(tmp_path):
    np.savez(tmp_path / "a.npz", **COLUMNS)
    check(read(tmp_path / "a.npz"))
    np.savez_compressed(tmp_path / "b.npz", **COLUMNS)
    check(read(tmp_path / "b.npz"))


def test_parquet(tmp_path):
    pytest.importorskip("pyarrow")
    pandas.DataFrame(COLUMNS).to_parquet(tmp_path / "a.parquet")
    check(read(tmp_path / "a.parquet"))


def test_names_of_columns(tmp_path):
    path = put(tmp_path / "a.csv", CSV.replace("user", "who").replace("item", "what"))
    cells = read_triples(path, row="who", column="what", value="rating")
    assert cells.shape == (3, 3)
    with pytest.raises(UnknownNameError, match=r"column in a\.csv named 'user'") as seen:
        read(path)
    assert "available: rating, what, who" in str(seen.value)
    near = put(tmp_path / "b.csv", CSV.replace("rating", "ratings"))
    with pytest.raises(UnknownNameError, match="did you mean 'ratings'"):
        read(near)


def test_integer_labels_stay_integers(tmp_path):
    cells = read(put(tmp_path / "a.csv", "user,item,rating\n10,2,1\n9,1,2\n"))
    assert list(cells.row_labels) == [9, 10]
    assert cells.row_labels.dtype.kind == "i"


def test_repeated_cells_are_kept_for_the_caller_to_decide(tmp_path):
    path = put(tmp_path / "a.csv", "user,item,rating\nx,1,1\nx,1,3\ny,1,3\ny,2,4\n")
    cells = read(path)
    assert cells.values.size == 4
    with pytest.raises(InvalidInputError, match=r"1 cell listed .* row x, column 1;"):
        ll.complete(cells, rank=1)
    assert ll.complete(cells, rank=1, duplicates="mean").effects.mean == pytest.approx(3.0)


def test_a_file_gives_the_answer_of_its_arrays(tmp_path):
    rng = np.random.default_rng(0)
    i, j = np.nonzero(rng.random((20, 15)) < 0.6)
    v = rng.random(i.size)
    np.savez(tmp_path / "a.npz", user=i, item=j, rating=v)
    from_file = ll.complete(read(tmp_path / "a.npz"), rank=2)
    np.testing.assert_array_equal(from_file.filled, ll.complete((i, j, v), rank=2).filled)


# --- malformed files ---


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("user,item,rating\nann,1,5\nbob,2,good\ncat,1,3\n", "line 3: rating is 'good', not a fin"),
        ("user,item,rating\nann,1,5\nbob,2,\n", "line 3: rating is empty, not a finite number"),
        ("user,item,rating\nann,1,inf\n", "line 2: rating is inf, not a finite number"),
        ("user,item,rating\nann,1,x\nbob,2,y\n", r"line 2: rating is 'x'.*\(2 such records\)"),
        ("user,item,rating\nann,1,5\n\nbob,2,4\n", "line 3: rating is empty"),
        ("user,item,rating\nann,1,5\n,2,4\n", "line 3: user is empty"),
        ("user,item,rating\nann,1,5\nbob,,4\n", "line 3: item is empty"),
        ("user,item,rating\n1,1,5\n,2,4\n", "line 3: user is empty"),
        ("user,item,rating\nann,1,5\nbob,2,4,9\n", "line 3, saw 4"),
        ("user,item,rating\n", "holds no records"),
        ("", "is empty"),
    ],
)
def test_malformed_csv_says_where(text, message, tmp_path):
    path = put(tmp_path / "ratings.csv", text)
    with pytest.raises(FileFormatError, match=f"ratings.csv.*{message}"):
        read(path)


@pytest.mark.parametrize("name", ["a.csv", "a.npz", "a.parquet", "a.csv.gz"])
def test_files_that_are_not_what_their_suffix_says(name, tmp_path):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    (tmp_path / name).write_bytes(b"\x00\xff\xfe\x01 rubbish")
    with pytest.raises(FileFormatError, match=name):
        read(tmp_path / name)


@pytest.mark.parametrize("name", ["a.csv", "a.npz", "a.parquet"])
def test_files_that_cannot_be_opened(name, tmp_path):
    with pytest.raises(FileFormatError, match=rf"no file .*{name}"):
        read(tmp_path / name)
    (tmp_path / name).mkdir()
    # (Parquet may be kept in folders; this one has no columns.)
    with pytest.raises((FileFormatError, UnknownNameError), match=name):
        read(tmp_path / name)


@pytest.mark.parametrize("name", ["ratings.xlsx", "ratings", "ratings.json"])
def test_files_of_another_kind(name, tmp_path):
    with pytest.raises(FileFormatError, match=f"{name} is neither CSV, Parquet nor NPZ"):
        read(put(tmp_path / name, CSV))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rating": np.array([1.0, 2.0])}, "columns differ in length: .*'rating': 2"),
        ({"rating": np.ones((4, 1))}, "rating has 2 dimensions, not one"),
        ({"rating": np.array(5.0)}, "rating has 0 dimensions, not one"),
        ({"rating": np.array([1.0, np.nan, 2.0, 3.0])}, "record 1: rating is empty"),
        ({"rating": np.array(["1", "two", "3", "4"])}, "record 1: rating is 'two'"),
        ({"user": np.array([1.0, 2.0, np.nan, 3.0])}, "record 2: user is empty"),
        ({"user": np.array([{}, {}, {}, {}], object)}, "as NPZ: Object arrays"),
    ],
)
def test_malformed_npz(changes, message, tmp_path):
    np.savez(tmp_path / "a.npz", **(COLUMNS | changes))
    with pytest.raises(FileFormatError, match=rf"a\.npz.*{message}"):
        read(tmp_path / "a.npz")


def test_numbers_written_as_text(tmp_path):
    np.savez(tmp_path / "a.npz", **(COLUMNS | {"rating": np.array(["4", "5", "1.5", "2"])}))
    check(read(tmp_path / "a.npz"))


# --- positions ---


@pytest.fixture
def cells(tmp_path):
    return read(put(tmp_path / "ratings.csv", CSV))


def test_positions_of_labels(cells, tmp_path):
    path = put(tmp_path / "pairs.csv", "item,user\n20,ann\n10,cat\n20,ann\n")
    i, j = read_positions(path, cells, row="user", column="item")
    np.testing.assert_array_equal(i, [0, 2, 0])
    np.testing.assert_array_equal(j, [1, 0, 1])
    model = ll.complete(cells, rank=1)
    again = read_positions(path, model, row="user", column="item")
    np.testing.assert_array_equal(again[0], i)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("user,item\nann,20\nzoe,10\n", "line 3: user 'zoe' is not in the table"),
        ("user,item\nann,99\n", "line 2: item 99 is not in the table"),
        ("user,item\nann,five\n", "item"),
        ("user,item\n7,20\n", "user"),
        ("user,item\nann,\n", "item"),
    ],
)
def test_labels_that_the_table_does_not_have(text, message, cells, tmp_path):
    path = put(tmp_path / "pairs.csv", text)
    with pytest.raises(FileFormatError, match=rf"pairs\.csv.*{message}"):
        read_positions(path, cells, row="user", column="item")


def test_no_pairs_are_no_error(cells, tmp_path):
    i, j = read_positions(put(tmp_path / "p.csv", "user,item\n"), cells, row="user", column="item")
    assert i.size == j.size == 0


# --- writing ---


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz"])
def test_what_is_written_can_be_read(suffix, tmp_path):
    path = write_table(tmp_path / f"out{suffix}", COLUMNS)
    assert path == tmp_path / f"out{suffix}"
    check(read(path))
    assert [p.name for p in tmp_path.iterdir()] == [f"out{suffix}"]


def test_numbers_are_written_in_full(tmp_path):
    third = {"user": np.array([1]), "item": np.array([1]), "rating": np.array([1 / 3])}
    cells = read(write_table(tmp_path / "a.csv", third))
    assert cells.values[0] == 1 / 3


def test_another_suffix_is_refused(tmp_path):
    with pytest.raises(InvalidInputError, match=r"cannot write out\.xlsx; use .*\.csv"):
        write_table(tmp_path / "out.xlsx", COLUMNS)
    assert not list(tmp_path.iterdir())
