#include "libgrpo/assemble/find_model.hpp"
#include "libgrpo/assemble/inspect.hpp"
#include "libgrpo/assemble/streams.hpp"
#include "libgrpo/base/error.hpp"
#include "libgrpo/checkpoint/checkpoint.hpp"
#include "libgrpo/base/files.hpp"
#include "libgrpo/format/gguf.hpp"
#include "libgrpo/format/safetensors.hpp"
#include "libgrpo/metrics/progress.hpp"
#include "libgrpo/policy/lora.hpp"
#include "libgrpo/policy/model_config.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

namespace grpo {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

/// Name -> bytes of the files of a folder, or of one file.
std::map<std::string, std::uintmax_t> file_sizes(const fs::path& path) {
  if (is_file(path)) return {{path.filename().string(), fs::file_size(path)}};
  std::map<std::string, std::uintmax_t> sizes;
  for (const auto& entry : fs::directory_iterator(path))
    if (is_file(entry.path())) sizes[entry.path().filename().string()] = fs::file_size(entry.path());
  return sizes;
}

/// How many tensors of each type the weights have. Opening a file checks every tensor's place in it.
std::map<std::string, std::int64_t> tensor_types(const fs::path& path) {
  std::map<std::string, std::int64_t> types;
  if (is_file(path)) {
    const GgufFile file(path);
    for (const GgufTensor& tensor : file.tensors()) ++types[tensor.type];
    return types;
  }
  for (const auto& [name, size] : file_sizes(path)) {
    if (!name.ends_with(".safetensors")) continue;
    const SafetensorsFile file(path / name);
    if (!name.starts_with("model") && !name.starts_with("adapter_model")) continue;  // what a checkpoint has beside the weights
    for (const SafeTensor& tensor : file.tensors()) ++types[tensor.dtype];
  }
  return types;
}

Json describe_model(const fs::path& path) {
  const ModelPlace place = locate_model(path.string(), "main");
  const ModelConfig c = read_model_config(place.weights);
  Json json = {{"parameters", c.num_parameters()},
               {"num_layers", c.num_layers},
               {"hidden_size", c.hidden_size},
               {"intermediate_size", c.intermediate_size},
               {"num_heads", c.num_heads},
               {"num_kv_heads", c.num_kv_heads},
               {"head_dim", c.head_dim},
               {"vocab_size", c.vocab_size},
               {"context_length", c.context_length},
               {"tie_word_embeddings", c.tie_word_embeddings},
               {"eos_token_ids", c.eos_token_ids},
               {"tensors", tensor_types(path)}};
  if (!place.adapters) return json;
  const LoraOptions o = read_adapter_config(path);
  json["adapters"] = {{"base_model", o.base_model}, {"r", o.rank}, {"lora_alpha", o.alpha}, {"target_modules", o.target_modules}};
  return json;
}

/// Everything about a checkpoint, whatever is left of it: damage is told, not thrown.
Json describe_checkpoint(const fs::path& path) {
  Json json = {{"path", path.string()}, {"kind", "checkpoint"}, {"complete", true}, {"damage", checkpoint_damage(path)}};
  const auto attempt = [&json](const auto& read) {
    try {
      read();
    } catch (const Error& error) {
      if (json["damage"].get_ref<const std::string&>().empty()) json["damage"] = error.what();
    }
  };
  attempt([&] {
    const RunState s = load_run_state(path);
    json["state"] = {{"step", s.step},
                     {"max_steps", s.max_steps},
                     {"epoch", s.epoch},
                     {"optimizer_steps", s.optimizer_steps},
                     {"tokens_seen", s.tokens_seen},
                     {"bad_steps", s.bad_steps},
                     {"seed", s.seed}};
  });
  attempt([&] { json["model"] = describe_model(path); });
  json["files"] = file_sizes(path);
  json["complete"] = json["damage"].get_ref<const std::string&>().empty();
  return json;
}

/// Checkpoints of an output_dir, by step.
std::vector<fs::path> checkpoints_of(const fs::path& folder) {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.is_directory() && entry.path().filename().string().starts_with("checkpoint-")) found.push_back(entry.path());
  const auto by_number = [](const fs::path& a, const fs::path& b) {  // checkpoint-9 before checkpoint-10
    const std::string x = a.filename().string(), y = b.filename().string();
    return x.size() != y.size() ? x.size() < y.size() : x < y;
  };
  std::sort(found.begin(), found.end(), by_number);
  return found;
}

Json describe(const fs::path& path) {
  if (!fs::exists(path)) throw Error(ErrorKind::data, path.string() + ": no such file or folder");
  const bool folder = fs::is_directory(path);
  const std::string name = (path / "").parent_path().filename().string();
  if (folder && (is_file(path / "manifest.json") || is_file(path / "trainer_state.json") || name.starts_with("checkpoint-")))
    return describe_checkpoint(path);
  const std::vector<fs::path> checkpoints = folder ? checkpoints_of(path) : std::vector<fs::path>();
  const bool has_model = !folder || is_file(path / "config.json") || is_adapter_folder(path);
  if (!has_model && checkpoints.empty())
    throw Error(ErrorKind::data, path.string() +
                                     ": neither a checkpoint (manifest.json), nor a model folder (config.json), nor a "
                                     "folder with checkpoint-N in it");
  Json json = {{"path", path.string()}, {"kind", checkpoints.empty() ? "model" : "run"}, {"complete", true}};
  if (has_model) json["model"] = describe_model(path);
  json["files"] = file_sizes(path);
  if (!checkpoints.empty()) json["checkpoints"] = Json::array();
  for (const fs::path& checkpoint : checkpoints) {
    json["checkpoints"].push_back(describe_checkpoint(checkpoint));
    if (!json["checkpoints"].back()["complete"].get<bool>()) json["complete"] = false;
  }
  return json;
}

void show_model(const Json& m, std::ostream& out) {
  out << fmt::format("sizes      {:.1f} M parameters: {} layers of width {}, {} heads ({} for keys and values) of {}, MLP {}\n",
                     m["parameters"].get<double>() / 1e6, m["num_layers"].dump(), m["hidden_size"].dump(), m["num_heads"].dump(),
                     m["num_kv_heads"].dump(), m["head_dim"].dump(), m["intermediate_size"].dump());
  if (m.contains("adapters"))
    out << fmt::format("adapters   rank {} on {} of {}\n", m["adapters"]["r"].dump(),
                       fmt::join(m["adapters"]["target_modules"].get<std::vector<std::string>>(), ", "),
                       m["adapters"]["base_model"].get<std::string>());
  out << fmt::format("text       vocabulary {}, context {}, ends with {}\n", m["vocab_size"].dump(), m["context_length"].dump(),
                     m["eos_token_ids"].dump());
  std::string types;
  for (const auto& [type, count] : m["tensors"].items()) types += fmt::format("{}{} {}", types.empty() ? "" : ", ", count.dump(), type);
  out << fmt::format("tensors    {}\n", types);
}

void show(const Json& json, std::ostream& out) {
  out << fmt::format("{:<10} {}\n", json["kind"].get<std::string>(), json["path"].get<std::string>());
  if (json.contains("damage"))
    out << fmt::format("state      {}\n", json["complete"].get<bool>() ? "complete" : "DAMAGED: " + json["damage"].get<std::string>());
  if (json.contains("state")) {
    const Json& s = json["state"];
    out << fmt::format("step       {} of {} (epoch {:.2f}, {} tokens seen, seed {})\n", s["step"].dump(), s["max_steps"].dump(),
                       s["epoch"].get<double>(), s["tokens_seen"].dump(), s["seed"].dump());
  }
  if (json.contains("model")) show_model(json["model"], out);
  for (const auto& [name, size] : json["files"].items())
    out << fmt::format("{:<10} {:>10}  {}\n", "file", show_bytes(size.get<double>()), name);
  if (!json.contains("checkpoints")) return;
  for (const Json& checkpoint : json["checkpoints"]) {
    out << "\n";
    show(checkpoint, out);
  }
}

}  // namespace

bool inspect_checkpoint(const fs::path& path, bool json, std::ostream& out) try {
  const Json description = describe(path);
  if (json) {
    out << description.dump(2, ' ', false, Json::error_handler_t::replace) << "\n";
  } else {
    show(description, out);
  }
  finish(out);
  return description["complete"].get<bool>();
} catch (const fs::filesystem_error& error) {
  throw Error(ErrorKind::data, error.path1().string() + ": " + error.code().message());
}

}  // namespace grpo
