"""What the figures were measured on and of."""

import os
import pathlib
import platform
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[1]
INTERESTING = ["avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16", "asimd", "sve"]


def first_match(path, pattern):
    try:
        found = re.search(pattern, pathlib.Path(path).read_text(errors="replace"), re.M)
    except OSError:
        return None
    return found.group(1).strip() if found else None


def cores():
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def git(*words):
    done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def commit():
    """Short hash; "+ changes" when tracked files differ from it."""
    return (git("rev-parse", "--short", "HEAD") or "unknown") + (" + changes" if git("status", "--porcelain", "-uno") else "")


def libtorch_version(build):
    library = first_match(build / "CMakeCache.txt", r"^GRPO_TORCH_CPU:[A-Z]+=(.*)$")
    if not library:
        return "unknown"
    config = pathlib.Path(library).parents[1] / "share" / "cmake" / "Torch" / "TorchConfigVersion.cmake"
    return first_match(config, r'PACKAGE_VERSION "([^"]+)"') or "unknown"


def memory_gb():
    kilobytes = first_match("/proc/meminfo", r"^MemTotal:\s+(\d+)")
    return f"{int(kilobytes) * 1024 / 1e9:.1f} GB" if kilobytes else "unknown"


def describe(build, threads, load_before):
    """Pairs of name and text."""
    flags = (first_match("/proc/cpuinfo", r"^(?:flags|Features)\s*:(.*)$") or "").split()
    return [
        ["CPU", first_match("/proc/cpuinfo", r"^model name\s*:(.*)$") or platform.processor() or platform.machine()],
        ["cores", f"{cores()}, of which {threads} used"],
        ["instructions", " ".join(flag for flag in INTERESTING if flag in flags) or "unknown"],
        ["memory", memory_gb()],
        ["system", f"{platform.system()} {platform.release()}"],
        ["libtorch", libtorch_version(build)],
        ["build", first_match(build / "CMakeCache.txt", r"^CMAKE_BUILD_TYPE:[A-Z]+=(.*)$") or "unknown"],
        ["load before the run", f"{load_before:.2f} processes on average over a minute" + (" (**the machine was busy**)" if load_before > 0.5 else "")],
        ["commit", commit()],
    ]
