"""A real Slurm on this machine for the length of a test: munged, slurmctld and slurmds on loopback, GPUs that are only names.

No system service, no accounting, no limits enforced; it runs as root or as an ordinary user. Standard library only.
"""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

PROGRAMS = ("munged", "munge", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "scancel", "sinfo")
PATH = os.environ["PATH"] + ":/usr/sbin:/sbin"

CONF = """\
ClusterName=loopback
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
# cred_expire is also how long a requeued job waits; less than 5 s means 120 s.
AuthInfo=socket={dir}/munge/sock,cred_expire=5
StateSaveLocation={dir}/state
SlurmdSpoolDir={dir}/spool/%n
SlurmctldPidFile={dir}/pid.slurmctld
SlurmdPidFile={dir}/pid.%n
SlurmctldLogFile={dir}/slurmctld.log
SlurmdLogFile={dir}/slurmd.%n.log
MinJobAge=86400
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
MailProg=/bin/true
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
ReturnToService=2
KillWait=10
# CPUs and memory are believed, not counted.
SlurmdParameters=config_overrides
GresTypes=gpu
"""


def missing():
    """The first program that a cluster lacks here, or nothing."""
    return next((name for name in PROGRAMS if shutil.which(name, path=PATH) is None), None)


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Cluster:
    """Nodes 127.0.0.1, 127.0.0.2, ...: names that `scontrol show hostnames` gives and that can be connected to."""

    def __init__(self, nodes=1, gpus=7, cpus=64):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="slurm", dir="/tmp"))  # a short path: its sockets are below it
        self.names = [f"127.0.0.{i + 1}" for i in range(nodes)]
        self.daemons = []
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM", "SBATCH"))}
        self.environment |= {"PATH": PATH, "SLURM_CONF": str(self.dir / "slurm.conf"), "LC_ALL": "C"}
        try:
            self.start(gpus, cpus)
        except BaseException:
            self.stop()
            raise

    def start(self, gpus, cpus):
        for name in ("munge", "state", "dev", *(f"spool/{node}" for node in self.names)):
            (self.dir / name).mkdir(parents=True)
        (self.dir / "munge").chmod(0o711)
        key = self.dir / "munge/key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        for i in range(gpus):
            (self.dir / f"dev/gpu{i}").symlink_to("/dev/null")  # only a character device gives CUDA_VISIBLE_DEVICES
        (self.dir / "gres.conf").write_text(f"Name=gpu Type=a100 File={self.dir}/dev/gpu[0-{gpus - 1}] Flags=nvidia_gpu_env\n")
        user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
        ports = free_ports(len(self.names) + 1)
        conf = CONF.format(dir=self.dir, user=user, ports=ports)
        for node, port in zip(self.names, ports[1:]):
            conf += (f"NodeName={node} NodeHostname=localhost NodeAddr=127.0.0.1 Port={port} CPUs={cpus} RealMemory=512000 "
                     f"Gres=gpu:a100:{gpus} State=UNKNOWN\n")
        conf += "PartitionName=mltheory Nodes=ALL Default=YES MaxTime=INFINITE State=UP\n"
        (self.dir / "slurm.conf").write_text(conf)

        munge = self.dir / "munge"
        self.launch("munged", "--foreground", "--force", f"--key-file={key}", f"--socket={munge}/sock", f"--pid-file={munge}/pid",
                    f"--log-file={munge}/log", f"--seed-file={munge}/seed")
        self.until(lambda: self.call("munge", "-S", munge / "sock", "-n").returncode == 0)
        self.launch("slurmctld", "-D", "-f", self.dir / "slurm.conf")
        self.until(lambda: self.call("scontrol", "ping").returncode == 0)
        for node in self.names:
            self.launch("slurmd", "-D", "-f", self.dir / "slurm.conf", "-N", node)
        self.until(lambda: len(self.call("sinfo", "-h", "-N", "-t", "idle", "-o", "%N").stdout.split()) == len(self.names))

    def launch(self, *words):
        with open(self.dir / "daemons.log", "a") as log:
            self.daemons.append(subprocess.Popen(list(map(str, words)), env=self.environment, stdin=subprocess.DEVNULL, stdout=log,
                                                 stderr=log, start_new_session=True))

    def call(self, *words, **more):
        return subprocess.run(list(map(str, words)), env=self.environment | more.pop("env", {}), capture_output=True, text=True, **more)

    def until(self, done, seconds=30):
        deadline = time.time() + seconds
        while not done():
            dead = [d.args[0] for d in self.daemons if d.poll() is not None]
            if dead or time.time() > deadline:
                logs = "".join(path.read_text(errors="replace")[-800:] for path in self.dir.glob("*.log"))
                raise RuntimeError(f"{dead or 'the time'} ended while Slurm was waited for:\n{logs}")
            time.sleep(0.1)

    def job(self, number):
        """`scontrol show job` as a dictionary."""
        text = self.call("scontrol", "show", "job", "-o", number).stdout
        return dict(word.split("=", 1) for word in text.split() if "=" in word)

    def wait(self, number, *states, seconds=60):
        self.until(lambda: self.job(number).get("JobState") in states, seconds)
        return self.job(number)

    def stop(self):
        if len(self.daemons) > 1 and self.daemons[1].poll() is None:
            self.call("scancel", "--user", str(os.getuid()))
            deadline = time.time() + 15
            while self.call("squeue", "-h").stdout.strip() and time.time() < deadline:
                time.sleep(0.1)
        for daemon in reversed(self.daemons):
            daemon.send_signal(signal.SIGTERM)
        for daemon in reversed(self.daemons):
            try:
                daemon.wait(timeout=10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        shutil.rmtree(self.dir, ignore_errors=True)
