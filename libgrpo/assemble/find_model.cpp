#include "libgrpo/assemble/find_model.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/format/hub_cache.hpp"
#include "libgrpo/policy/lora.hpp"

#include <boost/process/args.hpp>
#include <boost/process/child.hpp>
#include <boost/process/exe.hpp>
#include <boost/process/io.hpp>
#include <boost/process/search_path.hpp>
#include <cstdio>
#include <fmt/format.h>
#include <vector>

namespace grpo {
namespace {

namespace fs = std::filesystem;
namespace process = boost::process;

/// Runs `hf download`. Its stdout is not ours: what it says goes to stderr.
void download(const std::string& id, const std::string& revision) {
  const auto hf = process::search_path("hf");
  if (hf.empty())
    throw Error(ErrorKind::data,
                fmt::format("{}: no such file or folder, and not in the Hugging Face cache ({}). Put the model there, or install the "
                            "program hf (pip install huggingface_hub) and it is fetched",
                            id, hub_cache_folder().string()));
  const std::vector<std::string> words{"download", id, "--revision", revision};
  std::error_code failure;
  process::child child(hf, process::args(words), process::std_in<process::null, process::std_out> stderr, failure);
  if (!failure) child.wait(failure);
  if (failure) throw Error(ErrorKind::data, fmt::format("{}: {} cannot be run: {}", id, hf.string(), failure.message()));
  if (child.exit_code() != 0)
    throw Error(ErrorKind::data, fmt::format("{}: hf download ended with exit code {}; what it said is above", id, child.exit_code()));
}

/// A path, also one where nothing is: its reader says what is wrong with it.
bool is_path(const fs::path& name) {
  std::error_code ignored;
  const bool in_a_folder = name.has_parent_path() && fs::is_directory(name.parent_path(), ignored);
  return in_a_folder || fs::exists(name, ignored) || name.extension() == ".gguf" || !is_repo_id(name.string());
}

}  // namespace

fs::path find_model(const std::string& name, const std::string& revision) {
  if (is_path(name)) return name;
  if (const auto cached = find_in_hub_cache(HubRepo::model, name, revision)) return *cached;
  if (hub_is_offline())
    throw Error(ErrorKind::data, fmt::format("{}: no such file or folder, revision {} is not in the Hugging Face cache ({}), and "
                                             "HF_HUB_OFFLINE forbids to fetch it",
                                             name, revision, hub_cache_folder().string()));
  download(name, revision);
  if (const auto cached = find_in_hub_cache(HubRepo::model, name, revision)) return *cached;
  throw Error(ErrorKind::data, fmt::format("{}: hf download succeeded, but revision {} is not in {}; does it use another cache (HF_HOME)?",
                                           name, revision, hub_cache_folder().string()));
}

ModelPlace locate_model(const std::string& name, const std::string& revision) {
  const fs::path found = find_model(name, revision);
  if (!is_adapter_folder(found)) return {found, found, {}};
  const std::string base = read_adapter_config(found).base_model;
  if (base.empty())
    throw Error(ErrorKind::data, fmt::format("{}: adapter_config.json does not say what model the adapters are for "
                                             "(base_model_name_or_path)",
                                             found.string()));
  const fs::path weights = find_model(base, "main");
  return {weights, fs::exists(found / "tokenizer.json") ? found : weights, found};
}

ModelPlace model_place(const Recipe& recipe) { return locate_model(recipe.policy.model_name_or_path, recipe.policy.model_revision); }

ModelPlace checkpoint_place(const Recipe& recipe, const fs::path& checkpoint) {
  ModelPlace place = model_place(recipe);
  if (is_adapter_folder(checkpoint)) {
    place.adapters = checkpoint;
  } else {
    place.weights = checkpoint;
    place.adapters.reset();
  }
  return place;
}

ModelPlace reference_place(const Recipe& recipe) {
  const auto& other = recipe.reference.reference_model_name_or_path;
  return other ? locate_model(*other, "main") : model_place(recipe);
}

}  // namespace grpo
