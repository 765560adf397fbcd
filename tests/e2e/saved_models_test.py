"""What a run saves, and what it trains: adapters that PEFT loads, and adapters that PEFT wrote; types; templates; resume; errors.

    python tests/e2e/saved_models_test.py BIN PYTHON

PYTHON has the packages of tests/oracle/requirements.txt; without peft the comparisons are skipped.
"""

import json
import random
import subprocess
import sys
import time
import unittest

import case
from case import BIN, ROOT, Case

PYTHON = sys.argv.pop(1) if len(sys.argv) > 1 and not sys.argv[1].startswith("-") else sys.executable
PEFT = ["--use_peft", "--lora_r", "4", "--lora_dropout", "0.1", "--lora_target_modules", "q_proj", "o_proj", "up_proj",
        "--lora_modules_to_save", "lm_head", "--learning_rate", "1e-2"]

# Log-probs of ids under a model folder, or under adapters on one; or makes an adapter folder.
SCRIPT = """
import json, sys, torch
from transformers import AutoModelForCausalLM
from peft import LoraConfig, PeftModel, get_peft_model
base, adapters, ids, make = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), json.loads(sys.argv[4])
torch.manual_seed(3)
model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
if make:
    model = get_peft_model(model, LoraConfig(**make, task_type="CAUSAL_LM", init_lora_weights=False))
    model.save_pretrained(adapters)
elif adapters:
    model = PeftModel.from_pretrained(model, adapters)
with torch.no_grad():
    logits = model.eval()(torch.tensor([ids])).logits[0]
print(json.dumps(logits.log_softmax(-1)[torch.arange(len(ids) - 1), ids[1:]].tolist()))
"""
IDS = [1, 5, 9, 40, 3, 77, 12, 60, 33, 8, 5, 5, 90, 2, 41]


class SavedModels(Case):
    def theirs(self, base, adapters="", make=None):
        done = subprocess.run([PYTHON, "-c", SCRIPT, str(base), str(adapters), json.dumps(IDS), json.dumps(make)], capture_output=True,
                              text=True, env={**case.os.environ, "HF_HUB_OFFLINE": "1"})
        if "No module named" in done.stderr:
            self.skipTest(f"{done.stderr.strip().splitlines()[-1]} in {PYTHON} (tests/oracle/requirements.txt)")
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout.splitlines()[-1])

    def ours(self, model, *words):
        line = json.dumps({"prompt_ids": IDS[:1], "completion_ids": IDS[1:]})
        done = subprocess.run([str(BIN / "grpo_inspect"), "logprobs", "--model_name_or_path", str(model), *words], input=line, capture_output=True,
                              text=True, cwd=ROOT)
        self.assertEqual(done.returncode, 0, done.stderr)
        answer = json.loads(done.stdout)
        return answer["logprobs"] if "logprobs" in answer else answer["log_probs"]

    def assert_close(self, a, b, limit=2e-5):
        self.assertLess(max(abs(x - y) for x, y in zip(a, b, strict=True)), limit)

    def test_trained_adapters_load_in_peft(self):
        out = self.dir / "out"
        code, stdout, stderr = self.run_train(out, *PEFT, "--max_steps", "6")
        self.assertEqual(code, 0, stderr)
        self.assertIn("adapters of rank 4", stdout)
        names = {path.name for path in out.iterdir()}
        self.assertTrue({"adapter_config.json", "adapter_model.safetensors", "tokenizer.json"} <= names, names)
        self.assertFalse({"config.json", "model.safetensors"} & names, names)
        steps = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
        self.assertTrue(all(step["grad_norm"] > 0 for step in steps), "the adapters learn")
        self.assertTrue(any(step["kl"] > 1e-7 for step in steps[1:]), "the reference is the model without them")
        ours = self.ours(out)
        self.assert_close(ours, self.theirs(self.model, out))
        self.assertGreater(max(abs(a - b) for a, b in zip(ours, self.ours(self.model))), 1e-3)
        self.assertEqual(subprocess.run([str(BIN / "grpo_inspect"), "checkpoint", str(out)], capture_output=True, cwd=ROOT).returncode, 0)
        text = subprocess.run([str(BIN / "grpo_generate"), "--model_name_or_path", str(out), "--prompt", "x", "--max_completion_length", "4"],
                              capture_output=True, text=True, cwd=ROOT)
        self.assertEqual(text.returncode, 0, text.stderr)

    def test_adapters_that_peft_wrote_load_here(self):
        for number, make in enumerate(({"r": 5, "lora_alpha": 3, "target_modules": "all-linear", "use_rslora": True},
                                       {"r": 2, "lora_alpha": 16, "target_modules": ["v_proj", "down_proj"], "modules_to_save": ["embed_tokens"]})):
            folder = self.dir / f"theirs{number}"
            theirs = self.theirs(self.model, folder, make)
            self.assert_close(self.ours(folder), theirs)
            code, _, stderr = self.run_train(self.dir / f"on{number}", "--model_name_or_path", folder, "--use_peft", "--max_steps", "2")
            self.assertEqual(code, 0, stderr)  # training goes on with them
            saved = json.loads((self.dir / f"on{number}" / "adapter_config.json").read_text())
            self.assertEqual((saved["r"], saved["base_model_name_or_path"]), (make["r"], str(self.model)))

    def test_merged_training_starts_from_the_adapters(self):
        make = {"r": 2, "lora_alpha": 16, "target_modules": ["q_proj"]}
        folder, out = self.dir / "merge", self.dir / "merged"
        self.theirs(self.model, folder, make)
        code, _, stderr = self.run_train(out, "--model_name_or_path", folder, "--max_steps", "1", "--learning_rate", "1e-12")
        self.assertEqual(code, 0, stderr)
        self.assertTrue((out / "model.safetensors").exists())
        self.assert_close(self.ours(out), self.theirs(self.model, folder))

    def test_exported_adapters_are_merged(self):
        folder, out = self.dir / "to-export", self.dir / "exported"
        theirs = self.theirs(self.model, folder, {"r": 3, "lora_alpha": 8, "target_modules": "all-linear"})
        for output, words in ((out, []), (self.dir / "exported.gguf", ["--outtype", "f32"])):
            done = subprocess.run([str(BIN / "grpo_export"), "--model_name_or_path", str(folder), "--output", str(output), *words],
                                  capture_output=True, text=True, cwd=ROOT)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assert_close(self.ours(output), theirs)
        self.assert_close(self.theirs(out), theirs)

    def test_killed_runs_end_with_the_same_bytes(self):
        for name, words in (("adapters", PEFT), ("bfloat16", ["--torch_dtype", "bfloat16"]),
                            ("frozen", ["--freeze", "model.embed_tokens.*", "--gradient_checkpointing"])):
            whole = self.dir / f"{name}-whole"
            begin = time.monotonic()
            code, _, stderr = self.run_train(whole, *words)
            seconds = time.monotonic() - begin
            self.assertEqual(code, 0, stderr)
            cut = self.dir / f"{name}-cut"
            self.run_with_kills(cut, seconds, random.Random(name), *words)
            for file in sorted(whole.glob("*.safetensors")):
                self.assertEqual(file.read_bytes(), (cut / file.name).read_bytes(), f"{name}: {file.name}")

    def test_types_are_saved_as_held(self):
        out = self.dir / "half"
        code, _, stderr = self.run_train(out, "--torch_dtype", "bfloat16", "--max_steps", "2")
        self.assertEqual(code, 0, stderr)
        self.assertEqual(json.loads((out / "config.json").read_text())["dtype"], "bfloat16")
        self.assertIn(b'"BF16"', (out / "model.safetensors").read_bytes()[:4000])
        self.assert_close(self.ours(out), self.theirs(out))
        self.assert_close(self.ours(out, "--torch_dtype", "auto"), self.ours(out))

    def test_the_template_of_the_recipe_goes_with_the_model(self):
        out, text = self.dir / "template", "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}"
        code, _, stderr = self.run_train(out, "--chat_template", text, "--max_steps", "2")
        self.assertEqual(code, 0, stderr)
        for folder in (out, out / "checkpoint-2"):
            self.assertEqual((folder / "chat_template.jinja").read_text(), text)
        code, _, stderr = self.run_train(self.dir / "own", "--max_steps", "1")
        self.assertFalse((self.dir / "own" / "chat_template.jinja").exists(), stderr)

    def test_errors(self):
        for words, why in ((["--use_peft", "--lora_target_modules", "w_pack"], "no module w_pack"),
                           (["--use_peft", "--freeze", "model.*"], "freeze"),
                           (["--use_peft", "--sync_ref_model"], "sync_ref_model"),
                           (["--torch_dtype", "float16"], "bfloat16 or float32"),
                           (["--torch_dtype", "int8"], "torch_dtype"),
                           (["--freeze", "nothing.*"], "no weights are called nothing.*"),
                           (["--lora_dropout", "1.0"], "lora_dropout")):
            code, _, stderr = self.run_train(self.dir / "never", *words)
            self.assertEqual(code, 2, stderr)
            self.assertIn(why, stderr)
            self.assertFalse((self.dir / "never").exists())


if __name__ == "__main__":
    unittest.main(verbosity=2)
