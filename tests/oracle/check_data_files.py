"""Rows of every kind of data file, read by libgrpo and written by pyarrow and Python:  check_data_files.py DATASET_ROWS

Values, order and row names must be the same; damaged files must end with exit code 3 and a message. Also what opening and streaming may
cost: a million lines, and a Parquet file whose row groups take more memory than the reader may. GRPO_BIG_ROWS=5000000: that alone, as
large as this (3 GiB of temporary files).
"""
import gzip
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

try:
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet as pq
except ImportError as missing:
    print(f"skipped: {missing}; pip install pyarrow")
    sys.exit(77)

ROWS = sys.argv[1]
failures = 0


def check(what, good, detail=""):
    global failures
    failures += not good
    print(f"{'passed' if good else 'FAILED'}: {what}{'' if good else ': ' + str(detail)[:600]}")


def run(*words, count=False, **more):
    env = dict(os.environ, **more, **({"GRPO_ROWS": "count"} if count else {}))
    return subprocess.run([ROWS, *map(str, words)], capture_output=True, text=True, env=env, timeout=120)


def read(*words, **more):
    done = run(*words, **more)
    if done.returncode != 0:
        return [done.stderr]
    return [json.loads(line) for line in done.stdout.split("\n")[:-1]]


def text(value):
    """A value as Row::columns has it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def expected(rows, name):
    return [{"question": row["question"], "solution": text(row["answer"]), "turns": 0, "origin": name(i + 1),
             "columns": {key: text(value) for key, value in row.items()}} for i, row in enumerate(rows)]


def sample_rows(count, seed):
    draw = random.Random(seed)
    alphabet = ["a", "é", "漢", "🙂", '"', "\\", "\n", ",", "\t", " ", "'", "}", "]", "{", "\u2028"]
    word = lambda: "".join(draw.choice(alphabet) for _ in range(draw.randrange(1, 30)))
    return [{"question": "q" + word(), "answer": draw.randrange(-(2**40), 2**40), "score": draw.choice([0.5, 1e-9, 3.0, -2.25]),
             "flag": draw.random() < 0.5, "none": None if draw.random() < 0.5 else word(),
             "list": [word() for _ in range(draw.randrange(3))], "pairs": [[draw.randrange(9), draw.randrange(9)] for _ in range(draw.randrange(4))],
             "object": {"a": draw.randrange(5), "b": [{"c": word()}]}} for _ in range(count)]


def same(what, got, want):
    for i, (a, b) in enumerate(zip(got, want)):
        if a != b:
            return check(what, False, f"row {i + 1}: {a} instead of {b}")
    check(what, len(got) == len(want), f"{len(got)} rows instead of {len(want)}")


def kinds(folder):
    rows = sample_rows(3000, 1)
    table = pa.Table.from_pylist(rows)
    for group, codec in ((3000, "snappy"), (100, "zstd"), (7, "none")):
        path = folder / f"g{group}.parquet"
        pq.write_table(table, path, row_group_size=group, compression=codec, use_dictionary=group != 100)
        want = expected(rows, lambda n: f"{path.name} row {n}")
        same(f"parquet, row groups of {group}", read(path), want)
        same(f"parquet, row groups of {group}, at random", read(path, GRPO_ROWS="scattered"), [want[i * 37 % 3000] for i in range(3000)])
    lines = "".join(json.dumps(row, ensure_ascii=i % 2 == 0) + "\n" for i, row in enumerate(rows))
    (folder / "a.jsonl").write_text(lines)
    same("JSON lines", read(folder / "a.jsonl"), expected(rows, lambda n: f"a.jsonl:{n}"))
    (folder / "a.json").write_text(json.dumps(rows, indent=1))
    same("JSON array", read(folder / "a.json"), expected(rows, lambda n: f"a.json row {n}"))
    half = len(lines.encode()) // 2
    (folder / "a.jsonl.gz").write_bytes(gzip.compress(lines.encode()[:half]) + gzip.compress(lines.encode()[half:]))
    same("JSON lines, gzip of two members", read(folder / "a.jsonl.gz"), expected(rows, lambda n: f"a.jsonl.gz:{n}"))
    (folder / "a.json.zst").write_bytes(pa.Codec("zstd").compress(json.dumps(rows).encode(), asbytes=True))
    same("JSON array, zstd", read(folder / "a.json.zst"), expected(rows, lambda n: f"a.json.zst row {n}"))
    flat = [{"question": row["question"], "answer": str(row["answer"]), "none": row["none"] or ""} for row in rows]
    for name, delimiter in (("a.csv", ","), ("a.tsv", "\t")):
        pa.csv.write_csv(pa.Table.from_pylist(flat), folder / name, pa.csv.WriteOptions(delimiter=delimiter))
        same(name, read(folder / name), expected(flat, lambda n: f"{name} row {n}"))
    (folder / "b.csv.gz").write_bytes(gzip.compress((folder / "a.csv").read_bytes()))
    same("CSV, gzip", read(folder / "b.csv.gz"), expected(flat, lambda n: f"b.csv.gz row {n}"))
    got = read(folder / "g7.parquet", "question", "answer", "", "train", "answer > 0 and not flag")
    want = [row for row in expected(rows, lambda n: f"g7.parquet row {n}") if int(row["solution"]) > 0 and row["columns"]["flag"] == "false"]
    same("Parquet, filtered", got, want)


def hostile(folder):
    good = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(sample_rows(500, 2)), good)
    parquet = good.getvalue().to_pybytes()
    packed = gzip.compress(("".join(json.dumps(row) + "\n" for row in sample_rows(500, 3))).encode())
    zstd = pa.Codec("zstd").compress(b'{"question": "q", "answer": 1}\n' * 5000, asbytes=True)
    files = {"cut.jsonl.gz": packed[: len(packed) // 2], "no.jsonl.gz": b"no gzip at all", "empty.jsonl.gz": b"",
             "cut.jsonl.zst": zstd[:-5], "no.csv.zst": b"\0" * 100, "cut.parquet": parquet[:-100], "head.parquet": b"PAR1", "empty.parquet": b"",
             "tail.parquet": b"PAR1" + b"\xff" * 200 + b"\xff\xff\xff\x7fPAR1", "quote.csv": b'question,answer\n1,2\n3,"4\n5,6\n',
             "wide.csv": b"question,answer\n1,2\n3,4,5\n", "bytes.csv": b"question,answer\n1,2\n\xff,3\n", "twice.csv": b"question,question\n1,2\n",
             "empty.csv": b"", "head.csv": b"question,answer\n",
             "open.json": b'[{"question": "q", "answer": 1}, {"question": "[', "more.json": b'[{"question": "q", "answer": 1}] x',
             "curly.json": b"[}]", "none.json": b"[ ]", "deep.json": b"[" * 300000, "deep.jsonl": b'{"question":"q","answer":' + b"[" * 300000,
             "line.jsonl": b'{"question": "' + b"x" * (100 << 20), "bytes.jsonl": b'{"question": "\xff", "answer": 1}\n'}
    for name, content in files.items():
        (folder / name).write_bytes(content)
        done = run(folder / name)
        check(f"refused: {name}", done.returncode == 3 and name in done.stderr and len(done.stderr) < 1000, (done.returncode, done.stderr))
    for needle, name in (("row 2: a quote", "quote.csv"), ("Row #3", "wide.csv"), ('row 2: column "question" is not UTF-8', "bytes.csv")):
        stderr = run(folder / name).stderr
        check(f"{name} says {needle}", needle in stderr, stderr)
    (folder / "long.csv").write_bytes(b"question,answer\n" + b"x" * (100 << 20) + b",1\n")
    check("a record of 100 MiB: read or refused", run(folder / "long.csv", count=True).returncode in (0, 3))
    draw = random.Random(5)
    crashes = []
    for i in range(40):  # any byte of a Parquet file may be wrong
        broken = bytearray(parquet)
        for _ in range(3):
            broken[draw.randrange(len(broken))] = draw.randrange(256)
        (folder / "x.parquet").write_bytes(broken)
        code = run(folder / "x.parquet", count=True).returncode
        if code not in (0, 3):
            crashes.append((i, code))
    check("40 Parquet files with wrong bytes: rows or an error, no crash", not crashes, crashes)


def beyond_the_cache(folder):
    """Rows at random out of a row group that is decoded in slices, of which not all are kept."""
    rows = [{"question": f"{i} " + "x" * 6000, "answer": i} for i in range(20001)]
    path = folder / "slices.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=len(rows), use_dictionary=False)
    numbers = [int(row["solution"]) for row in read(path, GRPO_ROWS="scattered")]
    check("Parquet of 120 MiB of text, rows at random", numbers == [i * 37 % 20001 for i in range(3000)], numbers)


def streaming(folder, count):
    words = " ".join(f"word{i}" for i in range(40))
    schema = pa.schema([("question", pa.string()), ("answer", pa.string()), ("unused", pa.string())])
    path = folder / "big.parquet"
    step = 100_000
    with pq.ParquetWriter(path, schema, compression="snappy", use_dictionary=False) as writer:
        tables = []
        for first in range(0, count, step):
            numbers = [str(n) for n in range(first, min(first + step, count))]
            tables.append(pa.table({"question": [f"{n} {words}" for n in numbers], "answer": numbers, "unused": [words] * len(numbers)}, schema))
            if len(tables) == 5:
                writer.write_table(pa.concat_tables(tables), row_group_size=5 * step)
                tables = []
        if tables:
            writer.write_table(pa.concat_tables(tables), row_group_size=5 * step)
    done = run(path, count=True)
    result = json.loads(done.stdout or "{}")
    size = path.stat().st_size >> 20
    data = count * (len(words) * 2 + 20) >> 20
    print(f"streamed {count} rows, {size} MiB of Parquet, {data} MiB of text: {result}")
    check("a streamed Parquet file stays under 300 MiB", done.returncode == 0 and result["rows"] == count and result["peak_mib"] < 300, done.stderr or result)


def scattered_in_one_group(folder):
    """Rows at random out of one large row group: decoded from its beginning each time this would take minutes."""
    count = 60_000
    words = " ".join(f"w{i}" for i in range(300))
    path = folder / "group.parquet"
    rows = [{"question": f"{i} {words}", "answer": i, "score": i / 7, "list": [i], "none": None if i % 3 else "t"} for i in range(count)]
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=count, use_dictionary=False)
    start = time.time()
    got = read(path, GRPO_ROWS="shuffled")
    seconds = time.time() - start
    order = [i * 7919 % count for i in range(3000)]
    same("rows at random out of one row group of 60000", got, [expected([rows[i]], lambda _, i=i: f"group.parquet row {i + 1}")[0] for i in order])
    print(f"3000 of {count} rows at random, {path.stat().st_size >> 20} MiB: {seconds:.1f} s")
    check("and quickly", seconds < 30, seconds)


def a_million_lines(folder):
    path = folder / "million.jsonl"
    with path.open("w") as out:
        for first in range(0, 1_000_000, 10_000):
            out.write("".join(f'{{"question": "How many are {n} and {n + 1} of them together?", "answer": "{2 * n + 1}"}}\n' for n in range(first, first + 10_000)))
    opened = min(json.loads(run(path, GRPO_ROWS="opened").stdout)["open_seconds"] for _ in range(3))
    print(f"a million lines of JSON, {path.stat().st_size >> 20} MiB: open after {opened:.2f} s")
    check("a million lines of JSON are open in under 2 s", opened < 2.0, opened)


with tempfile.TemporaryDirectory() as place:
    for part in ("kinds", "hostile"):
        (Path(place) / part).mkdir()
    big = int(os.environ.get("GRPO_BIG_ROWS", "0"))
    if big == 0:
        kinds(Path(place) / "kinds")
        hostile(Path(place) / "hostile")
        beyond_the_cache(Path(place))
        a_million_lines(Path(place))
        scattered_in_one_group(Path(place))
    streaming(Path(place), big or 300_000)
sys.exit(1 if failures else 0)
