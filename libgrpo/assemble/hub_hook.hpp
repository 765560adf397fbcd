/// Uploads of a run to the Hugging Face Hub: saves while it trains, the finished model at its end. Rank 0's.
///
/// What goes up is laid out first in output_dir/.hub, as links to the files of the save, with a card of its own: an old checkpoint may be
/// removed while it is still being uploaded. hub_strategy means what transformers means by it, see fields_hub.cpp.
#pragma once

#include "libgrpo/assemble/assembly.hpp"
#include "libgrpo/hub/uploader.hpp"

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace grpo {

/// Comes after CheckpointHook among the hooks.
class HubHook final : public Hook {
 public:
  /// Nothing to do unless the recipe asks for uploads. Where they cannot be made (no program hf, HF_HUB_OFFLINE), that is one warning.
  /// `log` and `stop` must outlive it. throws: Error{recipe} if hub_model_revision holds a model already and may not be overwritten
  HubHook(const Assembly& assembly, const Log& log, const std::atomic<bool>& stop);
  void after_step(StepReport& report) override;
  /// After a signal, waits a moment for what is under way.
  void after_run(std::int64_t step, bool stopped) override;
  /// The finished model, which output_dir holds; waits for all uploads, an hour at most or until `stop`.
  void finish();

 private:
  [[nodiscard]] bool asked() const;
  bool may_upload();
  void push_saves();
  void push(const std::string& what, const std::filesystem::path& from, std::int64_t step, bool model_alone, const std::string& place);
  [[nodiscard]] bool is_of_model(const std::string& name) const;

  const Assembly& assembly_;
  const Log& log_;
  const std::atomic<bool>& stop_;
  std::filesystem::path folder_;  // output_dir/.hub
  std::unique_ptr<HubUploader> uploader_;
  bool branch_is_free_ = true;
  std::int64_t pushed_step_ = 0;
  int count_ = 0;
};

}  // namespace grpo
