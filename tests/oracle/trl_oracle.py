"""Writes trl_losses.json: the losses and gradients of TRL's own GRPOTrainer, on a tiny model and fixed completions.

    python tests/oracle/trl_oracle.py [output.json [part of the names of the cases to run]]

with the packages of requirements-trl.txt. Nothing is downloaded; two runs write the same bytes. A few minutes on one core.

TRL's trainer runs whole (advantages, old log-probs, loss, normalisation, accumulation, optimizer steps). Only what would be
random or would need another program is put in its place: completions are given instead of sampled, rewards are looked up,
and the sampler's log-probs are the completions' own plus noise. Everything is computed in float64, so a figure here is the
formula's and not one program's rounding: transformers casts to float32 inside its norms and its rotary embedding, and those
two are restated below. Plain SGD without clipping follows each gradient, with a step so large that the ratios of a second
pass over the same completions leave the clip range.

    model, reference   weights by our names and in our layout: q, k, v one below the other, gate and up alike
    groups             prompts and their completions, with log-probs and entropies (at `temperature`) of both models; a
                       completion's row is its index over all groups
    advantages         of the 16 rows, by how rewards are scaled or aggregated
    batch_metrics      what TRL logs of the completions themselves, the same in all cases
    gradients          over all parameters, in the order of the model's; an update names one by its index
    cases              options as TRL takes them (what is absent has TRL's default), and the optimizer updates they give:
                       rows used (micro-batch after micro-batch), the loss summed over micro-batches, the gradient before
                       the step, and the metrics that TRL logs for the update (means over its micro-batches)
    refused            what TRL does not run, in its own words

`check` recomputes the plain cases from the formulas, one unpadded row at a time.
"""

import base64
import itertools
import json
import logging
import math
import os
import pathlib
import sys
import tempfile
import warnings
from importlib import metadata

os.environ.update(HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1", CUDA_VISIBLE_DEVICES="", TOKENIZERS_PARALLELISM="false")

import datasets
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.models.llama import modeling_llama
from trl import GRPOConfig, GRPOTrainer
from trl.trainer import grpo_trainer

TEMPERATURE = 0.9
MAX_COMPLETION_LENGTH = 6
LEARNING_RATE = 0.7
SEED, SHUFFLE_SEED = 98, 4  # with these the options below make a difference, and none hangs on how float32 rounds
PAD, EOS = 0, 1
CONFIG = {"vocab_size": 14, "hidden_size": 8, "intermediate_size": 12, "num_layers": 1, "num_heads": 2, "num_kv_heads": 1,
          "head_dim": 4, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": True}

# Completions' lengths, the end token included where there is one; all of full length are cut off but (2, 1) and (3, 2).
PROMPT_LENGTHS = [3, 2, 5, 4]
LENGTHS = [[3, 6, 1, 4], [2, 5, 6, 3], [6, 6, 4, 5], [4, 3, 6, 6]]
TRUNCATED = {(0, 1), (1, 2), (2, 0), (3, 3)}
REWARD_WEIGHTS = {"first": 1.0, "second": 0.5}
REWARDS = {
    "first": [[1.0, 0.0, 0.25, 0.0], [0.0, 1.0, 1.0, 0.5], [0.5, 0.5, 0.5, 0.5], [0.0, 0.0, 1.0, 0.125]],
    "second": [[0.5, -1.0, 0.0, 0.75], [1.0, 0.25, None, -0.5], [0.25, 0.25, 0.25, 0.25], [-0.25, 0.5, 0.0, 1.0]],
}
SAMPLER_NOISE = 0.3
SAMPLER_OUTLIERS = {(0, 3): -1.4, (1, 1): -1.5, (3, 0): 1.2, (3, 2): -1.3}  # added to the second token's

VERSIONS = ["trl", "transformers", "torch", "accelerate", "datasets"]
SIZE = sum(map(len, LENGTHS))
GROUP = len(LENGTHS[0])
LOSSES = ["grpo", "bnpo", "dr_grpo", "dapo", "cispo", "sapo", "luspo", "vespo"]
CLIPPING = ["grpo", "bnpo", "dr_grpo", "dapo", "luspo"]
PLAIN_OPTIONS = {"loss_type", "importance_sampling_level", "beta", "use_bias_correction_kl", "epsilon", "epsilon_high"}
BATCH_METRICS = ("completions/", "rewards/", "reward_std", "reward")
NOT_METRICS = {"loss", "grad_norm", "learning_rate", "epoch", "step_time", "num_tokens", "num_input_tokens_seen"}


# ---- Model and data ---------------------------------------------------------------------------------------------------


def norm_forward(self, x):
    return self.weight * x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.variance_epsilon)


def rotary_forward(self, x, position_ids):
    exponents = torch.arange(0, CONFIG["head_dim"], 2, dtype=x.dtype) / CONFIG["head_dim"]
    angles = position_ids[..., None].to(x.dtype) * CONFIG["rope_theta"] ** -exponents
    angles = torch.cat([angles, angles], dim=-1)
    return angles.cos(), angles.sin()


def keep_float64():
    torch.set_default_dtype(torch.float64)
    modeling_llama.LlamaRMSNorm.forward = norm_forward
    modeling_llama.LlamaRotaryEmbedding.forward = rotary_forward


def new_model(weights=None):
    model = LlamaForCausalLM(LlamaConfig(
        vocab_size=CONFIG["vocab_size"], hidden_size=CONFIG["hidden_size"], intermediate_size=CONFIG["intermediate_size"],
        num_hidden_layers=CONFIG["num_layers"], num_attention_heads=CONFIG["num_heads"],
        num_key_value_heads=CONFIG["num_kv_heads"], head_dim=CONFIG["head_dim"], rms_norm_eps=CONFIG["rms_norm_eps"],
        rope_theta=CONFIG["rope_theta"], tie_word_embeddings=CONFIG["tie_word_embeddings"], max_position_embeddings=64,
        pad_token_id=PAD, eos_token_id=EOS, bos_token_id=None, attn_implementation="sdpa"))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if weights is not None:
                parameter.copy_(weights[name])
    return model


def float32_noise(shape, scale, generator):
    return (scale * torch.randn(shape, generator=generator, dtype=torch.float32)).double()


def random_weights(generator):
    """Weights of the policy and of the reference by Hugging Face name: float32 numbers, far enough apart for a KL."""
    policy, reference = {}, {}
    for name, parameter in new_model().named_parameters():
        mean, scale = (1.0, 0.2) if parameter.dim() == 1 else (0.0, 0.4)
        policy[name] = (mean + float32_noise(parameter.shape, scale, generator)).float().double()
        reference[name] = (policy[name] + float32_noise(parameter.shape, 0.1, generator)).float().double()
    return policy, reference


def fused(tensors):
    """Tensors by Hugging Face name -> by our name, in our order and layout."""
    def rows(*names):
        return torch.cat([tensors[f"model.layers.0.{name}.weight"] for name in names])

    return {
        "embed": tensors["model.embed_tokens.weight"],
        "layers.0.input_norm": rows("input_layernorm"),
        "layers.0.qkv": rows("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
        "layers.0.o": rows("self_attn.o_proj"),
        "layers.0.post_attention_norm": rows("post_attention_layernorm"),
        "layers.0.gate_up": rows("mlp.gate_proj", "mlp.up_proj"),
        "layers.0.down": rows("mlp.down_proj"),
        "norm": tensors["model.norm.weight"],
    }


def flat_gradient(model):
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    return torch.cat([tensor.flatten() for tensor in fused(gradients).values()])


def score(model, row):
    """Log-probs and entropies of a completion's tokens: the row alone, nothing padded."""
    ids = torch.tensor([row["prompt_ids"] + row["ids"]])
    logits = model(ids, use_cache=False).logits[0, len(row["prompt_ids"]) - 1 : -1] / TEMPERATURE
    logprobs = torch.log_softmax(logits, dim=-1)
    chosen = logprobs[range(len(row["ids"])), row["ids"]]
    return chosen, -(logprobs.exp() * logprobs).sum(-1)


def draw_completion(model, prompt, length, truncated, generator):
    ids = []
    while len(ids) < length - (not truncated):
        logits = model(torch.tensor([prompt + ids]), use_cache=False).logits[0, -1] / TEMPERATURE
        logits[[PAD, EOS]] = -math.inf
        ids.append(int(torch.multinomial(logits.softmax(-1), 1, generator=generator)))
    return ids if truncated else ids + [EOS]


@torch.no_grad()
def draw_rows(policy, reference, generator):
    """The 16 completions in group-major order."""
    rows = []
    for group, prompt_length in enumerate(PROMPT_LENGTHS):
        prompt = torch.randint(EOS + 1, CONFIG["vocab_size"], (prompt_length,), generator=generator).tolist()
        for member, length in enumerate(LENGTHS[group]):
            truncated = (group, member) in TRUNCATED
            row = {"prompt_ids": prompt, "ids": draw_completion(policy, prompt, length, truncated, generator)}
            while any(row["ids"] == other["ids"] for other in rows):  # a row is known by its tokens
                row["ids"] = draw_completion(policy, prompt, length, truncated, generator)
            row["rewards"] = {name: table[group][member] for name, table in REWARDS.items()}
            row["truncated"] = truncated
            logprobs, entropies = score(policy, row)
            sampler = logprobs + float32_noise(logprobs.shape, SAMPLER_NOISE, generator)
            if (group, member) in SAMPLER_OUTLIERS:
                sampler[1] += SAMPLER_OUTLIERS[group, member]
            row["sampler_logprobs"] = rounded(sampler.clamp(max=-0.01), 6)
            row["logprobs"], row["entropies"] = rounded(logprobs), rounded(entropies)
            row["reference_logprobs"] = rounded(score(reference, row)[0])
            rows.append(row)
    return rows


def new_tokenizer():
    words = {"<pad>": PAD, "<eos>": EOS, **{f"w{i}": i for i in range(EOS + 1, CONFIG["vocab_size"])}}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>", padding_side="left")


# ---- TRL --------------------------------------------------------------------------------------------------------------


class GivenSampler:
    """Stands where TRL talks to vLLM: hands out the rows and the sampler's log-probs."""

    rows = []

    def __init__(self, **_):
        pass

    def sync_weights(self):
        pass

    def generate(self, prompts, **_):
        rows = given_rows(self.rows, prompts)
        return None, [row["ids"] for row in rows], [[[x] for x in row["sampler_logprobs"]] for row in rows], None


def given_rows(rows, prompts):
    assert prompts == [row["prompt_ids"] for row in rows], "a generation batch is the 16 rows in order"
    return rows


class RecordingTrainer(GRPOTrainer):
    """Completions are given, and every optimizer update leaves a record."""

    def __init__(self, rows, **arguments):
        self.rows, self.updates, self.advantages = rows, [], None
        self.window_rows, self.window_loss = [], 0.0
        super().__init__(**arguments)
        self.optimizer.register_step_pre_hook(lambda *_: self.record())

    def _generate_single_turn(self, prompt_ids, *arguments, **keywords):
        if self.use_vllm:
            return super()._generate_single_turn(prompt_ids, *arguments, **keywords)
        return [row["ids"] for row in given_rows(self.rows, prompt_ids)], None

    def _prepare_inputs(self, generation_batch):
        inputs = super()._prepare_inputs(generation_batch)
        known = {(*row["prompt_ids"], "|", *row["ids"]): i for i, row in enumerate(self.rows)}
        for prompt, completion in zip(inputs["prompt_ids"].tolist(), inputs["completion_ids"].tolist(), strict=True):
            self.window_rows.append(known[(*filter(None, prompt), "|", *filter(None, completion))])
        return inputs

    def get_high_entropy_mask(self, entropies, mask, threshold):
        return super().get_high_entropy_mask(entropies.float(), mask, threshold)  # TRL takes the quantile in float32

    def training_step(self, *arguments):
        loss = super().training_step(*arguments)
        assert loss.dtype == torch.float64
        self.window_loss += loss.item()
        return loss

    def record(self):
        self.advantages = list(self._logs["advantages"])
        self.updates.append({"rows": self.window_rows, "loss": self.window_loss, "gradient": flat_gradient(self.model)})
        self.window_rows, self.window_loss = [], 0.0

    def log(self, logs, *arguments):
        super().log(logs, *arguments)
        if "loss" in logs:
            assert math.isclose(logs["loss"], self.updates[-1]["loss"], abs_tol=1e-9), "the loss that TRL reports"
            self.updates[-1]["metrics"] = {k: v for k, v in sorted(logs.items()) if k not in NOT_METRICS}


def reward_function(name, rows):
    known = {tuple(row["ids"]): row["rewards"][name] for row in rows}

    def reward(completion_ids, **_):
        return [known[tuple(ids)] for ids in completion_ids]

    reward.__name__ = name
    return reward


def run_case(case, rows, weights, reference_folder, scratch):
    """The trainer after one generation batch and all updates on it. Throws ValueError for what TRL refuses."""
    model = new_model(weights)
    model.config._name_or_path = str(reference_folder)  # TRL loads the reference from where the policy came from
    options = {"max_completion_length": MAX_COMPLETION_LENGTH, **case["options"]}
    config = GRPOConfig(
        output_dir=str(scratch), per_device_train_batch_size=case["per_device_train_batch_size"],
        gradient_accumulation_steps=case["gradient_accumulation_steps"], num_iterations=case["num_iterations"],
        steps_per_generation=case["steps_per_generation"], num_generations=GROUP, num_train_epochs=1,
        temperature=TEMPERATURE, reward_weights=list(REWARD_WEIGHTS.values()), shuffle_dataset=False,
        disable_dropout=True, model_init_kwargs={"dtype": "auto"}, use_cpu=True, bf16=False, gradient_checkpointing=False,
        max_grad_norm=0.0, lr_scheduler_type="constant", logging_steps=1, logging_nan_inf_filter=False, save_strategy="no",
        report_to="none", disable_tqdm=True, seed=SHUFFLE_SEED, **options)
    prompts = [" ".join(f"w{i}" for i in row["prompt_ids"]) for row in rows[::GROUP]]
    trainer = RecordingTrainer(
        rows, model=model, args=config, train_dataset=datasets.Dataset.from_dict({"prompt": prompts}),
        reward_funcs=[reward_function(name, rows) for name in REWARD_WEIGHTS], processing_class=new_tokenizer(),
        optimizers=(torch.optim.SGD(model.parameters(), lr=LEARNING_RATE), None))
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.train()
    return trainer


# ---- Cases ------------------------------------------------------------------------------------------------------------


def case_of(options, label, accumulation=1, iterations=2, updates_per_pass=1):
    steps = accumulation * updates_per_pass
    options = dict(options)
    level = options.get("importance_sampling_level", "token")
    beta = options.get("beta", 0.0)
    kl = "kl0" if beta == 0.0 else "kl_corrected" if options.get("use_bias_correction_kl", True) else "kl_uncorrected"
    name = f"{options['loss_type']}/{level}/{kl}/ga{accumulation}/mu{iterations}" + (f"/{label}" if label else "")
    return {"name": name, "options": options, "gradient_accumulation_steps": accumulation,
            "per_device_train_batch_size": SIZE // steps, "steps_per_generation": steps, "num_iterations": iterations}


def base_options(loss, level="token", kl=None, cap=1.2):
    options = {"loss_type": loss}
    if loss == "cispo":
        options["epsilon_high"] = cap
    if level != "token":
        options["importance_sampling_level"] = level
    return options | (kl or {})


def all_cases():
    corrected, uncorrected = {"beta": 0.1}, {"beta": 0.1, "use_bias_correction_kl": False}
    for loss, level, kl in itertools.product(LOSSES, ["token", "sequence"], [None, corrected, uncorrected]):
        for accumulation, iterations in itertools.product([1, 2, 4], [1, 2]):
            yield case_of(base_options(loss, level, kl), "", accumulation, iterations)
            if loss == "cispo" and kl is None:
                yield case_of(base_options(loss, level, kl, cap=5.0), "epsilon_high_5", accumulation, iterations)

    def feature(losses, label, options, **schedule):
        for loss in losses:
            yield case_of(base_options(loss) | options, label, **schedule)

    sequence = {"importance_sampling_level": "sequence"}
    yield from feature(CLIPPING, "epsilon_high_0.28", {"epsilon_high": 0.28})
    yield from feature(["grpo"], "epsilon_0.1_high_0.28", {"epsilon": 0.1, "epsilon_high": 0.28} | sequence)
    yield from feature(["grpo", "bnpo", "dapo", "luspo"], "delta_1.3", {"delta": 1.3})
    yield from feature(["dr_grpo"], "delta_1.3", {"delta": 1.3}, iterations=3)
    yield from feature(["grpo", "dapo"], "delta_1.3", {"delta": 1.3} | sequence)
    yield from feature(["grpo", "dapo"], "delta_1.3", {"delta": 1.3} | corrected)
    yield from feature(["dr_grpo"], "max_completion_length_9", {"max_completion_length": 9})
    yield from feature(["sapo"], "temperatures", {"sapo_temperature_pos": 2.0, "sapo_temperature_neg": 0.5})
    yield from feature(["vespo"], "gammas", {"vespo_k_pos": 1.0, "vespo_lambda_pos": 1.5, "vespo_k_neg": 2.0,
                                             "vespo_lambda_neg": 1.0})
    for scale in ["batch", "none"]:
        yield from feature(["grpo", "dapo", "sapo"], f"scale_{scale}", {"scale_rewards": scale})
    yield from feature(["grpo", "dapo", "vespo"], "normalize_then_sum",
                       {"multi_objective_aggregation": "normalize_then_sum"})
    yield from feature(["grpo"], "normalize_then_sum_scale_none",
                       {"multi_objective_aggregation": "normalize_then_sum", "scale_rewards": "none"})

    quantile = {"top_entropy_quantile": 0.5}
    yield from feature(["grpo", "dapo", "cispo", "vespo", "luspo"], "top_entropy_0.5", quantile)
    for accumulation in (1, 2):
        yield from feature(["grpo", "dapo"], "top_entropy_0.3", {"top_entropy_quantile": 0.3}, accumulation=accumulation)
    yield from feature(["grpo"], "top_entropy_0.5", quantile | sequence)
    yield from feature(["dapo"], "top_entropy_0.5", quantile | corrected)
    yield from feature(["dapo"], "top_entropy_0.5_entropy_coef_0.05", quantile | {"entropy_coef": 0.05})

    masked = {"mask_truncated_completions": True}
    yield from feature(LOSSES, "mask_truncated", masked)
    yield from feature(["grpo", "bnpo", "dapo"], "mask_truncated", masked, accumulation=4)
    yield from feature(["grpo", "dapo"], "mask_truncated", masked | corrected)

    off_policy = {"off_policy_mask_threshold": 0.1}
    yield from feature(["grpo", "dapo", "cispo", "sapo", "vespo"], "off_policy_mask_0.1", off_policy)
    yield from feature(["grpo"], "off_policy_mask_0.1", off_policy | corrected)

    for accumulation in [1, 2]:
        yield from feature(["grpo", "dapo", "bnpo"], "entropy_coef_0.05", {"entropy_coef": 0.05},
                           accumulation=accumulation)
        adaptive = {"use_adaptive_entropy": True, "entropy_coef": 0.05, "entropy_coef_delta": 0.02}
        for label, target in [("low", 0.5), ("middle", 1.95), ("high", 5.0)]:
            yield from feature(["grpo", "dapo"], f"adaptive_entropy_{label}_target", adaptive | {"entropy_target": target},
                               accumulation=accumulation, iterations=3)
    yield from feature(["grpo"], "adaptive_entropy_bounded",
                       adaptive | {"entropy_target": 5.0, "entropy_coef_max": 0.06}, iterations=3)

    for loss, accumulation, iterations in itertools.product(LOSSES, [1, 2], [1, 2]):
        yield from feature([loss], "two_updates", {}, accumulation=accumulation, iterations=iterations, updates_per_pass=2)
    yield from feature(["grpo", "dapo"], "two_updates", sequence | corrected, updates_per_pass=2)

    for mode in ["token_truncate", "token_mask", "sequence_truncate", "sequence_mask"]:
        correction = {"use_vllm": True, "vllm_importance_sampling_mode": mode}
        low, high = (0.8, 1.25) if mode.startswith("token") else (0.5, 2.0)
        bounds = {"vllm_importance_sampling_clip_min": low, "vllm_importance_sampling_clip_max": high}
        yield from feature(LOSSES, mode, correction)
        yield from feature(["grpo", "dapo", "cispo", "vespo"], f"{mode}_narrow", correction | bounds)
        if mode.startswith("token"):
            yield from feature(["vespo"], f"{mode}_narrow", correction | bounds | corrected)
        yield from feature(["grpo"], f"{mode}_narrow", correction | bounds | sequence | corrected)
        yield from feature(["dapo"], mode, correction, accumulation=2, iterations=1)
        yield from feature(["grpo"], f"{mode}_unbounded", correction | {"vllm_importance_sampling_clip_max": None})
    yield from feature(["grpo"], "sampler_uncorrected", {"use_vllm": True, "vllm_importance_sampling_correction": False})
    yield from feature(["grpo", "dapo"], "sampler_off_policy_mask_0.1",
                       {"use_vllm": True, "vllm_importance_sampling_mode": "token_truncate"} | off_policy)


# ---- Check ------------------------------------------------------------------------------------------------------------


def plain_advantages(rows):
    """Weighted sums of the rewards, less their group's mean, over its standard deviation."""
    sums = torch.tensor([sum(w * (row["rewards"][k] or 0.0) for k, w in REWARD_WEIGHTS.items()) for row in rows])
    groups = sums.view(-1, GROUP)
    return ((groups - groups.mean(1, keepdim=True)) / (groups.std(1, keepdim=True) + 1e-4)).flatten()


def plain_terms(options, advantage, new, old, reference):
    """What a row's tokens add to the loss."""
    loss, change = options["loss_type"], new - old
    ratio = (change.mean(0, keepdim=True) if options.get("importance_sampling_level") == "sequence" else change).exp()
    if loss in CLIPPING:
        clipped = ratio.clamp(1 - options.get("epsilon", 0.2), 1 + options.get("epsilon_high", 0.2))
        terms = -torch.minimum(ratio * advantage, clipped * advantage) * torch.ones_like(new)
    elif loss == "cispo":
        terms = -ratio.clamp(max=options["epsilon_high"]).detach() * advantage * new
    elif loss == "sapo":
        heat = 1.0 if advantage > 0 else 1.05
        terms = -4 / heat * torch.sigmoid(heat * (ratio - 1)) * advantage * torch.ones_like(new)
    else:
        k, rate = (2.0, 3.0) if advantage >= 0 else (3.0, 2.0)
        whole = change.sum().detach().clamp(math.log(1e-8), 20.0)
        terms = -(rate + k * whole - rate * whole.exp()).exp() * advantage * new
    if "beta" in options:
        gap = reference - new
        weight = ratio if options.get("use_bias_correction_kl", True) else 1.0
        terms = terms + options["beta"] * (gap.exp() - gap - 1) * weight
    return terms


def plain_loss(case, terms, all_tokens):
    """One micro-batch's share of an update's loss."""
    loss, accumulation = case["options"]["loss_type"], case["gradient_accumulation_steps"]
    total = sum(t.sum() for t in terms)
    if loss in ("dapo", "cispo", "vespo"):
        return total / (all_tokens * accumulation / case["steps_per_generation"])
    whole = {"bnpo": sum(map(len, terms)), "dr_grpo": len(terms) * MAX_COMPLETION_LENGTH, "luspo": len(terms)}
    return (total / whole[loss] if loss in whole else sum(t.mean() for t in terms) / len(terms)) / accumulation


def check(case, updates, rows, weights, reference):
    """The recorded updates of a case without special options, recomputed. Returns the largest relative deviation."""
    model = new_model(weights)
    advantages = plain_advantages(rows)
    with torch.no_grad():
        old = [score(model, row)[0] for row in rows]
        against = [score(reference, row)[0] for row in rows]
    size, worst = case["per_device_train_batch_size"], 0.0
    for update in updates:
        model.zero_grad()
        loss = 0.0
        for start in range(0, len(update["rows"]), size):
            terms = [plain_terms(case["options"], advantages[i], score(model, rows[i])[0], old[i], against[i])
                     for i in update["rows"][start : start + size]]
            loss = loss + plain_loss(case, terms, sum(len(row["ids"]) for row in rows))
        loss.backward()
        gradient = flat_gradient(model)
        worst = max(worst, float((gradient - update["gradient"]).abs().max() / gradient.abs().max()),
                    abs(float(loss) - update["loss"]) / max(1.0, abs(float(loss))))
        with torch.no_grad():
            for parameter in model.parameters():
                parameter -= LEARNING_RATE * parameter.grad
    return worst


# ---- Output -----------------------------------------------------------------------------------------------------------


def rounded(values, digits=9):
    return [round(float(v), digits) + 0.0 for v in values]


def base64_of(tensor):
    return base64.b64encode(tensor.detach().float().contiguous().numpy().astype("<f4").tobytes()).decode()


def parameters_json(weights):
    return [{"name": name, "shape": list(t.shape), "data": base64_of(t)} for name, t in fused(weights).items()]


class Gradients:
    """Gradients by index; those that differ by rounding alone are one."""

    def __init__(self):
        self.kept = []

    def index(self, gradient):
        for i, other in enumerate(self.kept):
            if (gradient - other).abs().max() <= 1e-9 * other.abs().max():
                return i
        self.kept.append(gradient)
        return len(self.kept) - 1


def update_json(update, gradients, batch_metrics):
    metrics = {}
    for key, value in update["metrics"].items():
        value = None if value is None else round(value, 9) + 0.0
        if key.startswith(BATCH_METRICS):
            assert batch_metrics.setdefault(key, value) == value, key
        else:
            metrics[key] = value
    return {"rows": update["rows"], "loss": round(update["loss"], 12) + 0.0,
            "grad_norm": float(f"{update['gradient'].norm():.10g}"), "gradient": gradients.index(update["gradient"]),
            "metrics": metrics}


def write(target, result):
    def lines(value):
        if isinstance(value, list):
            return "[\n    " + ",\n    ".join(json.dumps(item, allow_nan=False) for item in value) + "\n  ]"
        return json.dumps(value, allow_nan=False)

    target.write_text("{\n" + ",\n".join(f"  {json.dumps(k)}: {lines(v)}" for k, v in result.items()) + "\n}\n",
                      encoding="utf-8")


def main():
    target = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).with_name("trl_losses.json")
    wanted = sys.argv[2] if len(sys.argv) > 2 else ""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    keep_float64()
    warnings.simplefilter("ignore")
    logging.getLogger("trl").setLevel(logging.ERROR)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    datasets.disable_progress_bars()

    generator = torch.Generator().manual_seed(SEED)
    policy, reference_weights = random_weights(generator)
    reference = new_model(reference_weights).eval()
    rows = draw_rows(new_model(policy).eval(), reference, generator)
    GivenSampler.rows = rows
    grpo_trainer.VLLMGeneration = GivenSampler

    cases, refused, advantages, batch_metrics, gradients = [], [], {}, {}, Gradients()
    deviation, clipped = 0.0, {}
    with tempfile.TemporaryDirectory() as scratch:
        reference_folder = pathlib.Path(scratch) / "reference"
        reference.save_pretrained(reference_folder)
        for case in all_cases():
            if wanted not in case["name"]:
                continue
            try:
                trainer = run_case(case, rows, policy, reference_folder, scratch)
            except ValueError as error:
                refused.append({**case, "message": str(error)})
                continue
            scale = case["options"].get("multi_objective_aggregation", case["options"].get("scale_rewards", "group"))
            known = advantages.setdefault(scale, rounded(trainer.advantages))
            assert known == rounded(trainer.advantages), scale
            if case["options"].keys() <= PLAIN_OPTIONS:
                deviation = max(deviation, check(case, trainer.updates, rows, policy, reference))
                assert deviation < 1e-9, (case["name"], deviation)
            updates = [update_json(update, gradients, batch_metrics) for update in trainer.updates]
            clipped[case["name"]] = max(u["metrics"].get("clip_ratio/region_mean", 0.0) for u in updates)
            cases.append({**case, "updates": updates})
            print(f"{len(cases):4} {case['name']:60} loss {[round(u['loss'], 4) for u in updates]}", flush=True)

    groups = [{"prompt_ids": rows[i]["prompt_ids"],
               "completions": [{k: v for k, v in row.items() if k != "prompt_ids"} for row in rows[i : i + GROUP]]}
              for i in range(0, SIZE, GROUP)]
    write(target, {
        "versions": {name: metadata.version(name).partition("+")[0] for name in VERSIONS},
        "temperature": TEMPERATURE,
        "max_completion_length": MAX_COMPLETION_LENGTH,
        "sgd_learning_rate": LEARNING_RATE,
        "eos_token_id": EOS,
        "model": {"config": CONFIG, "parameters": parameters_json(policy)},
        "reference": {"parameters": parameters_json(reference_weights)},
        "groups": groups,
        "reward_weights": REWARD_WEIGHTS,
        "advantages": advantages,
        "batch_metrics": batch_metrics,
        "gradients": [base64_of(gradient) for gradient in gradients.kept],
        "refused": refused,
        "cases": cases,
    })
    name = max(clipped, key=clipped.get)
    print(f"{target}: {target.stat().st_size} bytes, {len(cases)} cases, {len(gradients.kept)} gradients, "
          f"{len(refused)} refused; deviation of the recomputed ones {deviation:.1e}; "
          f"most clipped {clipped[name]:.3f} in {name}")


if __name__ == "__main__":
    main()
