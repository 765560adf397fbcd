#include "libgrpo/config/field.hpp"
#include "libgrpo/config/field_builders.hpp"

namespace grpo {

using namespace field_list;

std::vector<Field> data_fields(DataOptions& o) {
  return {
      {"data", "dataset_name", &o.dataset_name, "path|id",
       "prompts to train on: a file (.jsonl, .json, .csv, .tsv, .parquet; text also with .gz or .zst), a pattern of files, a folder, a "
       "Hugging Face id (org/name) that hf download has fetched, or a built-in task: sums, countdown, graph_colouring, many_answers"},
      {"data", "dataset_config", &o.dataset_config, "text", "subset of a folder or id; of countdown: how many numbers, 3 or 4"},
      {"data", "dataset_train_split", &o.dataset_train_split, "text", "split of a folder or id to train on"},
      {"data", "dataset_revision", &o.dataset_revision, "text", "branch, tag or commit of an id"},
      {"data", "dataset_prompt_column", &o.dataset_prompt_column, "column", "column that holds the question, or a list of messages"},
      {"data", "dataset_solution_column", &o.dataset_solution_column, "column", "column that holds the gold answer"},
      {"data", "dataset_mixture", &o.dataset_mixture, "json",
       "several datasets in place of dataset_name: {\"seed\": 0, \"datasets\": [{\"id\": \"a.jsonl\", \"weight\": "
       "0.5}]}; weight is the share of its rows that are kept, or with \"sampling\": \"proportional\" how often it is drawn from; "
       "\"test_split_size\": 0.1 holds out rows to evaluate on"},
      {"data", "filter", &o.filter, "expression", "train on rows for which it holds, such as level <= 3 and source in [\"amc\", \"aime\"]"},
      {"data", "shuffle_dataset", &o.shuffle_dataset, "", "draw a new order of the prompts in every epoch"},
      {"data", "system_prompt", &o.system_prompt, "text", "system message in front of every question"},
      {"data", "few_shot", &o.few_shot, "texts", "worked examples in front of every question, in turn question and answer"},
      {"data", "chat_template", &o.chat_template, "path|text", "Jinja chat template; unset: the model's own; none: plain prompts"},
      {"data", "chat_template_kwargs", &o.chat_template_kwargs, "json",
       "further variables of the chat template, such as {\"enable_thinking\": false}; a row's column of the same name wins"},
      {"data",
       "chat_template_time",
       &o.chat_template_time,
       "seconds",
       "what strftime_now of a chat template shows, in seconds since 1970 and in UTC; unset: the local time at the start",
       {.low = 0.0, .high = 253402300799.0}},
      {"data", "max_prompt_length", &o.max_prompt_length, "tokens",
       "longest prompt allowed; a longer one is an error, see filter_overlong_prompts", count(1)},
      {"data", "filter_overlong_prompts", &o.filter_overlong_prompts, "",
       "leave out prompts that are longer than max_prompt_length or the model allows, and say which; every prompt is tokenized for it "
       "at the start"},
      {"data", "eval_dataset_name", &o.eval_dataset_name, "path|id", "prompts to evaluate on, named as in dataset_name"},
      {"data", "eval_dataset_config", &o.eval_dataset_config, "text", "subset of it"},
      {"data", "eval_dataset_split", &o.eval_dataset_split, "text", "split of it, where it is a folder or an id"},
      {"data", "eval_dataset_prompt_column", &o.eval_dataset_prompt_column, "column",
       "column that holds the question; unset: dataset_prompt_column"},
      {"data", "eval_dataset_solution_column", &o.eval_dataset_solution_column, "column",
       "column that holds the gold answer; unset: dataset_solution_column"},
      {"data", "eval_num_prompts", &o.eval_num_prompts, "prompts", "evaluate on the first so many prompts; 0: all", count(0)},
  };
}

}  // namespace grpo
