#include "libgrpo/config/field_builders.hpp"

namespace grpo {

using namespace field_list;

std::vector<Field> report_fields(ReportOptions& o) {
  return {
      {"metrics", "report_to", &o.report_to, "services",
       "where metrics go besides metrics.jsonl: tensorboard (event files in output_dir/tensorboard), wandb (through your own python3 "
       "and its wandb package), all, or none"},
      {"metrics", "html_report", &o.html_report, "",
       "keep output_dir/report.html up to date: curves, and completions with their rewards, in one file that needs no network"},
      {"metrics", "html_report_interval", &o.html_report_interval, "seconds", "seconds between two writings of report.html, at least",
       at_least(0)},
      {"metrics",
       "html_report_max_mb",
       &o.html_report_max_mb,
       "MB",
       "how much of completions report.html keeps; steps are thinned out evenly, the first and the newest stay",
       {.low = 1, .high = 1000}},
      {"metrics", "num_completions_to_print", &o.num_completions_to_print, "completions",
       "print so many completions of every logged step; unset: none", count(0)},
      {"metrics",
       "log_unique_prompts",
       &o.log_unique_prompts,
       "",
       "of completions that go to wandb, one for each prompt",
       {},
       {"wandb_log_unique_prompts"}},
      {"metrics", "wandb_project", &o.wandb_project, "name", "project of the run at wandb; unset: WANDB_PROJECT, else libgrpo"},
      {"metrics", "wandb_entity", &o.wandb_entity, "name", "user or team of the run at wandb; unset: WANDB_ENTITY, else your default one"},
      {"metrics", "wandb_run_group", &o.wandb_run_group, "name", "group of runs at wandb that this one belongs to; unset: WANDB_RUN_GROUP"},
      {"metrics", "wandb_tags", &o.wandb_tags, "tags", "tags of the run at wandb"},
  };
}

}  // namespace grpo
