#include "libgrpo/checkpoint/checkpoint.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/base/files.hpp"
#include "libgrpo/checkpoint/manifest.hpp"
#include "libgrpo/checkpoint/optimizer_shards.hpp"
#include "libgrpo/policy/weights_write.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <fcntl.h>
#include <fmt/format.h>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

namespace grpo {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr std::string_view kPrefix = "checkpoint-";
constexpr const char *kReference = "reference.safetensors", *kPrompts = "prompts.safetensors";

/// Step of a folder named checkpoint-<step>; nothing for any other name.
std::optional<std::int64_t> step_of(const fs::path& path) {
  const std::string name = path.filename().string();
  if (!name.starts_with(kPrefix)) return std::nullopt;
  std::int64_t step = 0;
  const char *begin = name.data() + kPrefix.size(), *end = name.data() + name.size();
  const auto parsed = std::from_chars(begin, end, step);
  if (parsed.ec != std::errc() || parsed.ptr != end || begin == end) return std::nullopt;
  return step;
}

/// Checkpoints in a folder, oldest first.
std::map<std::int64_t, fs::path> checkpoints_in(const fs::path& output_dir) {
  std::map<std::int64_t, fs::path> found;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(output_dir, ignored))
    if (const auto step = step_of(entry.path()); step && entry.is_directory()) found[*step] = entry.path();
  return found;
}

std::string to_json(const RunState& s) {
  const Json json = {{"global_step", s.step},
                     {"max_steps", s.max_steps},
                     {"epoch", s.epoch},
                     {"num_input_tokens_seen", s.tokens_seen},
                     {"optimizer_steps", s.optimizer_steps},
                     {"bad_steps", s.bad_steps},
                     {"seed", s.seed},
                     {"prompts_drawn", s.prompts_drawn},
                     {"updates_done", s.updates_done},
                     {"objective_state", Json::parse(s.objective_state)}};
  return json.dump(2) + "\n";
}

/// transformers reads chat_template.jinja before what tokenizer_config.json says.
void write_model_files(const fs::path& folder, const Policy& policy, const Tokenizer& tokenizer, const std::string& chat_template) {
  policy.save(folder);
  for (const auto& [name, content] : tokenizer.files()) write_file(folder / name, content);
  if (!chat_template.empty()) write_file(folder / "chat_template.jinja", chat_template);
}

/// A checkpoint that is being written, or being removed.
fs::path hidden_folder(const fs::path& output_dir, std::int64_t step) { return output_dir / fmt::format(".{}{}.partial", kPrefix, step); }

/// What is left of saves that were killed.
void remove_hidden_folders(const fs::path& output_dir) {
  std::error_code ignored;
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(output_dir, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(fmt::format(".{}", kPrefix)) && name.ends_with(".partial")) found.push_back(entry.path());
  }
  for (const fs::path& path : found) fs::remove_all(path, ignored);
}

/// `fresh` takes the place of `old`. Where the file system can swap two names, there is a whole folder of that name at every moment.
void replace_folder(const fs::path& fresh, const fs::path& old) {
  std::error_code ignored;
  if (::renameat2(AT_FDCWD, fresh.c_str(), AT_FDCWD, old.c_str(), RENAME_EXCHANGE) == 0) {
    sync_file(old.parent_path());
    fs::remove_all(fresh, ignored);
    return;
  }
  fs::remove_all(old, ignored);
  rename_durably(fresh, old);
}

fs::path fresh_folder(const fs::path& path) {
  std::error_code ignored;
  fs::remove_all(path, ignored);
  make_folder(path);
  return path;
}

std::optional<fs::path> file_of(const fs::path& checkpoint, const char* name) {
  const fs::path path = checkpoint / name;
  return fs::exists(path) ? std::optional(path) : std::nullopt;
}

NamedTensors tensors_of(const fs::path& checkpoint, const char* name) {
  const auto path = file_of(checkpoint, name);
  return path ? read_tensors(*path) : NamedTensors();
}

}  // namespace

fs::path begin_checkpoint(const fs::path& output_dir, std::int64_t step) {
  make_folder(output_dir);
  remove_hidden_folders(output_dir);
  return fresh_folder(hidden_folder(output_dir, step));
}

void write_checkpoint(const fs::path& partial, const CheckpointContents& contents, int ranks) {
  write_model_files(partial, contents.policy, contents.tokenizer, contents.chat_template);
  write_tensors(partial / optimizer_file(0, ranks), contents.optimizer);
  if (!contents.reference.empty()) write_tensors(partial / kReference, contents.reference);
  if (!contents.prompts.empty()) write_tensors(partial / kPrompts, contents.prompts);
  if (!contents.rollout.empty()) write_file(partial / "rollout.jsonl", contents.rollout);
  if (!contents.finished.empty()) write_file(partial / "finished.jsonl", contents.finished);
  write_file(partial / "recipe.resolved.toml", contents.recipe_toml);
  write_file(partial / "trainer_state.json", to_json(contents.state));
}

fs::path finish_checkpoint(const fs::path& partial, std::int64_t step) {
  write_manifest(partial, step);
  sync_file(partial);
  const fs::path final_path = partial.parent_path() / (std::string(kPrefix) + std::to_string(step));
  replace_folder(partial, final_path);
  return final_path;
}

fs::path save_checkpoint(const fs::path& output_dir, const CheckpointContents& contents) {
  const fs::path partial = begin_checkpoint(output_dir, contents.state.step);
  write_checkpoint(partial, contents);
  return finish_checkpoint(partial, contents.state.step);
}

void save_model(const fs::path& folder, const Policy& policy, const Tokenizer& tokenizer, const std::string& chat_template) {
  make_folder(folder);
  const fs::path partial = fresh_folder(folder / ".model.partial");
  write_model_files(partial, policy, tokenizer, chat_template);
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(partial)) names.push_back(entry.path().filename().string());
  // Whoever reads meanwhile finds shards through the index: it comes when they are all there.
  std::stable_partition(names.begin(), names.end(), [](const std::string& name) { return !name.ends_with(".index.json"); });
  for (const std::string& name : names) rename_durably(partial / name, folder / name);
  remove_other_weight_files(folder, {names.begin(), names.end()});
  fs::remove(partial);
}

std::optional<fs::path> last_checkpoint(const fs::path& output_dir, const Log& log) {
  const auto found = checkpoints_in(output_dir);
  for (auto it = found.rbegin(); it != found.rend(); ++it) {
    const std::string damage = checkpoint_damage(it->second);
    if (damage.empty()) return it->second;
    log.warning(fmt::format("{}: {}; the checkpoint before it is used", it->second.string(), damage));
  }
  return std::nullopt;
}

RunState load_run_state(const fs::path& checkpoint, std::uint64_t prompts_per_step) {
  const fs::path path = checkpoint / "trainer_state.json";
  const Json json = Json::parse(read_file(path), nullptr, false);
  const auto integer = [&](const char* key) {
    if (!json.is_object() || !json.contains(key) || !json[key].is_number_integer())
      throw Error(ErrorKind::data, fmt::format("{}: '{}' is missing or no integer", path.string(), key));
    return json[key].get<std::int64_t>();
  };
  RunState state;
  state.step = integer("global_step");
  state.optimizer_steps = integer("optimizer_steps");
  state.tokens_seen = integer("num_input_tokens_seen");
  state.bad_steps = integer("bad_steps");
  state.max_steps = integer("max_steps");
  state.seed = static_cast<std::uint64_t>(integer("seed"));
  state.epoch = json.value("epoch", 0.0);
  const bool counts = json.contains("prompts_drawn") && json.contains("updates_done");
  state.prompts_drawn =
      counts ? static_cast<std::uint64_t>(integer("prompts_drawn")) : static_cast<std::uint64_t>(state.step) * prompts_per_step;
  state.updates_done = counts ? integer("updates_done") : 0;
  state.objective_state = json.value("objective_state", Json::object()).dump();
  return state;
}

NamedTensors load_reference(const fs::path& checkpoint) { return tensors_of(checkpoint, kReference); }
NamedTensors load_prompt_account(const fs::path& checkpoint) { return tensors_of(checkpoint, kPrompts); }

std::optional<fs::path> rollout_file(const fs::path& checkpoint) { return file_of(checkpoint, "rollout.jsonl"); }
std::optional<fs::path> finished_file(const fs::path& checkpoint) { return file_of(checkpoint, "finished.jsonl"); }

void rotate_checkpoints(const fs::path& output_dir, std::int64_t newest, std::int64_t keep, const Log& log) {
  std::vector<std::pair<std::int64_t, fs::path>> found;
  for (const auto& checkpoint : checkpoints_in(output_dir)) found.push_back(checkpoint);
  std::stable_partition(found.begin(), found.end(), [&](const auto& checkpoint) { return checkpoint.first > newest; });
  for (std::size_t i = 0; i + static_cast<std::size_t>(keep) < found.size(); ++i) {
    const auto& [step, path] = found[i];
    std::error_code reason;
    fs::rename(path, hidden_folder(output_dir, step), reason);  // a kill in between must not leave half a checkpoint
    if (!reason) fs::remove_all(hidden_folder(output_dir, step), reason);
    if (reason) log.warning(fmt::format("{}: old checkpoint cannot be removed: {}", path.string(), reason.message()));
  }
}

}  // namespace grpo
