#include "libgrpo/assemble/hub_hook.hpp"

#include "libgrpo/assemble/card.hpp"
#include "libgrpo/base/error.hpp"
#include "libgrpo/base/files.hpp"
#include "libgrpo/config/hub_target.hpp"
#include "libgrpo/format/hub_cache.hpp"
#include "libgrpo/hub/hf_program.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <fmt/format.h>
#include <vector>

namespace grpo {
namespace {

namespace fs = std::filesystem;

constexpr double kSecondsToAsk = 60.0, kSecondsOfNotice = 15.0, kSecondsToUpload = 3600.0;

enum class Branch { free, taken, unknown };

/// Whether the branch holds a README.md. `hf` tells what is not there by its words only.
Branch ask_branch(const Recipe& recipe, const fs::path& scratch, const std::atomic<bool>& stop, std::string& words) {
  const HfAnswer answer = run_hf(
      {"download", hub_repo(recipe), "README.md", "--revision", recipe.hub.hub_model_revision, "--local-dir", (scratch / "asked").string()},
      stop, kSecondsToAsk);
  words = answer.words;
  if (answer.done) return Branch::taken;
  std::string said = answer.output;
  for (char& c : said) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return !answer.stopped && said.find("not found") != std::string::npos ? Branch::free : Branch::unknown;
}

/// Steps of complete checkpoints above `after`, in order.
std::vector<std::int64_t> checkpoint_steps(const fs::path& output_dir, std::int64_t after) {
  constexpr std::string_view kPrefix = "checkpoint-";
  std::vector<std::int64_t> steps;
  std::error_code gone;  // folders come and go while they are listed
  for (const auto& entry : fs::directory_iterator(output_dir, gone)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kPrefix)) continue;
    std::int64_t step = 0;
    const auto parsed = std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), step);
    if (parsed.ec == std::errc() && parsed.ptr == name.data() + name.size() && step > after &&
        fs::exists(entry.path() / "manifest.json", gone))
      steps.push_back(step);
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}

/// A second name for the same bytes; where the file system has none, a link to the first.
void link_file(const fs::path& from, const fs::path& to) {
  std::error_code failed;
  fs::create_hard_link(from, to, failed);
  if (failed) fs::create_symlink(fs::absolute(from), to);
}

}  // namespace

HubHook::HubHook(const Assembly& a, const Log& log, const std::atomic<bool>& stop)
    : assembly_(a), log_(log), stop_(stop), folder_(fs::absolute(a.loaded.recipe.run.output_dir) / ".hub"), pushed_step_(a.resumed.step) {
  if (!asked()) return;
  const Recipe& recipe = a.loaded.recipe;
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
  const bool offline = hub_is_offline();
  if (offline || !has_hf()) {
    log_.warning(fmt::format("hub: {}, so nothing is uploaded to {}; training goes on",
                             offline ? "HF_HUB_OFFLINE is set" : "there is no program hf in PATH (pip install huggingface_hub)",
                             hub_repo(recipe)));
    return;
  }
  if (a.resumed.step >= a.plan.total_steps)
    branch_is_free_ = false;  // the run is over and may have uploaded its model: no reason to fail
  else
    may_upload();
  uploader_ = std::make_unique<HubUploader>(HubTarget{hub_repo(recipe), recipe.hub.hub_model_revision, recipe.hub.hub_private_repo}, log_);
}

bool HubHook::asked() const {
  const HubOptions& hub = assembly_.loaded.recipe.hub;
  return assembly_.world.leads() && (hub.push_to_hub || hub.push_to_hub_revision);
}

/// False if it cannot be told. A resumed run that uploads its saves finds its own there, and is not asked.
/// throws: Error{recipe} if the branch is taken
bool HubHook::may_upload() {
  const Recipe& recipe = assembly_.loaded.recipe;
  const bool own = recipe.hub.push_to_hub && assembly_.resumed.step > 0;
  if (!recipe.hub.push_to_hub_revision || recipe.hub.overwrite_hub_revision || own) return true;
  std::string words;
  const Branch branch = ask_branch(recipe, folder_, stop_, words);
  branch_is_free_ = branch == Branch::free;
  if (branch == Branch::taken)
    throw Error(ErrorKind::recipe,
                fmt::format("hub_model_revision = \"{}\": the branch holds a model already ({} has a README.md there); name "
                            "another, or set overwrite_hub_revision",
                            recipe.hub.hub_model_revision, hub_repo(recipe)));
  if (branch == Branch::unknown)
    log_.warning(fmt::format("hub: cannot tell whether {} of {} holds a model ({}); asked again at the end", recipe.hub.hub_model_revision,
                             hub_repo(recipe), words));
  return branch == Branch::free;
}

void HubHook::after_step(StepReport& /*report*/) { push_saves(); }

void HubHook::after_run(std::int64_t /*step*/, bool stopped) {
  push_saves();
  if (stopped && uploader_) uploader_->finish(kSecondsOfNotice, std::atomic<bool>(false));
}

void HubHook::push_saves() {
  const HubOptions& hub = assembly_.loaded.recipe.hub;
  if (!uploader_ || !hub.push_to_hub || hub.hub_strategy == HubStrategy::end) return;
  const auto fresh = checkpoint_steps(folder_.parent_path(), pushed_step_);
  if (fresh.empty()) return;
  pushed_step_ = fresh.back();
  for (const std::int64_t step : fresh) {
    const std::string name = fmt::format("checkpoint-{}", step);
    const fs::path checkpoint = folder_.parent_path() / name;
    const bool newest = step == fresh.back();
    if (newest) push("the model of " + name, checkpoint, step, true, ".");
    if (hub.hub_strategy == HubStrategy::all_checkpoints) push(name, checkpoint, step, false, name);
    if (hub.hub_strategy == HubStrategy::checkpoint && newest) push(name, checkpoint, step, false, "last-checkpoint");
  }
}

/// Files that transformers and people read; what a resume needs besides is left out.
bool HubHook::is_of_model(const std::string& name) const {
  for (const char* exact : {"config.json", "generation_config.json", "chat_template.jinja", "recipe.resolved.toml", "metrics.jsonl",
                            "README.md", "training_curves.svg"})
    if (name == exact) return true;
  if (name.starts_with("adapter_") || (name.starts_with("model") && name.find(".safetensors") != std::string::npos)) return true;
  const auto files = assembly_.model.tokenizer->files();
  return std::any_of(files.begin(), files.end(), [&](const auto& file) { return file.first == name; });
}

void HubHook::push(const std::string& what, const fs::path& from, std::int64_t step, bool model_alone, const std::string& place) {
  const fs::path staged = folder_ / fmt::format("{}", count_++);
  try {
    make_folder(staged);
    for (const auto& entry : fs::directory_iterator(from)) {
      const std::string name = entry.path().filename().string();
      if (entry.is_regular_file() && (!model_alone || is_of_model(name))) link_file(entry.path(), staged / name);
    }
    if (model_alone && !fs::exists(staged / "README.md")) write_model_card(staged, assembly_, step);
  } catch (const std::exception& error) {  // removed meanwhile by save_total_limit, or no space left
    std::error_code ignored;
    fs::remove_all(staged, ignored);
    return log_.warning(fmt::format("hub: {} is not uploaded: {}", what, error.what()));
  }
  const std::string message = fmt::format("{} step {}", model_alone ? "Model after" : "Checkpoint of", step);
  uploader_->push({what, staged, place, message});
}

void HubHook::finish() {
  if (!uploader_) return;
  const std::int64_t step = assembly_.plan.total_steps;
  try {
    if (branch_is_free_ || may_upload())
      push("the finished model", folder_.parent_path(), step, true, ".");
    else
      log_.warning("hub: the finished model is not uploaded");
  } catch (const Error& error) {  // somebody was faster: the run is not to fail for it
    log_.warning(fmt::format("hub: the finished model is not uploaded: {}", error.what()));
  }
  if (uploader_->finish(kSecondsToUpload, stop_)) {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
}

}  // namespace grpo
