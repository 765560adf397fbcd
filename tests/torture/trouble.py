"""Faults one by one: each disturbs a run, lets it go on to its end, and says what was seen. Standard library and a C++ compiler."""

import json
import os
import pathlib
import pwd
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time

from case import BIN, ROOT
from course import flip, last_checkpoint, newest, until, with_faults
from served import Serve

HERE = pathlib.Path(__file__).resolve().parent
COULD_NOT = "could not be saved"


class NotHere(Exception):
    """The machine does not allow this fault."""


def build_library(folder):
    library = folder / "faults.so"
    subprocess.run([os.environ.get("CXX", "c++"), "-std=c++20", "-shared", "-fPIC", "-O1", str(HERE / "faults.cpp"), "-o", str(library), "-ldl"],
                   check=True)
    return library


def equal(courses, out, kind="one rank"):
    wrong = courses.differences(kind, out)
    assert not wrong, f"{', '.join(wrong)} differ"


def half_way(courses, *more):
    """A run that was killed behind its third checkpoint."""
    out = courses.fresh()
    courses.undisturbed("one rank")
    processes = courses.start("one rank", out, "--save_total_limit", 10, *more)
    until(lambda: newest(out) >= 9, processes)
    processes[0].kill()
    processes[0].communicate()
    return out


# ---- checkpoints that are damaged --------------------------------------------------------------------------------------

def damaged(courses, damage, said):
    """`damage` is done to the newest checkpoint; the one before must be used, and the message must say why."""
    out = half_way(courses)
    last = last_checkpoint(out)
    damage(last)
    before = sorted(newest_steps(out))[-2]
    processes = courses.start("one rank", out, "--resume_from_checkpoint", str(last))
    processes[0].communicate(timeout=60)
    assert processes[0].returncode == 3 and re.search(said, courses.said.read_text()), "named by hand it is an error"
    courses.to_the_end("one rank", out)
    text = courses.said.read_text()
    assert re.search(f"{last.name}: {said}; the checkpoint before it is used", text), text
    equal(courses, out)
    return f"{last.name} skipped, went on from checkpoint-{before}"


def newest_steps(out):
    return [int(path.name.split("-")[1]) for path in out.glob("checkpoint-*")]


def flipped_bits(courses):
    chance = random.Random(3)
    for name in ("model.safetensors", "optimizer.safetensors", "trainer_state.json", "prompts.safetensors", "config.json"):
        damaged(courses, lambda last: flip(last / name, chance.randrange(8 * (last / name).stat().st_size)), f"{name} has other bytes than were saved.*")
    return "one bit each in 5 files of a checkpoint"


def truncated(courses):
    return damaged(courses, lambda last: os.truncate(last / "optimizer.safetensors", 100), "optimizer.safetensors has 100 bytes.*")


def missing_file(courses):
    return damaged(courses, lambda last: (last / "model.safetensors").unlink(), "model.safetensors is missing")


def missing_manifest(courses):
    return damaged(courses, lambda last: (last / "manifest.json").unlink(), "manifest.json is missing")


def damaged_manifest(courses):
    return damaged(courses, lambda last: flip(last / "manifest.json", 777), "manifest.json .*")


# ---- saves that fail ---------------------------------------------------------------------------------------------------

def full_in_a_shard(courses):
    """Saves fail in the middle of a file, three times; the run goes on, and what was written of them goes."""
    out = courses.fresh()
    courses.undisturbed("one rank")
    courses.to_the_end("one rank", out, **with_faults(courses.library, TORTURE_NOSPC=".partial/.model.safetensors:20000:3"))
    warnings = courses.said.read_text().count(COULD_NOT)
    assert warnings == 3 and "No space left on device" in courses.said.read_text(), courses.said.read_text()
    assert not list(out.glob(".checkpoint-*.partial"))
    equal(courses, out)
    return f"{warnings} saves failed, the run ended well"


def full_for_the_last_save(courses):
    """A signal, and a disk that stays full: exit code 4; nothing that was there is lost."""
    out = courses.fresh()
    courses.undisturbed("one rank")
    processes = courses.start("one rank", out, **with_faults(courses.library, TORTURE_NOSPC=".partial/optimizer.safetensors:20000:1000000"))
    until(lambda: COULD_NOT in courses.said.read_text(), processes)
    processes[0].send_signal(signal.SIGTERM)
    processes[0].communicate(timeout=60)
    assert processes[0].returncode == 4, processes[0].returncode
    assert re.search(r"step \d+ could not be saved: .*optimizer.safetensors.*No space left on device", courses.said.read_text()), courses.said.read_text()
    courses.to_the_end("one rank", out)
    equal(courses, out)
    return "exit code 4, then on from what was there"


def file_size_limit(courses):
    """ulimit -f: no checkpoint fits, nor the finished model."""
    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (60000, 60000))
    out = courses.fresh()
    courses.undisturbed("one rank")
    courses.to_the_end("one rank", out, code=4, preexec_fn=limit, restore_signals=False)
    text = courses.said.read_text()
    assert text.count(COULD_NOT) > 3 and "File too large" in text.splitlines()[-1], text
    courses.to_the_end("one rank", out)
    equal(courses, out)
    return f"{text.count(COULD_NOT)} saves failed and the last one ended the run with exit code 4"


def in_name_space(courses, name):
    """The rest of this fault runs where it may mount things."""
    if subprocess.run(["unshare", "-Urm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True).returncode != 0:
        raise NotHere("no user name spaces on this machine")
    courses.undisturbed("one rank")
    place = courses.dir / name
    place.mkdir()
    (place / "tiny").symlink_to(courses.model)
    shutil.copy(courses.data, place / "rows.jsonl")
    done = subprocess.run(["unshare", "-Urm", sys.executable, str(HERE / "drill.py"), str(BIN), "--inside", name, str(place)], capture_output=True,
                          text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-1500:]
    equal(courses, place / "end")
    return done.stdout.strip().splitlines()[-1]


def inside(name, place):
    """In the name space: mounts, runs, and copies the end out of it."""
    from course import Courses
    courses = Courses()
    place = pathlib.Path(place)
    courses.model, courses.data = place / "tiny", place / "rows.jsonl"
    out = place / "disk" / "run"
    out.parent.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(out.parent)], check=True)
    print({"full disk": full_disk, "read-only disk": read_only_disk}[name](courses, out))
    shutil.copytree(out, place / "end")
    courses.close()


def full_disk(courses, out):
    """Full but for some room for lines, until saves have failed; then there is room."""
    filler = out.parent / "filler"
    processes = courses.start_beside("one rank", out)
    until(lambda: newest(out) >= 3, processes)
    with open(filler, "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            file.truncate(max(0, file.tell() - 120000))
    until(lambda: courses.said.read_text().count(COULD_NOT) >= 2, processes)
    filler.unlink()
    processes[0].communicate(timeout=120)
    text = courses.said.read_text()
    assert processes[0].returncode == 0 and "No space left on device" in text, text
    return f"{text.count(COULD_NOT)} saves failed on a full tmpfs, the run went on to its end"


def read_only_disk(courses, out):
    """The run does not begin, and says why; what is there stays."""
    processes = courses.start_beside("one rank", out)
    until(lambda: newest(out) >= 6, processes)
    processes[0].kill()
    processes[0].communicate()
    subprocess.run(["mount", "-o", "remount,ro", str(out.parent)], check=True)
    processes = courses.start_beside("one rank", out)
    processes[0].communicate(timeout=60)
    text = courses.said.read_text()
    assert processes[0].returncode == 4 and "Read-only file system" in text and str(out) in text, text
    subprocess.run(["mount", "-o", "remount,rw", str(out.parent)], check=True)
    processes = courses.start_beside("one rank", out)
    processes[0].communicate(timeout=120)
    assert processes[0].returncode == 0, courses.said.read_text()
    return "exit code 4 with path and reason, then to the end"


def folder_not_writable(courses):
    """As another user than root, who may write anywhere: the folder is closed for a while."""
    user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else os.geteuid()
    out = courses.fresh()
    courses.undisturbed("one rank")
    place = courses.dir / "shut"
    place.mkdir()
    out = place / "run"
    for folder in (courses.dir, courses.model, place):
        folder.chmod(0o755)
    how = {}
    if os.geteuid() == 0:
        os.chown(place, user, -1)
        how = {"user": user, "cwd": "/"}
        if subprocess.run([str(BIN / "grpo_train"), "--version"], capture_output=True, user=user, cwd="/").returncode != 0:
            raise NotHere("the programs cannot be run by another user here")
    processes = courses.start_beside("one rank", out, **how)
    until(lambda: newest(out) >= 3, processes)
    out.chmod(0o555)
    until(lambda: courses.said.read_text().count(COULD_NOT) >= 2, processes)
    out.chmod(0o755)
    processes[0].communicate(timeout=120)
    text = courses.said.read_text()
    assert processes[0].returncode == 0 and "Permission denied" in text, text
    equal(courses, out)
    return f"{text.count(COULD_NOT)} saves failed, the run went on to its end"


# ---- clocks, servers, rewards ------------------------------------------------------------------------------------------

def clock_jumps(courses):
    """The wall clock jumps by days all the time, over a signal and a resume."""
    out = courses.fresh()
    courses.undisturbed("one rank")
    how = with_faults(courses.library, TORTURE_CLOCK=1)
    processes = courses.start("one rank", out, **how)
    until(lambda: newest(out) >= 6, processes)
    processes[0].send_signal(signal.SIGTERM)
    processes[0].communicate(timeout=60)
    assert processes[0].returncode == 75, courses.said.read_text()
    courses.to_the_end("one rank", out, "--save_interval_minutes", 0.001, **how)
    equal(courses, out)
    return "jumps of up to 100 hours at every third question for the time"


def server_death(courses):
    """grpo_serve is killed while it generates; the run ends or waits, and goes on with the next server."""
    kind, out = "async", courses.fresh()
    straight = courses.undisturbed(kind)
    server = Serve(courses.model, "--enable_weight_updates")
    words = ["--vllm_server_base_url", server.url, "--vllm_backfill_with_model", "false", "--vllm_request_timeout", 2, "--vllm_retry_sleep", 0.1]
    deaths = 0
    while deaths < 3:
        processes = courses.start(kind, out, *words)
        until(lambda: courses.lines(out) >= newest(out) + 2 and busy(server), processes)
        server.kill()
        deaths += 1
        processes[0].communicate(timeout=120)
        assert processes[0].returncode == 4, (processes[0].returncode, courses.said.read_text())
        server = Serve(courses.model, "--enable_weight_updates", port=server.port)
    courses.to_the_end(kind, out, *words)
    server.kill()
    equal(courses, out, kind)
    return f"{deaths} deaths with requests under way, exit code 4 each"


def busy(server):
    """Whether it generates at the moment."""
    from http.client import HTTPConnection
    connection = HTTPConnection("127.0.0.1", server.port, timeout=5)
    try:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    finally:
        connection.close()
    running = re.search(r"^[^#\n]*running[^\n]* ([\d.]+)$", text, re.MULTILINE)
    return running is not None and float(running.group(1)) > 0


def reward_death(courses):
    """The reward's program is killed again and again; its verdicts are asked for once more."""
    judge = courses.dir / "judge.py"
    judge.write_text("import json, sys, time\nfor line in sys.stdin:\n    item = json.loads(line)\n    time.sleep(0.002)\n"
                     "    print(json.dumps({'id': item['id'], 'reward': item['completion'].count('e') / 24}), flush=True)\n")
    words = ["--reward_funcs", "judge", "--reward_command", json.dumps({"judge": f"{sys.executable} {judge}"}), "--reward_retries", 50, "--max_steps", 15]
    straight, out = courses.fresh(), courses.fresh()
    courses.to_the_end("one rank", straight, *words)
    processes = courses.start("one rank", out, *words)
    deaths, end = 0, time.monotonic() + 120
    while processes[0].poll() is None and time.monotonic() < end:
        for child in children(processes[0].pid):
            try:
                os.kill(child, signal.SIGKILL)
                deaths += 1
            except ProcessLookupError:
                pass
        time.sleep(0.25)
    processes[0].communicate(timeout=60)
    assert processes[0].returncode == 0, courses.said.read_text()
    assert deaths > 3, "it was killed"
    assert courses.metrics(out) == courses.metrics(straight), "metrics.jsonl differs"
    assert (out / "model.safetensors").read_bytes() == (straight / "model.safetensors").read_bytes(), "model.safetensors differs"
    return f"killed {deaths} times"


def children(process):
    """Processes below it."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == process:
            found.append(int(path.parent.name))
    return found


FAULTS = {"checkpoint with a flipped bit": flipped_bits, "checkpoint with a truncated file": truncated, "checkpoint without a file": missing_file,
          "checkpoint without a manifest": missing_manifest, "checkpoint with a damaged manifest": damaged_manifest,
          "disk full in the middle of a shard": full_in_a_shard, "disk full for the last save": full_for_the_last_save,
          "files may not grow (ulimit -f)": file_size_limit, "full disk (tmpfs)": lambda courses: in_name_space(courses, "full disk"),
          "read-only disk": lambda courses: in_name_space(courses, "read-only disk"), "folder not writable": folder_not_writable,
          "clock jumps": clock_jumps, "generation server killed": server_death, "reward program killed": reward_death}
IN_SHORT = {"checkpoint with a truncated file", "disk full in the middle of a shard", "disk full for the last save", "clock jumps",
            "reward program killed"}
