#include "libgrpo/assemble/export_run.hpp"

#include "libgrpo/assemble/open_model.hpp"
#include "libgrpo/assemble/streams.hpp"
#include "libgrpo/base/error.hpp"
#include "libgrpo/checkpoint/checkpoint.hpp"
#include "libgrpo/policy/config_gguf.hpp"
#include "libgrpo/policy/export_gguf.hpp"
#include "libgrpo/tensor/precompiled.hpp"
#include "libgrpo/text/chat_template.hpp"
#include "libgrpo/text/tokenizer.hpp"
#include "libgrpo/text/tokenizer_gguf_write.hpp"

#include <array>
#include <fmt/format.h>
#include <utility>

namespace grpo {
namespace {

namespace fs = std::filesystem;

struct OutType {
  std::string_view option, type;
};
constexpr std::array kOutTypes{OutType{"f32", "F32"}, OutType{"f16", "F16"}, OutType{"bf16", "BF16"}, OutType{"q8_0", "Q8_0"}};

[[noreturn]] void refuse(const std::string& why) { throw Error(ErrorKind::recipe, why); }

/// What can be told before a model is touched.
void check(const ExportOptions& options) {
  if (!options.output) refuse("nowhere to write: give --output FILE.gguf, or --output FOLDER for a Hugging Face folder");
  const fs::path output = *options.output;
  const bool gguf = output.extension() == ".gguf";
  if (options.outtype && !gguf) refuse("--outtype is for GGUF: give --output FILE.gguf; a folder is written in --torch_dtype");
  std::error_code code;
  const bool taken =
      gguf ? fs::exists(output, code) : fs::exists(output, code) && (!fs::is_directory(output, code) || !fs::is_empty(output, code));
  if (gguf && fs::is_directory(output, code)) refuse(fmt::format("{} is a folder; a GGUF is one file", output.string()));
  if (taken && !options.overwrite) refuse(fmt::format("{} is there already; give --overwrite to replace it", output.string()));
}

std::string gguf_type(const ExportOptions& options) {
  const std::string wanted = options.outtype.value_or("f16");
  for (const OutType& known : kOutTypes)
    if (known.option == wanted) return std::string(known.type);
  refuse(fmt::format("--outtype={}: expected f32, f16, bf16 or q8_0", wanted));
}

/// "SmolLM2-135M" for org/SmolLM2-135M, for a folder of that name, for a file SmolLM2-135M.gguf
std::string short_name(const std::string& model) {
  fs::path path(model);
  if (!path.has_filename()) path = path.parent_path();
  return path.extension() == ".gguf" ? path.stem().string() : path.filename().string();
}

}  // namespace

std::vector<Field> export_fields(ExportOptions& o) {
  return {
      {"export", "output", &o.output, "path", "FILE.gguf for llama.cpp, or a folder for transformers"},
      {"export", "outtype", &o.outtype, "type", "of a GGUF's matrices: f32, f16 (default), bf16, q8_0"},
      {"export", "overwrite", &o.overwrite, "", "replace an output that is there"},
  };
}

void run_export(const Recipe& recipe, const ExportOptions& options, bool dry_run, std::ostream& out) {
  check(options);
  const fs::path output = *options.output;
  const bool gguf = output.extension() == ".gguf";
  const std::string type = gguf_type(options);
  const ModelPlace place = model_place(recipe);
  const auto tokenizer = load_tokenizer(place.text);
  const ModelConfig config = open_config(place, recipe.policy.torch_dtype);
  GgufTokenizer words;
  if (gguf) {
    (void)gguf_architecture(config);
    words = gguf_tokenizer(*tokenizer, config.vocab_size, find_chat_template(place.text));
  }
  if (dry_run) {
    out << fmt::format("{}: would be written ({})\n", output.string(), gguf ? type : "Hugging Face folder");
    return finish(out);
  }
  if (recipe.run.num_threads > 0) at::set_num_threads(static_cast<int>(recipe.run.num_threads));
  const auto model = open_model(place, recipe.policy.torch_dtype);
  if (!gguf) {
    save_model(output, *model, *tokenizer);
    out << fmt::format("{}: Hugging Face folder, {} million parameters\n", output.string(), config.num_parameters() / 1000000);
    return finish(out);
  }
  const GgufExport what{type, short_name(recipe.policy.model_name_or_path), std::move(words.entries), words.eos};
  const GgufWritten written = export_gguf(*model, what, output);
  out << fmt::format("{}: {} tensors, {}, {:.1f} MB\n", output.string(), written.tensors, type, static_cast<double>(written.bytes) / 1e6);
  finish(out);
}

}  // namespace grpo
