"""grpo_eval on GSM8K with the quick start's model, held against transformers and math-verify:  check_gsm8k.py GRPO_EVAL

tests/oracle/gsm8k_smollm2.json has what those two made of the first test questions (gsm8k_oracle.py). The first 20 are asked again here, or
GRPO_QUESTIONS of them, and those that the file has are compared. A completion may differ only where the oracle's own choice hung on less than 0.002 between the two largest logits;
verdicts of equal completions must be equal, and the accuracy with them.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODEL = ROOT / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"
ROWS = pathlib.Path(os.environ.get("GRPO_GSM8K", ROOT.parent / "shared" / "data" / "gsm8k")) / "test.jsonl"
CLOSE = 0.002

for path, how in ((MODEL, "bash training.sh --setup-only brings it"), (ROWS, "set GRPO_GSM8K to the folder with GSM8K's test.jsonl")):
    if not path.exists():
        print(f"skipped: {path} is absent; {how}")
        sys.exit(77)

oracle = json.loads((ROOT / "tests" / "oracle" / "gsm8k_smollm2.json").read_text())
count = int(os.environ.get("GRPO_QUESTIONS", "20"))
with tempfile.TemporaryDirectory() as folder:
    done = subprocess.run([sys.argv[1], "--model_name_or_path", MODEL, "--benchmarks", "gsm8k", "--benchmark_paths", f"gsm8k={ROWS}", "--eval_num_prompts", str(count),
                           "--max_completion_length", str(oracle["max_completion_length"]), "--json", "--output", folder, "--random_guess", "false"], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr)
    result = json.loads(done.stdout)["results"][0]
    lines = (pathlib.Path(folder) / "gsm8k.model.jsonl").read_text().splitlines()[1:]
assert result["system_prompt"] == oracle["system_prompt"], result["system_prompt"]
ours = {line["question"] + 1: line for line in map(json.loads, lines)}
failures, other_texts, other_verdicts = [], 0, 0
compared = [theirs for theirs in oracle["questions"] if theirs["row"] <= count]
for theirs in compared:
    one = ours[theirs["row"]]
    completion = one["completions"][0]
    right = completion["rewards"]["math_verify"] >= 1
    if one["solution"] != theirs["gold"]:
        failures.append(f"row {theirs['row']}: gold answer {one['solution']}, not {theirs['gold']}")
    other_verdicts += right != theirs["right"]
    if (completion["text"], completion["finish_reason"]) == (theirs["text"], theirs["finish_reason"]):
        if right != theirs["right"]:
            failures.append(f"row {theirs['row']}: the same completion is {'right' if right else 'wrong'} here: {completion['text'][-200:]}")
        continue
    other_texts += 1
    at, margin = theirs["closest"]
    shared = len(os.path.commonprefix([completion["text"], theirs["text"]]))
    print(f"row {theirs['row']}: another text after {shared} of {len(theirs['text'])} characters; the closest choice was at token {at}, by {margin}")
    if margin >= CLOSE:
        failures.append(f"row {theirs['row']}: another text, although no choice was close")
rights = [line["completions"][0]["rewards"]["math_verify"] >= 1 for line in ours.values()]
if len(ours) != count or abs(result["contestants"][0]["figures"]["accuracy"]["mean"] - sum(rights) / count) > 1e-9:
    failures.append("the accuracy is not that of the answers")
accuracy = sum(ours[theirs["row"]]["completions"][0]["rewards"]["math_verify"] >= 1 for theirs in compared) / len(compared)
expected = sum(theirs["right"] for theirs in compared) / len(compared)
print(f"{len(compared)} questions: accuracy {accuracy:.4f}, the oracle's {expected:.4f}; {other_texts} completions and {other_verdicts} verdicts differ")
if other_texts == 0 and accuracy != expected:
    failures.append("another accuracy, although the completions are the same")
print("\n".join(failures))
sys.exit(1 if failures else 0)
