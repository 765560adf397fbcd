"""Measures, and writes RESULTS.md. Called by run.sh, which builds the programs and finds the peers first:

    python3 benchmarks/run.py --build build/bench [--peers DIR] [--gsm8k train.jsonl] [--only NAME,...] [--full] [--quick]
                              [--rounds N] [--threads N] [--list]

Results are kept one file a row in BUILD/results; RESULTS.md is written from all that are there, so --only renews some. With
--quick everything is a tiny model's, is kept apart and is written to BUILD/RESULTS-quick.md.
"""

import argparse
import datetime
import json
import os
import pathlib
import sys
import time
import traceback

import machine
import models
import report
import rows_parts
import rows_sampling
import rows_scaling
import rows_server
import rows_step
from ours import Ours
from peers import Peers
from result import Setting

ROWS = {"step_beta": rows_step.step_beta, "step_no_beta": rows_step.step_no_beta, "step_system": rows_step.step_system,
        "quickstart": rows_step.quickstart, "decode": rows_sampling.decode, "peak": rows_sampling.peak, "vocabulary": rows_scaling.vocabulary,
        "scaling": rows_scaling.scaling, "threads": rows_scaling.threads, "parts": rows_parts.parts, "start": rows_parts.start,
        "tokenizer": rows_parts.tokenizer, "load": rows_parts.load, "server": rows_server.server_load_row}
ONLY_FULL = {"quickstart": "takes TRL many minutes a seed; run with --full"}
GPU = ("everything on a GPU", "no GPU was at hand; bash benchmarks/gpu.sh measures it")


def arguments():
    parser = argparse.ArgumentParser(prog="benchmarks/run.sh")
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--peers", default=os.environ.get("GRPO_BENCH_PEERS"), help="folder of the peers' environment; none: only ours is run")
    parser.add_argument("--gsm8k", type=pathlib.Path, default=os.environ.get("GRPO_GSM8K"), help="GSM8K's train.jsonl; without it the questions are sums")
    parser.add_argument("--only", help="names of rows, separated by commas")
    parser.add_argument("--full", action="store_true", help="with the rows that take many minutes")
    parser.add_argument("--quick", action="store_true", help="a tiny model: shows that everything runs")
    parser.add_argument("--rounds", type=int, help="repetitions (3; with --quick 1)")
    parser.add_argument("--threads", type=int, default=machine.cores())
    parser.add_argument("--list", action="store_true", help="names the rows")
    return parser.parse_args()


def chosen(options):
    names = options.only.split(",") if options.only else [name for name in ROWS if options.full or name not in ONLY_FULL]
    if unknown := [name for name in names if name not in ROWS]:
        raise SystemExit(f"benchmarks: no such row: {', '.join(unknown)}; rows: {', '.join(ROWS)}")
    return names


def prepare(options):
    """The models and questions that rows share."""
    work = options.build.resolve() / ("bench-quick" if options.quick else "bench-work")
    ours = Ours(options.build.resolve() / "bin", work, options.threads)
    gsm8k = pathlib.Path(options.gsm8k).resolve() if options.gsm8k else None
    rows = models.write_rows(work / "rows" / "questions.jsonl", gsm8k)
    if options.quick:
        model = peer_model = models.write_model(work / "models" / "tiny", models.Shape(64, 2, 320))
    else:
        model, peer_model = machine.ROOT / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf", work / "smollm2"
        if not (peer_model / "model.safetensors").exists():
            ours.program("grpo_export", "--model_name_or_path", model, "--output", peer_model, "--overwrite")
    return Setting(ours, Peers(options.peers), options.threads, options.rounds or (1 if options.quick else 3), options.quick, work, gsm8k, model,
                   peer_model, rows)


def measure(name, setting):
    """The row as a dictionary that json keeps; a row that fails is a result as well, and no reason to lose the others."""
    begin = time.monotonic()
    try:
        result = ROWS[name](setting)
    except Exception as error:  # noqa: BLE001  (whatever it was, it is reported)
        traceback.print_exc()
        return {"name": name, "failed": f"{type(error).__name__}: {error}".splitlines()[0]}
    return {"name": name, "title": result.title, "tables": result.tables, "verdicts": result.verdicts, "notes": result.notes,
            "commands": result.commands, "missing": result.missing, "seconds": time.monotonic() - begin, "commit": machine.commit(),
            "when": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")}


def write_report(options, setting, load_before, command):
    folder = setting.work / "results"
    kept = {name: json.loads((folder / f"{name}.json").read_text()) for name in ROWS if (folder / f"{name}.json").exists()}
    results = [row for row in kept.values() if "failed" not in row]
    missing = [GPU] + [tuple(pair) for row in results for pair in row["missing"]]
    missing += [(f"the row {name}", f"it failed: {row['failed']}") for name, row in kept.items() if "failed" in row]
    missing += [(f"the row {name}", ONLY_FULL.get(name, "not asked for")) for name in ROWS if name not in kept]
    versions = [f"{name} {version}" for name, version in setting.peers.versions()]
    about = machine.describe(options.build.resolve(), options.threads, load_before)
    about += [["peers", ", ".join(versions) or "none"], ["questions", "the first 64 of GSM8K" if setting.gsm8k else "sums (GSM8K was not given)"]]
    path = options.build / "RESULTS-quick.md" if options.quick else machine.ROOT / "benchmarks" / "RESULTS.md"
    path.write_text(report.results_md(about, results, missing, command, options.quick), encoding="utf-8")
    return path, [name for name, row in kept.items() if "failed" in row]


def main():
    options = arguments()
    if options.list:
        print("\n".join(ROWS))
        return 0
    names = chosen(options)
    for variable, path in (("GRPO_BENCH_PEERS", options.peers), ("GRPO_GSM8K", options.gsm8k)):
        if path:
            os.environ[variable] = str(pathlib.Path(path).resolve())  # by which commands are shown
    load_before = os.getloadavg()[0]
    setting = prepare(options)
    folder = setting.work / "results"
    folder.mkdir(parents=True, exist_ok=True)
    command = "bash benchmarks/run.sh" + "".join(f" {word}" for word, given in ((f"--only {options.only}", options.only), ("--full", options.full),
                                                                                ("--quick", options.quick)) if given)
    failed = []
    for name in names:
        print(f"benchmarks: {name} ...", file=sys.stderr, flush=True)
        row = measure(name, setting)
        (folder / f"{name}.json").write_text(json.dumps(row, indent=1))
        path, failed = write_report(options, setting, load_before, command)  # after each row: an interrupted run keeps what it has
        for verdict in row.get("verdicts", []):
            print(f"  {report.MET[verdict['met']]:14} {verdict['goal']}: {verdict['measured']}", file=sys.stderr)
    print(f"benchmarks: {path}" + (f"; failed: {', '.join(failed)}" if failed else ""))
    return 1 if set(failed) & set(names) else 0


if __name__ == "__main__":
    raise SystemExit(main())
