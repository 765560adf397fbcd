// A reward out of a shared library: plugin.hpp is the border.
#include "libgrpo/base/error.hpp"
#include "libgrpo/config/value.hpp"
#include "libgrpo/reward/external.hpp"
#include "libgrpo/reward/plugin.hpp"

#include <dlfcn.h>
#include <filesystem>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace grpo::detail {
namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

[[noreturn]] void refuse(const std::string& name, const std::string& path, const std::string& why) {
  throw Error(ErrorKind::recipe, fmt::format("reward_library: {} = {}: {}", show_text(name), show_text(path), why));
}

struct Closed {
  void operator()(void* library) const noexcept { ::dlclose(library); }
};
using Library = std::unique_ptr<void, Closed>;

GrpoText text_of(const std::string& text) { return {text.data(), text.size()}; }

Reward reward_of(const GrpoRewardVerdict& verdict) {
  const std::string text(verdict.text, ::strnlen(verdict.text, sizeof verdict.text));
  if (verdict.kind == GRPO_REWARD_VALUE) return Reward::of(verdict.value, text);
  if (verdict.kind == GRPO_REWARD_NOT_APPLICABLE) return Reward::not_applicable();
  return Reward::failed(text.empty() ? "the library says no more than that" : text);
}

class LibraryReward final : public RewardFn {
 public:
  LibraryReward(std::string name, const std::string& path, const std::string& args) : name_(std::move(name)) {
    const std::string file = fs::exists(path) ? fs::absolute(path).string() : path;  // else the loader's own search
    library_.reset(::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL));
    if (!library_) refuse(name_, path, ::dlerror());
    using Entry = const GrpoRewardPlugin* (*)();
    const auto entry = reinterpret_cast<Entry>(::dlsym(library_.get(), "grpo_reward_plugin"));
    if (entry == nullptr) refuse(name_, path, "it has no grpo_reward_plugin(); GRPO_REWARD_PLUGIN of libgrpo/reward/plugin.hpp makes one");
    plugin_ = entry();
    if (plugin_ == nullptr) refuse(name_, path, "its grpo_reward_plugin() gives nothing");
    if (plugin_->abi != GRPO_REWARD_ABI || plugin_->item_bytes != sizeof(GrpoRewardItem) ||
        plugin_->verdict_bytes != sizeof(GrpoRewardVerdict))
      refuse(name_, path, fmt::format("it is of version {} of plugin.hpp, this is {}; build it again", plugin_->abi, GRPO_REWARD_ABI + 0U));
    char error[512] = {};
    self_ = plugin_->open(args.c_str(), error);
    error[sizeof error - 1] = '\0';
    if (self_ == nullptr) refuse(name_, path, fmt::format("it does not take reward_args {}: {}", show_text(args), show_text(error, 500)));
  }
  ~LibraryReward() override { plugin_->close(self_); }
  LibraryReward(const LibraryReward&) = delete;
  LibraryReward& operator=(const LibraryReward&) = delete;

  [[nodiscard]] std::string_view name() const override { return name_; }
  [[nodiscard]] RetryRules retry_rules() const override { return {.by_completion = true}; }

  [[nodiscard]] std::vector<Reward> score(const Group& group) const override {
    const std::string columns = Json(group.prompt.columns).dump(-1, ' ', false, Json::error_handler_t::replace);
    std::vector<GrpoRewardItem> items;
    for (const Completion& completion : group.completions)
      items.push_back({text_of(group.prompt.text), text_of(completion.text), text_of(group.prompt.solution), text_of(columns),
                       completion.ids.size(), completion.finish == FinishReason::length ? 1U : 0U});
    std::vector<GrpoRewardVerdict> verdicts(items.size());
    for (GrpoRewardVerdict& verdict : verdicts) verdict.kind = GRPO_REWARD_FAILED;  // until it says otherwise
    plugin_->score(self_, items.data(), items.size(), verdicts.data());
    std::vector<Reward> rewards;
    for (const GrpoRewardVerdict& verdict : verdicts) rewards.push_back(reward_of(verdict));
    return rewards;
  }

 private:
  std::string name_;
  Library library_;
  const GrpoRewardPlugin* plugin_ = nullptr;
  void* self_ = nullptr;
};

}  // namespace

std::unique_ptr<RewardFn> make_library_reward(std::string name, const std::string& path, const RewardSettings& settings) {
  const Json tables = Json::parse(settings.args, nullptr, /*allow_exceptions=*/false);
  const std::string args = tables.is_object() && tables.contains(name) ? tables[name].dump() : "{}";
  return std::make_unique<LibraryReward>(std::move(name), path, args);
}

}  // namespace grpo::detail
