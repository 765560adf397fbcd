"""Rows about sampling, and about how much of the machine sampling and training use."""

import json
import re

import ours as own
import peers as others
from result import Result
from stats import ratios, sample

BATCHES = (1, 8, 16, 32, 64)
PROMPT = 70
# Least ratio to each peer, by batch: "at 8 and above", "at 1 within 10 % of the best".
GOALS = {"hf": 4.0, "vllm": 1.5, "llama": 1.2}


def decode_once(setting, model, rows, tokens, prompt=PROMPT):
    """(tokens/s of one round behind a warm-up, command)"""
    lines, command = setting.ours.program("decode_speed", "--skip_plain", "--rounds", 1, "--tokens", tokens, "--prompt", prompt, model, rows)
    found = next(re.search(r"sampler\s+median\s+([\d.]+) tokens/s", line) for line in lines if "sampler" in line)
    return float(found.group(1)), command


def start_servers(setting, result):
    servers = {}
    for peer in GOALS:
        model = setting.peer_model
        if not setting.peers.python(peer):
            result.missing.append((f"sampling by {others.TITLES[peer]}", "not installed in the peers' environment"))
            continue
        if peer == "llama" and setting.model.suffix == ".gguf":
            model = setting.work / "smollm2-f32.gguf"
            if not model.exists():
                setting.ours.program("grpo_export", "--model_name_or_path", setting.model, "--output", model, "--outtype", "f32")
        elif peer == "llama":
            continue  # the tiny folder has no GGUF
        servers[peer], command = others.sampling_server(setting.peers, peer, model, PROMPT, setting.threads)
        result.command(command)
    return servers


def measure_batches(setting, result, servers, tokens):
    speed = {name: {} for name in ["ours", *servers]}
    for batch in BATCHES:
        for name in servers:
            servers[name].ask(f"{batch} {min(tokens, 8)}")  # warms up
        for _ in range(setting.rounds):
            mine, command = decode_once(setting, setting.model, batch, tokens)
            speed["ours"].setdefault(batch, []).append(mine)
            if batch == BATCHES[-1]:
                result.command(command)
            for name, server in servers.items():
                speed[name].setdefault(batch, []).append(batch * tokens / float(server.ask(f"{batch} {tokens}")))
    return speed


def decode(setting):
    tokens = setting.tokens(128)
    result = Result(f"Sampling: {tokens} forced tokens behind one shared prompt of {PROMPT}, float32, temperature 1")
    servers = start_servers(setting, result)
    try:
        speed = measure_batches(setting, result, servers, tokens)
    finally:
        for server in servers.values():
            server.close()
    rows = [[batch, *(sample(speed[name][batch]).show(1) for name in speed)] for batch in BATCHES]
    result.table(["rows", "libgrpo", *(others.TITLES[name] for name in servers)], rows, "Tokens per second, prompt and drawing included:")
    for name, least in GOALS.items():
        goal = f"at least {least} times {others.TITLES[name]} at 8 rows and above"
        if name not in servers:
            result.goal(goal, "not installed", None)
            continue
        worst = min((ratios(speed["ours"][b], speed[name][b]) for b in BATCHES[1:]), key=lambda ratio: ratio.median)
        result.at_least(goal, least, worst)
    if servers:
        best = max(servers, key=lambda name: sample(speed[name][1]).median)
        result.at_least(f"one row: at least 0.9 of the best peer ({others.TITLES[best]} of those installed)", 0.9, ratios(speed["ours"][1], speed[best][1]))
    return result


def peaks(setting, result):
    """What the machine can do, measured once a run."""
    if setting.peaks is None:
        shape = model_shape(setting)
        lines, command = setting.ours.program("peak", "--threads", setting.threads, "--rounds", 3 if setting.quick else 7, "--width", shape["width"],
                                              "--mlp", shape["mlp"])
        setting.peaks = {**json.loads(lines[-1]), "command": command}
    result.command(setting.peaks["command"])
    return setting.peaks


def model_shape(setting):
    """Sizes from the config.json of the Hugging Face folder."""
    config = json.loads((setting.peer_model / "config.json").read_text())
    width, heads = config["hidden_size"], config["num_attention_heads"]
    head = config.get("head_dim") or width // heads
    kv, mlp, layers = config["num_key_value_heads"], config["intermediate_size"], config["num_hidden_layers"]
    per_layer = 2 * width * head * (heads + kv) + 3 * width * mlp
    return {"width": width, "mlp": mlp, "layers": layers, "head_dim": head, "heads": heads, "kv": kv, "vocabulary": config["vocab_size"],
            "matrices": layers * per_layer, "head": width * config["vocab_size"]}


def forward_flops(shape, tokens, positions, scored):
    """Useful operations of one forward pass: matrices of `tokens`, attention over `positions` (token, key) pairs, the head of `scored`."""
    attention = 4.0 * shape["layers"] * shape["heads"] * shape["head_dim"] * positions
    return 2.0 * shape["matrices"] * tokens + attention + 2.0 * shape["head"] * scored


def training_share(setting, result, shape, peak):
    tokens = setting.tokens(128)
    options = own.step_options(setting.model, setting.rows, beta=0.04, tokens=tokens, steps=3)
    shares = []
    for _ in range(setting.rounds):
        run = setting.ours.train(options)
        result.command(run.command)
        for step in run.steps[1:]:
            rows, completions = 4, 32
            packed = step["time/tokens_per_second"] * step["time/step"]  # prompts once, and completions
            prompt = (packed - completions * tokens) / rows
            positions = rows * prompt * (prompt + 1) / 2 + completions * (tokens * prompt + tokens * (tokens + 1) / 2)
            useful = 3.0 * forward_flops(shape, packed, positions, completions * tokens)
            shares.append(useful / step["time/train"] / (peak["gemm"][0] * 1e9))
    return sample(shares)


def prefill_share(setting, result, shape, peak):
    prompt, rows = 64 if setting.quick else 512, 64
    shares = []
    for _ in range(setting.rounds):
        speed, command = decode_once(setting, setting.model, rows, 1, prompt)
        result.command(command)
        shares.append(forward_flops(shape, prompt, prompt * (prompt + 1) / 2, 1) / (rows / speed) / (peak["gemm"][0] * 1e9))
    return sample(shares)


def decode_share(setting, result, shape, peak):
    """The bound: matrices and head at the speed that the machine reaches for 32 rows, or reading all weights once, whichever is slower."""
    rows, tokens = 32, setting.tokens(128)
    work = 2.0 * (shape["matrices"] + shape["head"]) * rows
    bytes_read = 4.0 * (shape["matrices"] + shape["head"])
    bound = max(work / (peak["shapes"][str(rows)][0] * 1e9), bytes_read / (peak["read"][0] * 1e9))
    shares = []
    for _ in range(setting.rounds):
        speed, command = decode_once(setting, setting.model, rows, tokens)
        result.command(command)
        shares.append(bound / (rows / speed))
    return sample(shares), rows / bound


def peak(setting):
    result = Result("How much of the machine is used")
    limits, shape = peaks(setting, result), model_shape(setting)
    result.table(["bound", "median", "lowest", "highest"],
                 [["large fp32 products, GFLOP/s", *limits["gemm"]], ["reading memory, GB/s", *limits["read"]],
                  *([f"{rows} x {shape['width']} by {shape['width']} x {shape['mlp']}, GFLOP/s", *figures] for rows, figures in limits["shapes"].items())])
    result.at_least("training: at least 0.65 of the GEMM peak", 0.65, training_share(setting, result, shape, limits))
    result.at_least("prefill of one long prompt: at least 0.75 of the GEMM peak", 0.75, prefill_share(setting, result, shape, limits))
    share, bound = decode_share(setting, result, shape, limits)
    result.at_least("sampling at 32 rows: at least 0.65 of min(GEMM at that shape, memory)", 0.65, share)
    result.notes += [f"The bound of sampling at 32 rows is {bound:.0f} tokens/s on this machine.",
                     "Training counts the operations that a step cannot do without: the forward pass and twice that for the backward pass, each prompt once, "
                     "attention and head included; what is computed a second time to save memory is not counted.",
                     "Prefill includes the drawing of the first token of 64 completions."]
    return result
