/// Options of uploads to the Hugging Face Hub ([hub]). What each means is said in the field list (fields_hub.cpp).
#pragma once

#include <optional>
#include <string>

namespace grpo {

enum class HubStrategy { end, every_save, checkpoint, all_checkpoints };

/// Names are those of transformers' TrainingArguments and of maxent-grpo; defaults likewise. The token is never an option: the user's
/// `hf` program knows it.
struct HubOptions {
  bool push_to_hub = false;
  std::optional<std::string> hub_model_id;  ///< unset: the last part of output_dir, in the user's own space
  HubStrategy hub_strategy = HubStrategy::every_save;
  std::string hub_model_revision = "main";
  bool hub_private_repo = false;
  bool push_to_hub_revision = false;  ///< upload the finished model to hub_model_revision alone
  bool overwrite_hub_revision = false;
  bool operator==(const HubOptions&) const = default;
};

}  // namespace grpo
