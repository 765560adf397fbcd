# Runs beside a training program that was told report_to wandb: reads JSON lines from standard input and hands them to the wandb
# package. It belongs to libgrpo, which starts it as `python3 -c`. It ends with its input; an input that ends without "finish" is a
# run that crashed.
import json
import os
import signal
import sys

signal.signal(signal.SIGINT, signal.SIG_IGN)  # the training program decides when the run ends


def say(**words):
    print(json.dumps(words), flush=True)


try:
    import wandb
except ImportError as error:
    say(error=f"python3 cannot import wandb ({error}); pip install wandb into the Python that is first on PATH")
    sys.exit(1)


def table_of(message):
    return wandb.Table(columns=message["columns"], data=message["rows"])


def main():
    run, finished = None, None
    for line in sys.stdin:
        message = json.loads(line)
        if "init" in message:
            run = wandb.init(**message["init"])
            run.define_metric("train/global_step")
            run.define_metric("*", step_metric="train/global_step", step_sync=True)
            say(id=run.id, mode=str(run.settings.mode), dir=run.dir, url=run.url or "")
        elif "log" in message:
            values = dict(message["log"])
            values.update({name: table_of(table) for name, table in message.get("tables", {}).items()})
            run.log({"train/global_step": message["step"], **values})
        elif "finish" in message:
            finished = message["finish"]
            break
    if run is not None:
        run.finish(exit_code=1 if finished is None else finished)
        say(finished=1 if finished is None else finished)


try:
    main()
except Exception as error:  # whatever goes wrong here must not look like a traceback of the training
    say(error=f"{type(error).__name__}: {error}")
    os._exit(1)
