"""Each model of families/, read and saved by us, then read by transformers: the same configuration, weights and logits.

    python tests/oracle/check_families.py SAVE_FOLDER_PROGRAM

Ends with "N passed, N failed"; exit code 77 (skipped, the last line says why) without transformers.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TQDM_DISABLE", "1")

FAMILIES = pathlib.Path(__file__).parent / "families"
CHANGED = {"dtype", "torch_dtype", "_name_or_path", "transformers_version"}


def main():
    try:
        import torch
        from transformers import AutoModelForCausalLM
    except ImportError as error:
        print(f"skipped: {error} in {sys.executable}; pip install -r tests/oracle/requirements.txt into an environment of its "
              "own, and configure with -DGRPO_ORACLE_PYTHON=<its python>")
        return 77

    results = {}
    cases = sorted(path for path in FAMILIES.iterdir() if path.is_dir())
    for number, case in enumerate(cases):
        with tempfile.TemporaryDirectory() as folder:
            shards = ["40000"] if number % 2 else []
            subprocess.run([sys.argv[1], str(case), folder, *shards], check=True)
            files = sorted(path.name for path in pathlib.Path(folder).glob("*.safetensors"))
            results[f"{case.name}: files"] = len(files) > 1 if shards else files == ["model.safetensors"]
            load = {"dtype": torch.float32, "attn_implementation": "eager"}
            theirs = AutoModelForCausalLM.from_pretrained(case, **load).eval()
            ours, report = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True, **load)
            results[f"{case.name}: no key is missing or unknown"] = not (set(report["missing_keys"]) | set(report["unexpected_keys"]))
            configs = [{k: v for k, v in model.config.to_dict().items() if k not in CHANGED} for model in (ours, theirs)]
            results[f"{case.name}: configuration"] = configs[0] == configs[1]
            ids = torch.arange(3, 43).unsqueeze(0)
            with torch.no_grad():
                worst = float((ours.eval()(ids).logits - theirs(ids).logits).abs().max())
            print(f"{case.name}: logits differ by at most {worst:.1e}")
            results[f"{case.name}: logits"] = worst == 0.0
    failed = [name for name, good in results.items() if not good]
    for name in failed:
        print("FAILED: " + name)
    print(f"{len(results) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed or not results else 0


if __name__ == "__main__":
    sys.exit(main())
