"""Each rule of cmake/check_layers.py catches its own violation, in a library of one file, and lets the lawful twin pass."""

import contextlib
import io
import pathlib
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "cmake"))
import check_layers  # noqa: E402  (only now on the path)


def run(root):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = check_layers.main([root])
    return code, out.getvalue()


def check(name, text):
    """Exit code and output of the check on a library that consists of this file."""
    with tempfile.TemporaryDirectory() as root:
        path = pathlib.Path(root) / "libgrpo" / name
        path.parent.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")
        return run(root)


class CheckLayers(unittest.TestCase):
    def caught(self, name, text, *words):
        code, out = check(name, text)
        self.assertEqual(code, 1, out)
        for word in words:
            self.assertIn(word, out)

    def passes(self, name, text):
        code, out = check(name, text)
        self.assertEqual(code, 0, out)

    def test_upward_include(self):
        self.caught("data/a.cpp", '\n#include "libgrpo/trainer/trainer.hpp"\n', "libgrpo/data/a.cpp:2:", "layer 5")
        self.passes("data/a.cpp", '#include "libgrpo/text/tokenizer.hpp"\n')

    def test_same_layer_is_another_room(self):
        self.caught("policy/a.hpp", '#include "libgrpo/objective/grpo.hpp"\n', "policy/a.hpp:1:")
        self.passes("policy/a.hpp", '#include "libgrpo/policy/policy.hpp"\n')

    def test_format_is_below_text_policy_checkpoint(self):
        for room in ("text", "policy", "checkpoint"):
            self.passes(f"{room}/a.cpp", '#include "libgrpo/format/gguf.hpp"\n')
        self.caught("format/a.cpp", '#include "libgrpo/text/tokenizer.hpp"\n', "format/a.cpp:1:")

    def test_core_stays_torch_free(self):
        self.caught("reward/a.cpp", "#include <ATen/core/Tensor.h>\n", "torch-free")
        self.caught("text/a.cpp", "#include <c10/util/Exception.h>\n", "torch-free")
        self.caught("reward/a.cpp", '#include "libgrpo/tensor/kl.hpp"\n', "grpo::core")  # lower layer, but links torch
        self.passes("tensor/a.hpp", "#include <ATen/core/Tensor.h>\n")

    def test_third_party_headers_stay_out_of_headers(self):
        for header in ("toml++/toml.h", "yaml-cpp/yaml.h", "CLI/CLI.hpp", "nlohmann/json.hpp", "fmt/format.h",
                       "boost/process.hpp", "pcre2.h", "Eigen/Core", "torch/torch.h", "ATen/ATen.h"):
            self.caught("policy/a.hpp", f"#include <{header}>\n", header)
            self.passes("policy/a.cpp", f"#include <{header}>\n")
        self.passes("tensor/precompiled.hpp", "#include <ATen/ATen.h>\n")

    def test_no_printing_no_ending(self):
        for call in ('std::cout << "x";', 'std::cerr << 1;', 'printf("x");', 'std::fprintf(stderr, "x");', "exit(1);",
                     "std::abort();", "::abort();"):
            self.caught("base/a.cpp", f"void f() {{\n  {call}\n}}\n", "base/a.cpp:2:")
        for fine in ('std::snprintf(b, 9, "x");', "run.exit(1);", "child->abort();", "// std::cout, exit(1)",
                     'auto s = "exit(1)";', "/* a\n abort() */", 'auto r = R"(abort();)";', "on_exit(1);"):
            self.passes("base/a.cpp", f"void f() {{\n  {fine}\n}}\n")

    def test_paths_rooms_and_umbrella(self):
        self.caught("base/a.cpp", '#include "error.hpp"\n', "repository root")
        self.caught("base/a.cpp", '#include "../types/prompt.hpp"\n', "repository root")
        self.caught("attic/a.cpp", "int a;\n", "no room")
        self.caught("trainer/a.cpp", '#include "libgrpo/grpo.hpp"\n', "umbrella")
        self.passes("grpo.hpp", '#include "libgrpo/trainer/trainer.hpp"\n')

    def test_commented_include_is_none(self):
        self.passes("base/a.cpp", '// #include "libgrpo/trainer/trainer.hpp"\n/*\n#include <torch/torch.h>\n*/\n')

    def test_nothing_to_check_is_a_failure(self):
        with tempfile.TemporaryDirectory() as root:
            self.assertEqual(run(root)[0], 1)


if __name__ == "__main__":
    unittest.main()
