"""Files as spreadsheets, programs and people write them, whole and damaged."""

import bz2
import csv
import gzip
import io
import lzma
import tarfile
import zipfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nasurge.data.sources import read_tables, tabular
from nasurge.data.spaces import make_space
from nasurge.errors import DataFileError, LimitError, NasurgeError, SchemaError

NB201 = make_space("nb201")
CODES = NB201.sample(25, seed=1, unique=True)
STRINGS = NB201.format(CODES)
VALUES = np.round(np.random.default_rng(0).uniform(60, 95, len(CODES)), 2)
PLAIN = "arch,acc\n" + "".join(f"{s},{v}\n" for s, v in zip(STRINGS, VALUES, strict=True))


def read(path, **options):
    [table] = tabular.read(path, **options)
    return table


def assert_plain(table):
    assert table.space == NB201
    assert np.array_equal(table.lookup(CODES, task="default", metric="acc"), VALUES)


# Packed, and other encodings.


def tarred(content, mode="w"):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:
        for name, data in {"._t.csv": b"\0", "t.csv": content}.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return file.getvalue()


def zipped(content, **others):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("folder/", b"")
        archive.writestr("folder/t.csv", content)
        for name, data in {"__MACOSX/folder/._t.csv": b"\0", ".DS_Store": b"\0"}.items():
            archive.writestr(name, data)
        for name, data in others.items():
            archive.writestr(name.replace("_", "."), data)
    return file.getvalue()


def zstandard(content):
    import pyarrow as pa

    return pa.Codec("zstd").compress(content, asbytes=True)


PACKINGS = {
    "plain": bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstandard": zstandard,
    "zip": zipped,
    "tar": tarred,
    "tar.gz": lambda content: tarred(content, "w:gz"),
    "BOM": lambda content: b"\xef\xbb\xbf" + content,
    "UTF-16": lambda content: content.decode().encode("utf-16"),
    "UTF-16-BE": lambda content: b"\xfe\xff" + content.decode().encode("utf-16-be"),
    "CRLF": lambda content: content.replace(b"\n", b"\r\n"),
    "CR": lambda content: content.replace(b"\n", b"\r"),
    "blank lines": lambda content: content.replace(b"\n", b"\n\n"),
    "comments": lambda content: b"# from our lab, sep=x\n# in spring\n\n" + content,
    "names as a comment": lambda content: b"# " + content,
    "sep": lambda content: b"sep=,\n" + content,
}


@pytest.mark.parametrize("pack", PACKINGS.values(), ids=PACKINGS)
def test_what_a_file_is_packed_in_is_told_by_its_content(write, pack) -> None:
    for name in ("t.csv", "t.dat"):
        assert_plain(read(write(pack(PLAIN.encode()), name)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (zipped(PLAIN, b_csv=PLAIN), "holds 2 files .*'folder/t.csv', 'b.csv'"),
        (zipped(PLAIN, a_npy=b""), "npz archive"),
        (gzip.compress(zipped(PLAIN), mtime=0), "an archive within gzip"),
        (gzip.compress(PLAIN.encode(), mtime=0)[:-9], "truncated"),
        (bz2.compress(PLAIN.encode())[:-9], "truncated"),
        (lzma.compress(PLAIN.encode())[:-9], "truncated"),
        (zipped(PLAIN)[:-40], "truncated"),
        (PLAIN.encode("utf-16")[2:], "truncated"),
        (b"\xff\xfe\x00", "truncated"),
    ],
)
def test_other_archives_and_damaged_ones_are_refused(write, content, message) -> None:
    with pytest.raises(DataFileError, match=message):
        read(write(content))


def test_a_spreadsheet_says_how_to_save_it(write) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("[Content_Types].xml", "")
        archive.writestr("xl/workbook.xml", "")
    with pytest.raises(DataFileError, match="spreadsheet: save the sheet as CSV"):
        read(write(file.getvalue(), "t.xlsx"))


# Numbers.


@pytest.mark.parametrize(
    ("cells", "expected", "unit"),
    [
        (["70.25%", "71%", ""], [70.25, 71, np.nan], "%"),
        (["70.25 %", "71 %", "-"], [70.25, 71, np.nan], "%"),
        (["12 ms", "1.5 ms", "n/a"], [12, 1.5, np.nan], "ms"),
        (["1,234.5", "1,000", "12"], [1234.5, 1000, 12], ""),
        (["1.234,5", "0,5", "12"], [1234.5, 0.5, 12], ""),
        (["1,234,567", "1,000", "12"], [1234567, 1000, 12], ""),
        (["1 234,5", "0,25", "12"], [1234.5, 0.25, 12], ""),
        (["1'234.5", "0.25", "+12"], [1234.5, 0.25, 12], ""),
        (["\u22121e-3", ".5", "5."], [-0.001, 0.5, 5], ""),
        (["1e3", "1E-3", "NaN"], [1000, 0.001, np.nan], ""),
    ],
)
def test_numbers_as_people_write_them(write, cells, expected, unit) -> None:
    text = "arch\tvalue\n" + "".join(f"a-{k}\t{cell}\n" for k, cell in enumerate(cells))
    table = read(write(text))
    assert np.array_equal(table.data[0], expected, equal_nan=True)
    assert table.columns[0].unit == unit


@pytest.mark.parametrize(
    ("cells", "expected", "said"),
    [
        (["12ms", "0.01s", "7 ms", ""], [12, 10, 7, np.nan], "'value' in ms, converted from s"),
        (["1.2M", "900K", "850k", "2M"], [1.2, 0.9, 0.85, 2], "'value' in M, converted from K, k"),
        (["1GB", "500MB", "2GB"], [1, 0.5, 2], "'value' in GB, converted from MB"),
        (["1KiB", "512B", "2KiB"], [1, 0.5, 2], "'value' in KiB, converted from B"),
        (["1.5 GFLOPs", "900MFLOPs", "1GFLOPs"], [1.5, 0.9, 1], "converted from MFLOPs"),
        (["2s±0.5s", "1500ms±250ms", "1s±0.1s"], [2, 1.5, 1], "'value' in s, converted from ms"),
        (["71%", "5‰", "80%"], [71, 0.5, 80], "'value' in %, converted from ‰"),
        (["12ms", "13ms", "14ms"], [12, 13, 14], "'value' in ms"),
    ],
)
def test_units_of_one_kind_are_converted_and_it_is_said(write, cells, expected, said) -> None:
    text = "arch\tvalue\n" + "".join(f"a-{k}\t{cell}\n" for k, cell in enumerate(cells))
    table = read(write(text))
    np.testing.assert_allclose(table.data[0], expected, rtol=1e-12)
    assert said in " ".join(table.imported.read)
    if "±" in text:
        np.testing.assert_allclose(table.data[1], [0.5, 0.25, 0.1], rtol=1e-12)


def test_units_that_are_unknown_at_their_number_are_text(write) -> None:
    table = read(write("arch,shape,acc\na-1,3foo,1\na-2,4bar,2\n"))
    assert table.imported.left_out == ("'shape' (text)",)


def test_models_called_by_their_size_are_architectures(write) -> None:
    table = read(write("model,acc\n125M,1\n350M,2\n1.3B,3\n"))
    assert table.space.cardinalities == (3,)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["70.25%", "0.71"], "'0.71' in row 3, which has no unit, while others have '%'|'%'"),
        (["12 ms", "1.5 GB"], "has the unit"),
        (["12ms", "1.5GB", "3ms"], "'1.5GB' in row 3, which has the unit 'GB', .* 'ms'"),
        (["1.2M", "900K", "1.3B"], "has the unit 'B'"),
        (["1.2M", "900K", "800000"], "no unit"),
        (["12 foo", "13 bar"], "has the unit"),
        (["1.2s ± 30ms", "1s ± 0.1s"], "'1.2s ± 30ms' in row 2, which has two units"),
        (["1,234", "2,345"], r"'1,234' in row 2, which may be a decimal.*decimal = \",\""),
        (["1,234", "0.5"], "may be a decimal"),
        (["1.234", "0,5"], "may be a decimal"),
        (["0.5", "0,5"], "'0.5' has a decimal point and '0,5' a decimal comma"),
        (["inf", "1"], "'inf' in row 2, which is no finite number"),
        (["1e999", "1"], "no finite number"),
        (["low", "1", "2"], "'low' in row 2, which is no finite number"),
        (["1.2.3", "1"], "'1.2.3'"),
    ],
)
def test_numbers_that_can_be_read_in_two_ways_are_refused(write, cells, message) -> None:
    text = "arch\tvalue\n" + "".join(f"a-{k}\t{cell}\n" for k, cell in enumerate(cells))
    with pytest.raises(DataFileError, match=message):
        read(write(text))


def test_a_schema_says_which_sign_is_decimal(write) -> None:
    path = write("arch;value\na-b;1,234\na-c;2,345\n")
    for sign, expected in ((",", [1.234, 2.345]), (".", None)):
        schema = write(f'architecture = "arch"\ndecimal = "{sign}"\n[column]\nvalue = {{}}\n', "s")
        if expected is None:
            with pytest.raises(DataFileError, match="may be a decimal"):
                read(path, schema=schema)
        else:
            assert read(path, schema=schema).data[0].tolist() == expected
    with pytest.raises(SchemaError, match="decimal is ';'"):
        read(path, schema=write('architecture="arch"\ndecimal=";"\n[column]\nvalue={}\n', "s"))


@pytest.mark.parametrize("sign", ["±", " ± ", " +/- ", "+-"])
def test_a_mean_and_its_deviation_are_two_columns(write, sign) -> None:
    table = read(write(f"arch,acc\na-b,93.2{sign}0.3\na-c,91{sign}0.25\n"))
    assert table.metrics == ["acc", "acc std"]
    assert [column.tolist() for column in table.data] == [[93.2, 91], [0.3, 0.25]]
    assert table.columns[table.default("default").report].metric == "acc"


# Limits.


def test_limits_are_kept_and_can_be_raised(write, monkeypatch) -> None:
    wide = write(",".join(["arch", *(f"m{k}" for k in range(12000))]) + "\n", "wide.csv")
    long = write("arch,acc\n" + "a-b,1\n" * 2000 + "x" * 110_000 + ",1\n", "long.csv")
    rows = write("arch,acc\n" + "a-b,1\n" * 20000, "rows.csv")
    with pytest.raises(LimitError, match="columns: 12,001"):
        read(wide)
    with pytest.raises(LimitError, match="limit of cell"):
        read(long)
    monkeypatch.setenv("NASURGE_LIMITS", "memory=1e6,columns=20000")
    with pytest.raises(LimitError, match="limit of memory"):
        read(rows)
    with pytest.raises(DataFileError, match="no rows"):
        read(wide)


def test_a_bomb_is_refused_before_it_is_unpacked(write, monkeypatch) -> None:
    monkeypatch.setenv("NASURGE_LIMITS", "memory=5e6")
    content = b"arch,acc\n" + b"a-b,1\n" * 10_000_000
    for pack in (gzip.compress, bz2.compress, zipped, tarred):
        with pytest.raises(LimitError, match="limit of"):
            read(write(pack(content)))


def test_no_pattern_of_a_schema_runs_away(write) -> None:
    text = "arch,acc\n" + "".join(f"{'a' * 60}-{k},1\n" for k in range(100))
    schema = 'architecture = "arch"\n[[table]]\nselect = "^(([a-z0-9])+)+$!"\n[column]\nacc = {}\n'
    with pytest.raises(SchemaError, match="no architecture"):
        read(write(text), schema=write(schema, "s.toml"))
    with pytest.raises(SchemaError, match="RE2"):
        read(write(text), schema=write(schema.replace("^(([", "(?=([").replace("!", ""), "s.toml"))


# Any dialect, and any damage.


@st.composite
def written(draw):
    """A table's numbers and its bytes in some dialect."""
    n = draw(st.integers(2, 12))
    codes = NB201.from_index(
        draw(st.lists(st.integers(0, 15624), min_size=n, max_size=n, unique=True))
    )
    numbers = st.decimals(-9999, 9999, places=2).map(float)
    columns = {
        name: draw(st.lists(numbers | st.none(), min_size=n, max_size=n).filter(any))
        for name in draw(
            st.lists(st.sampled_from(["w", "x y", "é[%]", "z"]), min_size=1, unique=True)
        )
    }
    separator, decimal = draw(st.sampled_from([",.", ";.", ";,", "\t.", "\t,"]))
    unit = draw(st.sampled_from(["", "", "%", " ms"]))
    file = io.StringIO(newline="")
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    end = draw(st.sampled_from(["\n", "\r\n"]))
    rows = csv.writer(file, delimiter=separator, quoting=quoting, lineterminator=end)
    index = draw(st.booleans())
    head = ["arch", *columns]
    rows.writerow(["", *head] if index else head)
    for k, string in enumerate(NB201.format(codes)):
        cells = [
            "" if own[k] is None else f"{own[k]:.2f}".replace(".", decimal) + unit
            for own in columns.values()
        ]
        rows.writerow([str(k), string, *cells] if index else [string, *cells])
    text = file.getvalue().encode(draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"])))
    pack = draw(st.sampled_from([bytes, gzip.compress, bz2.compress, lzma.compress, zipped]))
    return codes, columns, pack(text)


@settings(max_examples=60, deadline=None)
@given(written())
def test_any_dialect_gives_the_numbers_that_were_written(tmp_path_factory, case) -> None:
    codes, columns, content = case
    path = tmp_path_factory.mktemp("any") / "t.csv"
    path.write_bytes(content)
    table = read(path)
    assert table.space == NB201
    assert np.array_equal(table.codes, codes)
    assert table.metrics == list(columns)
    for name, expected in columns.items():
        found = table.values(task="default", metric=name)
        wanted = np.array([np.nan if value is None else value for value in expected])
        assert np.array_equal(found, wanted, equal_nan=True)


@settings(max_examples=150, deadline=None)
@given(written(), st.randoms(use_true_random=False))
def test_damage_is_refused_or_leaves_a_table_of_its_rows(tmp_path_factory, case, rng) -> None:
    content = bytearray(case[2])
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(content) + 1)
        damage = rng.choice(["flip", "cut", "insert", "drop", "repeat"])
        if damage == "flip" and at < len(content):
            content[at] ^= 1 << rng.randrange(8)
        elif damage == "cut":
            del content[max(at, 1) :]
        elif damage == "insert":
            content[at:at] = bytes(rng.choices(range(256), k=rng.randint(1, 8)))
        elif damage == "drop":
            del content[at : at + rng.randint(1, 30)]
        else:
            content[at:at] = content[at : at + rng.randint(1, 200)]
    path = tmp_path_factory.mktemp("any") / "t.csv"
    path.write_bytes(bytes(content))
    try:
        tables = read_tables(path)
    except NasurgeError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        for table in tables:
            assert table.space.is_valid(table.codes).all()
            assert not any(np.isinf(values).any() for values in table.data)
            assert not all(np.isnan(values).all() for values in table.data)


def test_parquet_of_any_types(tmp_path) -> None:
    frame = pd.DataFrame(
        {"cell": STRINGS, "acc": VALUES.astype(np.float32), "seed": 3, "flops": range(25)}
    )
    frame["kind"] = pd.Categorical(["a"] * 25)
    frame["layers"] = [[1, 2]] * 25
    frame.to_parquet(tmp_path / "t.dat")
    table = read(tmp_path / "t.dat")
    assert table.space == NB201
    assert np.array_equal(table.data[0], VALUES.astype(np.float32).astype(float))
    assert table.metrics == ["acc", "flops"]
    tuples = pd.DataFrame({"arch": [[1, 2], [1, 3]], "acc": [1.0, 2.0]})
    tuples.to_parquet(tmp_path / "u.parquet")
    assert read(tmp_path / "u.parquet").space.cardinalities == (2,)


def test_a_point_between_thousands_is_asked_about(tmp_path) -> None:
    strings = make_space("nb201").format(make_space("nb201").sample(5, seed=0))
    rows = [
        f"{s};{v}" for s, v in zip(strings, ("960", "980", "1.000", "1.020", "0.5"), strict=True)
    ]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["arch;params_k", *rows[:4]]))
    with pytest.raises(DataFileError, match=r"'1\.000' may have a decimal point or be a group"):
        read_tables(path)
    path.write_text("\n".join(["arch;params_k", *rows]))  # the last has a decimal point
    [table] = read_tables(path)
    assert sorted(table.data[0]) == [0.5, 1.0, 1.02, 960, 980]
