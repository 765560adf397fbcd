#include "libgrpo/assemble/eval_run.hpp"

#include "libgrpo/assemble/assembly.hpp"
#include "libgrpo/assemble/data.hpp"
#include "libgrpo/assemble/open_model.hpp"
#include "libgrpo/assemble/streams.hpp"
#include "libgrpo/base/clock.hpp"
#include "libgrpo/base/error.hpp"
#include "libgrpo/metrics/progress.hpp"
#include "libgrpo/objective/advantages.hpp"
#include "libgrpo/tensor/precompiled.hpp"
#include "libgrpo/trainer/evaluate.hpp"
#include "libgrpo/trainer/group_metrics.hpp"

#include <fmt/format.h>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

namespace grpo {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t kRowsAtOnce = 256;  ///< completions between two looks at the progress

/// The k of pass@k, checked.
std::vector<std::int64_t> whole_k(const EvalOptions& options, double temperature) {
  std::vector<std::int64_t> all;
  for (const double k : options.k) {
    if (k < 1.0 || k > static_cast<double>(options.n) || k != std::floor(k))
      throw Error(ErrorKind::recipe,
                  fmt::format("command line: --k={}: must be a whole number from 1 to n, which is {}", k, options.n));
    all.push_back(static_cast<std::int64_t>(k));
  }
  if (options.n > 1 && temperature == 0.0)
    throw Error(ErrorKind::recipe,
                fmt::format("command line: --n={}: greedy completions are all the same; give a --temperature "
                            "above 0, or --n 1",
                            options.n));
  if (all.empty()) all = options.n > 1 ? std::vector<std::int64_t>{1, options.n} : std::vector<std::int64_t>{1};
  return all;
}

/// The recipe that opens what is to be evaluated, and what to call it.
std::pair<std::unique_ptr<PromptSource>, std::string> open_rows(const LoadedRecipe& loaded) {
  Recipe recipe = loaded.recipe;
  DataOptions& data = recipe.data;
  const auto named = loaded.origin.find("dataset_name");
  if (data.dataset_name && named != loaded.origin.end() && named->second == "command line")
    data.eval_dataset_name = data.dataset_name;
  if (!data.eval_dataset_name) data.eval_dataset_name = data.dataset_name;
  if (auto source = open_eval_source(recipe)) return {std::move(source), *data.eval_dataset_name};
  return {open_train_source(recipe), "the recipe's mixture"};
}

struct Count {
  std::int64_t counted = 0, right = 0;
};

/// Per prompt: completions that the first reward judged, and those it found right.
std::vector<Count> count_right(const Evaluation& evaluation) {
  std::vector<Count> counts;
  std::size_t i = 0;
  for (const Group& group : evaluation.groups) {
    Count count;
    for (std::size_t s = 0; s < group.completions.size(); ++s, ++i) {
      const Reward& reward = evaluation.rewards.columns.front().rewards[i];
      count.counted += reward.has_value() ? 1 : 0;
      count.right += reward.has_value() && reward.value() >= 1.0 ? 1 : 0;
    }
    counts.push_back(count);
  }
  return counts;
}

void append(Evaluation& all, Evaluation part) {
  if (all.rewards.columns.empty()) {
    all = std::move(part);
    return;
  }
  std::move(part.groups.begin(), part.groups.end(), std::back_inserter(all.groups));
  for (std::size_t c = 0; c < all.rewards.columns.size(); ++c) {
    RewardColumn &to = all.rewards.columns[c], &from = part.rewards.columns[c];
    std::move(from.rewards.begin(), from.rewards.end(), std::back_inserter(to.rewards));
    to.seconds += from.seconds;
  }
}

/// The metrics of evaluate(), over all parts, and pass@k.
std::map<std::string, double> all_metrics(const Evaluation& e, const std::vector<std::int64_t>& ks) {
  std::map<std::string, double> metrics;
  for (const auto& [name, value] : group_metrics(e.groups, e.rewards)) metrics["eval_" + name] = value;
  double sum = 0.0, count = 0.0;
  for (const double reward : total_rewards(e.rewards)) {
    if (std::isnan(reward)) continue;
    sum += reward;
    count += 1.0;
  }
  if (count > 0.0) metrics["eval_reward"] = sum / count;
  const std::vector<Count> counts = count_right(e);
  for (const std::int64_t k : ks) {
    double passed = 0.0, prompts = 0.0;
    for (const Count& c : counts) {
      if (c.counted < k) continue;
      passed += pass_at_k(c.counted, c.right, k);
      prompts += 1.0;
    }
    if (prompts > 0.0) metrics[fmt::format("eval_pass@{}", k)] = passed / prompts;
  }
  return metrics;
}

void write_completions(std::ostream& out, const Evaluation& e) {
  std::size_t i = 0;
  for (const Group& group : e.groups) {
    for (std::size_t s = 0; s < group.completions.size(); ++s, ++i) {
      const Completion& completion = group.completions[s];
      Json rewards = Json::object();
      for (const RewardColumn& column : e.rewards.columns) {
        const Reward& reward = column.rewards[i];
        if (reward.has_value())
          rewards[column.name] = reward.value();
        else
          rewards[column.name] = reward.kind() == Reward::Kind::failed ? Json{{"failed", reward.why()}} : Json(nullptr);
      }
      const Json line = {{"source", group.prompt.source},
                         {"prompt", group.prompt.text},
                         {"solution", group.prompt.solution},
                         {"sample", s},
                         {"text", completion.text},
                         {"token_ids", completion.ids},
                         {"finish_reason", to_string(completion.finish)},
                         {"rewards", rewards}};
      out << line.dump(-1, ' ', false, Json::error_handler_t::replace) << "\n";
    }
  }
  finish(out);
}

std::ofstream open_output(const std::optional<std::string>& path) {
  std::ofstream file;
  if (!path) return file;
  file.open(*path, std::ios::binary | std::ios::trunc);
  if (!file) throw Error(ErrorKind::backend, *path + ": cannot be written (--output); does its folder exist?");
  return file;
}

void show_table(std::ostream& out, const std::map<std::string, double>& metrics,
                const std::vector<std::string>& rewards, const std::vector<std::int64_t>& ks, double seconds) {
  const auto row = [&](const std::string& label, const std::string& key, double scale, const char* unit) {
    const auto found = metrics.find(key);
    out << fmt::format(
        "  {:<32} {:>8}\n", label,
        found == metrics.end() ? std::string("-") : fmt::format("{:.1f}{}", scale * found->second, unit));
  };
  for (const std::string& name : rewards) {
    row(name, "eval_rewards/" + name + "/mean", 100.0, " %");
    if (metrics.count("eval_rewards/" + name + "/failed") > 0)
      row("  of these failed", "eval_rewards/" + name + "/failed", 100.0, " %");
  }
  for (const std::int64_t k : ks) row(fmt::format("pass@{}", k), fmt::format("eval_pass@{}", k), 100.0, " %");
  row("tokens per completion", "eval_completions/mean_length", 1.0, "  ");
  row("cut at max_completion_length", "eval_completions/clipped_ratio", 100.0, " %");
  out << fmt::format("  {:<32} {:>8}\n", "time", show_duration(seconds));
}

}  // namespace

std::vector<Field> eval_fields(EvalOptions& o) {
  return {
      {"eval", "n", &o.n, "completions", "completions per prompt", {1.0, 65536.0}},
      {"eval", "k", &o.k, "numbers", "pass@k: the chance that one of k is right, as in 1,4,8; unset: 1 and n"},
      {"eval", "temperature", &o.temperature, "number", "0: greedy; unset: greedy if n is 1, else the recipe's", {0.0}},
      {"eval", "json", &o.json, "", "print one JSON object in place of the table"},
      {"eval", "output", &o.output, "path", "write every completion and its rewards as JSON lines"},
  };
}

void run_eval(const LoadedRecipe& loaded, const EvalOptions& options, const EvalConsole& console) {
  const Recipe& recipe = loaded.recipe;
  const ModelPlace model = model_place(recipe);
  SamplingParams params = sampling_params(recipe);
  params.num_generations = options.n;
  params.temperature = options.temperature.value_or(options.n == 1 ? 0.0 : params.temperature);
  const std::vector<std::int64_t> ks = whole_k(options, params.temperature);
  const RewardSet rewards(recipe.reward.reward_funcs, recipe.reward.reward_weights, reward_settings(recipe));
  const auto [source, dataset] = open_rows(loaded);
  const ModelConfig config = read_model_config(model.weights);
  const auto tokenizer = load_tokenizer(model.text);
  const auto chat = open_chat_template(recipe);
  const PromptSet rows(*source, *tokenizer, chat ? &*chat : nullptr, prompt_style(recipe, config, *tokenizer));
  const auto wanted = static_cast<std::size_t>(recipe.data.eval_num_prompts);
  const std::size_t count = wanted == 0 ? rows.size() : std::min(wanted, rows.size());

  std::ostream& out = console.out;
  if (!options.json)
    out << fmt::format("model      {}\ndata       {}: {} prompts\nsampling   {}, at most {} tokens\n", recipe.policy.model_name_or_path, dataset,
                       count,
                       params.temperature == 0.0
                           ? "greedy"
                           : fmt::format("{} completions at temperature {}", options.n, params.temperature),
                       params.max_completion_length)
        << std::flush;
  if (console.dry_run) return finish(out);
  std::ofstream output = open_output(options.output);
  if (recipe.run.num_threads > 0) at::set_num_threads(static_cast<int>(recipe.run.num_threads));
  const auto policy = open_model(model, recipe.policy.torch_dtype);
  InProcessSampler sampler(*policy, *tokenizer);

  const Stopwatch watch;
  const auto at_once = static_cast<std::size_t>(std::max<std::int64_t>(1, kRowsAtOnce / options.n));
  Evaluation all;
  for (std::size_t first = 0; first < count; first += at_once) {
    std::vector<Prompt> prompts;
    for (std::size_t i = first; i < std::min(first + at_once, count); ++i) prompts.push_back(rows.prompt(i));
    Evaluation part = evaluate(prompts, sampler, rewards, params);
    if (output.is_open()) write_completions(output, part);
    append(all, std::move(part));
    if (console.live && !options.json)
      out << fmt::format("\r\033[K{} of {} prompts, {}", all.groups.size(), count, show_duration(watch.seconds()))
          << std::flush;
  }
  if (console.live && !options.json) out << "\r\033[K";
  const auto metrics = all_metrics(all, ks);
  if (options.json) {
    out << Json{{"model", recipe.policy.model_name_or_path},
                {"dataset", dataset},
                {"prompts", count},
                {"n", options.n},
                {"k", ks},
                {"temperature", params.temperature},
                {"metrics", metrics},
                {"seconds", watch.seconds()}}
               .dump()
        << "\n";
  } else {
    show_table(out, metrics, rewards.names(), ks, watch.seconds());
  }
  finish(out);
}

}  // namespace grpo
