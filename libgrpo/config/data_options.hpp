/// Options of the prompts ([data]). What each means, its unit and its range are said in the field list (fields_data.cpp).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace grpo {

/// share: `weight` of a dataset is the share of its rows that are kept. proportional: it is how often a row is drawn from it.
enum class MixtureSampling { share, proportional };
/// When proportional drawing ends: with the first dataset that has no row left, or when every one was seen whole (rows of the others
/// come again). The names are those of interleave_datasets.
enum class StoppingStrategy { first_exhausted, all_exhausted };

/// One dataset of a mixture. Unset columns fall back to dataset_prompt_column and dataset_solution_column.
struct MixtureEntry {
  std::string id;  ///< as dataset_name
  double weight = 1.0;
  std::optional<std::string> prompt_column;
  std::optional<std::string> solution_column;
  std::vector<std::string> columns;  ///< columns to keep; empty keeps all
  std::optional<std::string> config = {};
  std::string split = "train";
  std::string revision = "main";
  std::optional<std::string> filter = {};  ///< unset: the recipe's
  bool operator==(const MixtureEntry&) const = default;
};

struct DatasetMixture {
  std::int64_t seed = 0;
  std::vector<MixtureEntry> datasets;
  MixtureSampling sampling = MixtureSampling::share;
  StoppingStrategy stopping_strategy = StoppingStrategy::first_exhausted;
  std::optional<double> test_split_size = {};  ///< share of the rows that is held out for evaluation
  bool operator==(const DatasetMixture&) const = default;
};

/// A table of anything, as one line of JSON.
struct JsonTable {
  std::string json = "{}";
  bool operator==(const JsonTable&) const = default;
};

struct DataOptions {
  std::optional<std::string> dataset_name;
  std::optional<std::string> dataset_config;
  std::string dataset_train_split = "train";
  std::string dataset_revision = "main";
  std::string dataset_prompt_column = "problem";
  std::string dataset_solution_column = "answer";
  std::optional<DatasetMixture> dataset_mixture;
  std::optional<std::string> filter;
  bool shuffle_dataset = true;
  std::optional<std::string> system_prompt;
  std::vector<std::string> few_shot;         ///< user, assistant, user, assistant, ...
  std::optional<std::string> chat_template;  ///< path or text; unset: the model's own; "none": plain prompts
  std::optional<JsonTable> chat_template_kwargs;
  std::optional<std::int64_t> chat_template_time;  ///< seconds since 1970; unset: when the run starts
  std::optional<std::int64_t> max_prompt_length;
  bool filter_overlong_prompts = false;
  std::optional<std::string> eval_dataset_name;
  std::optional<std::string> eval_dataset_config;
  std::string eval_dataset_split = "test";
  std::optional<std::string> eval_dataset_prompt_column;    ///< unset: dataset_prompt_column
  std::optional<std::string> eval_dataset_solution_column;  ///< unset: dataset_solution_column
  std::int64_t eval_num_prompts = 0;                        ///< 0: all
  bool operator==(const DataOptions&) const = default;
};

}  // namespace grpo
