/// Options of what a person sees of a run: the report, TensorBoard, Weights & Biases, printed completions. They are part of the
/// section [metrics]. What each means is said in the field list (fields_report.cpp).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace grpo {

/// Names are those of transformers' TrainingArguments, of TRL's GRPOConfig and of maxent-grpo where they have the option.
struct ReportOptions {
  std::vector<std::string> report_to;  ///< tensorboard, wandb, all, none
  bool html_report = true;
  double html_report_interval = 30.0;                    ///< seconds
  std::int64_t html_report_max_mb = 16;                  ///< of completions
  std::optional<std::int64_t> num_completions_to_print;  ///< unset: none
  bool log_unique_prompts = false;
  std::optional<std::string> wandb_project;
  std::optional<std::string> wandb_entity;
  std::optional<std::string> wandb_run_group;
  std::vector<std::string> wandb_tags;
  bool operator==(const ReportOptions&) const = default;

  /// Whether report_to names the service, or all of them.
  [[nodiscard]] bool reports_to(const std::string& service) const {
    for (const std::string& name : report_to)
      if (name == service || name == "all") return true;
    return false;
  }
};

}  // namespace grpo
