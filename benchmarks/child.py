"""A child process, measured from outside in the same way whoever it is: wall time, peak memory, and when each line came.

Linux carries the parent's peak over into the child's, so this process must stay small: some 50 MB.
"""

import dataclasses
import os
import subprocess
import tempfile
import time


@dataclasses.dataclass
class Finished:
    seconds: float        # from the start of the process to its end
    peak_bytes: float     # ru_maxrss of the child alone
    lines: list           # (seconds since the start, line) of its standard output


class Failed(Exception):
    pass


def run(command, threads, cwd=None, env=None, limit=None):
    """Runs to the end. throws: Failed with the end of what it wrote to standard error, also after `limit` seconds."""
    surroundings = {**os.environ, "OMP_NUM_THREADS": str(threads), **(env or {})}
    with tempfile.TemporaryFile("w+") as errors:
        begin = time.monotonic()
        child = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=errors, text=True, cwd=cwd, env=surroundings)
        lines = []
        try:
            for line in child.stdout:
                lines.append((time.monotonic() - begin, line.rstrip("\n")))
                if limit and lines[-1][0] > limit:
                    raise Failed(f"{command[0]}: not done after {limit} s")
        except BaseException:
            child.kill()
            child.wait()
            raise
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.monotonic() - begin
        child.returncode = os.waitstatus_to_exitcode(status)
        child.stdout.close()
        if child.returncode != 0:
            errors.seek(0)
            raise Failed(f"exit code {child.returncode} of {' '.join(map(str, command))}\n{errors.read()[-2000:]}")
    return Finished(seconds, usage.ru_maxrss * 1024.0, lines)


class Server:
    """A child that measures once for each line it is given, and answers with one line: so that rounds of several can take turns."""

    def __init__(self, command, threads, cwd=None, env=None):
        surroundings = {**os.environ, "OMP_NUM_THREADS": str(threads), **(env or {})}
        self.errors = tempfile.TemporaryFile("w+")
        self.command = [str(word) for word in command]
        self.child = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True, cwd=cwd,
                                      env=surroundings)

    def ask(self, line):
        """The answer; other programs' chatter on standard output is passed over: an answer starts with "= "."""
        try:
            self.child.stdin.write(f"{line}\n")
            self.child.stdin.flush()
        except BrokenPipeError:
            pass
        for answer in self.child.stdout:
            if answer.startswith("= "):
                return answer[2:].strip()
        self.child.wait()
        self.errors.seek(0)
        raise Failed(f"{' '.join(self.command)} ended\n{self.errors.read()[-2000:]}")

    def close(self):
        try:
            self.child.stdin.close()
        except BrokenPipeError:
            pass
        try:
            self.child.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        self.child.stdout.close()
        self.errors.close()
