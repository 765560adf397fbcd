#include "libgrpo/assemble/eval_run.hpp"

#include "libgrpo/assemble/assembly.hpp"
#include "libgrpo/assemble/data.hpp"
#include "libgrpo/assemble/device.hpp"
#include "libgrpo/assemble/eval_ask.hpp"
#include "libgrpo/assemble/eval_tasks.hpp"
#include "libgrpo/assemble/model_origin.hpp"
#include "libgrpo/assemble/streams.hpp"
#include "libgrpo/base/clock.hpp"
#include "libgrpo/base/error.hpp"
#include "libgrpo/base/files.hpp"
#include "libgrpo/eval/random_guess.hpp"
#include "libgrpo/eval/report.hpp"
#include "libgrpo/metrics/progress.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace grpo {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

/// What one task has got so far.
struct Standing {
  EvalTask task;
  std::unique_ptr<PromptSource> source;
  RewardSet rewards;
  EvalResult result;
  std::vector<Prompt> prompts = {};  // as the model sees them
  std::vector<AnsweredQuestion> ours = {};
};

/// Everything that decides the answers, but the questions.
std::string identity(const EvalTask& task, const std::string& digest) {
  const SamplingParams p = task.sampling();
  const RewardOptions& r = task.recipe.reward;
  Json json = {{"benchmark", task.name},
               {"model", digest},
               {"n", p.num_generations},
               {"temperature", p.temperature},
               {"top_p", p.top_p},
               {"top_k", p.top_k},
               {"min_p", p.min_p},
               {"max_completion_length", p.max_completion_length},
               {"min_completion_length", p.min_completion_length},
               {"stop_sequences", p.stop_sequences},
               {"reward_funcs", r.reward_funcs},
               {"reward_args", r.reward_args ? r.reward_args->json : "{}"}};
  if (p.temperature > 0.0) json["seed"] = p.seed;
  return json.dump();
}

Standing begin(EvalTask task) {
  const RewardOptions& r = task.recipe.reward;
  RewardSet rewards(r.reward_funcs, r.reward_weights, reward_settings(task.recipe));
  Standing s{std::move(task), nullptr, std::move(rewards), {}};
  s.source = s.task.open();
  const Recipe& recipe = s.task.recipe;
  const auto wanted = static_cast<std::size_t>(recipe.data.eval_num_prompts);
  s.result = {s.task.name,
              s.task.dataset,
              wanted == 0 ? s.source->size() : std::min(wanted, s.source->size()),
              s.task.shape,
              s.task.temperature,
              recipe.sampling.max_completion_length,
              recipe.data.system_prompt.value_or(""),
              s.rewards.names(),
              {}};
  return s;
}

/// One model and everything it is asked. Its weights are loaded when the first question needs them.
class Examinee {
 public:
  Examinee(std::string role, std::string name, const Recipe& recipe)
      : role_(std::move(role)),
        name_(std::move(name)),
        place_(locate_model(name_, recipe.policy.model_revision)),
        dtype_(recipe.policy.torch_dtype),
        device_(device_of(recipe)),
        tokenizer_(load_tokenizer(place_.text)) {}

  [[nodiscard]] const std::string& role() const { return role_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const ModelPlace& place() const { return place_; }

  [[nodiscard]] std::vector<Prompt> prompts(const Standing& s) const {
    Recipe recipe = s.task.recipe;
    recipe.policy.model_name_or_path = name_;
    const auto chat = open_chat_template(recipe);
    const PromptSet rows(*s.source, *tokenizer_, chat ? &*chat : nullptr, prompt_style(recipe, open_config(place_, dtype_), *tokenizer_));
    std::vector<Prompt> all;
    for (std::size_t i = 0; i < std::min(s.result.questions, rows.size()); ++i) all.push_back(rows.prompt(i));
    return all;
  }

  std::vector<AnsweredQuestion> answers(World& world, const Standing& s, const std::vector<Prompt>& prompts,
                                        const std::optional<std::string>& folder, std::function<void(std::size_t)> progress) {
    std::optional<JournalPlace> journal;
    if (folder) journal = {fs::path(*folder) / (s.task.file + "." + role_), identity(s.task, model_digest(place_))};
    const SamplingParams params = s.task.sampling();
    const auto model = [this]() -> const CausalLm& {
      if (!model_) model_ = open_model(place_, dtype_, device_);
      return *model_;
    };
    return ask_questions(world, {model, *tokenizer_, prompts, params, s.rewards, std::move(journal), std::move(progress)});
  }

 private:
  std::string role_, name_;
  ModelPlace place_;
  TorchDtype dtype_;
  at::Device device_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::unique_ptr<CausalLm> model_;
};

/// The control, if there is one to be found.
std::unique_ptr<Examinee> find_control(const Examinee& model, const Recipe& recipe, const EvalOptions& options, const Log& log) {
  if (options.control_model == "none") return nullptr;
  if (options.control_model) return std::make_unique<Examinee>("untrained", *options.control_model, recipe);
  const auto name = untrained_model(model.place());
  if (!name) return nullptr;
  try {
    return std::make_unique<Examinee>("untrained", *name, recipe);
  } catch (const Error& error) {
    log.warning(fmt::format("the untrained model is left out: {} (--control_model names another, or none)", error.what()));
    return nullptr;
  }
}

class Evaluator {
 public:
  Evaluator(World& world, const EvalOptions& options, const EvalConsole& console, std::uint64_t seed)
      : world_(world),
        options_(options),
        console_(console),
        rule_{seed, static_cast<std::size_t>(options.bootstrap_samples), options.confidence} {}

  [[nodiscard]] const Bootstrap& rule() const { return rule_; }

  void examine(Examinee& one, Standing& s) const {
    std::vector<Prompt> prompts = one.prompts(s);
    const Stopwatch watch;
    const bool shows = console_.live && !options_.json;
    auto answers = one.answers(world_, s, prompts, options_.output, [&](std::size_t done) {
      if (shows)
        console_.out << fmt::format("\r\033[K{}, {}: {} of {} questions, {}", s.task.name, one.role(), done, prompts.size(),
                                    show_duration(watch.seconds()))
                     << std::flush;
    });
    if (shows) console_.out << "\r\033[K" << std::flush;
    add(s, one.role(), one.name(), answers, watch.seconds());
    if (one.role() != "model") return;
    s.prompts = std::move(prompts);
    s.ours = std::move(answers);
  }

  /// One guess says as little as one throw of dice: 64 of each question, where only one answer is asked of the model.
  void guess(Standing& s) const {
    const Stopwatch watch;
    const auto guesses = random_guess(s.prompts, s.rewards, s.task.shape.n == 1 ? 64 : s.task.shape.n, rule_.seed);
    if (guesses) add(s, "random guess", "", *guesses, watch.seconds());
  }

 private:
  void add(Standing& s, const std::string& role, const std::string& name, const std::vector<AnsweredQuestion>& answers,
           double seconds) const {
    Contestant one{role, name, eval_statistics(answers, s.result.rewards, s.task.shape, rule_), {}, seconds};
    if (const Estimate ahead = eval_difference(s.ours, answers, rule_); ahead.questions > 0) one.ahead = ahead;
    s.result.contestants.push_back(std::move(one));
  }
  World& world_;
  const EvalOptions& options_;
  const EvalConsole& console_;
  Bootstrap rule_;
};

void announce(std::ostream& out, const Examinee& model, const Examinee* control, const std::vector<Standing>& standings) {
  out << "model      " << model.name() << "\n";
  if (control != nullptr) out << "untrained  " << control->name() << "\n";
  for (const Standing& s : standings) {
    const std::string how =
        s.task.temperature == 0.0 ? "greedy" : fmt::format("{} completions at temperature {}", s.task.shape.n, s.task.temperature);
    out << fmt::format("{:<10} {}: {} questions, {}, at most {} tokens\n", s.task.name, s.task.dataset, s.result.questions, how,
                       s.result.max_completion_length);
  }
  out << std::endl;
}

void publish(const std::vector<Standing>& standings, const EvalOptions& options, const EvalConsole& console, const Bootstrap& rule) {
  std::vector<EvalResult> results;
  for (const Standing& s : standings) results.push_back(s.result);
  const std::string json = to_json(results, rule), markdown = to_markdown(results, rule);
  if (options.output) {
    write_file(fs::path(*options.output) / "results.json", json);
    write_file(fs::path(*options.output) / "results.md", markdown);
  }
  console.out << (options.json ? json : markdown);
  finish(console.out);
}

}  // namespace

std::vector<Field> eval_fields(EvalOptions& o) {
  return {
      {"eval", "benchmarks", &o.benchmarks, "names",
       "presets to evaluate on, such as gsm8k,math_500,aime24; docs/guides/evaluate.md lists them"},
      {"eval", "benchmark_paths", &o.benchmark_paths, "NAME=PATH",
       "where a preset's questions are, in place of the Hugging Face cache: gsm8k=data/test.jsonl"},
      {"eval", "n", &o.n, "completions", "completions a question; unset: the preset's, else 1", {1.0, 10000.0}},
      {"eval", "k", &o.k, "numbers", "pass@k, maj@k, distinct@k, coverage@k, as in 1,4,8; unset: 1 and n"},
      {"eval", "temperature", &o.temperature, "number", "0: greedy; unset: greedy if n is 1, else the recipe's", {0.0}},
      {"eval", "greedy", &o.greedy, "", "where n is above 1, ask once more greedily"},
      {"eval", "control_model", &o.control_model, "path",
       "untrained model to evaluate beside it; unset: the one the model was made of, if it says so; none"},
      {"eval", "random_guess", &o.random_guess, "", "show what guessing scores"},
      {"eval", "confidence", &o.confidence, "", "of the intervals", {.low = 0.0, .high = 1.0, .low_open = true, .high_open = true}},
      {"eval", "bootstrap_samples", &o.bootstrap_samples, "", "resamples an interval is made of", {1.0, 1e6}},
      {"eval", "json", &o.json, "", "print one JSON object in place of tables"},
      {"eval", "output", &o.output, "folder",
       "write answers as they come, results.json and results.md; run again, it goes on where it was"},
  };
}

void run_eval(World& world, const LoadedRecipe& loaded, const EvalOptions& options, const EvalConsole& console) {
  world.enter_phase("evaluation");
  const Recipe& recipe = loaded.recipe;
  // Cheap checks first: a typing error in a dataset's name must not cost the loading of a model.
  std::vector<Standing> standings;
  for (EvalTask& task : eval_tasks(loaded, options)) standings.push_back(begin(std::move(task)));
  Examinee model("model", recipe.policy.model_name_or_path, recipe);
  auto control = find_control(model, recipe, options, console.log);
  if (!options.json) announce(console.out, model, control.get(), standings);
  if (console.dry_run) return finish(console.out);
  if (options.output) make_folder(*options.output);
  if (recipe.run.num_threads > 0) at::set_num_threads(static_cast<int>(recipe.run.num_threads));
  const Evaluator evaluator(world, options, console, static_cast<std::uint64_t>(recipe.run.seed));
  for (Standing& s : standings) evaluator.examine(model, s);
  for (Standing& s : standings) {
    if (control) evaluator.examine(*control, s);
    if (options.random_guess) evaluator.guess(s);
  }
  if (world.leads()) publish(standings, options, console, evaluator.rule());
}

}  // namespace grpo
