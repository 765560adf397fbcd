#include "libgrpo/assemble/report_hooks.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/base/files.hpp"
#include "libgrpo/config/field.hpp"
#include "libgrpo/config/print.hpp"
#include "libgrpo/metrics/completions_parquet.hpp"
#include "libgrpo/metrics/printable.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace grpo {
namespace {

namespace fs = std::filesystem;

std::vector<AuditColumn> audit_columns(const Recipe& recipe) {
  std::vector<AuditColumn> columns;
  for (const RewardColumn& column : reward_columns(recipe).columns)
    columns.push_back({column.name, column.weight, reward_kind(column.name)});
  return columns;
}

std::string run_name(const Recipe& recipe) { return recipe.run.run_name.value_or(fs::path(recipe.run.output_dir).filename().string()); }

ReportAbout about(const Assembly& a) {
  const Recipe& recipe = a.loaded.recipe;
  const MaxentObjective objective = recipe.maxent.maxent_objective;
  const bool weights = objective == MaxentObjective::listwise || objective == MaxentObjective::weighted_mle;
  return {run_name(recipe),
          show_objective(recipe),
          fs::path(recipe.policy.model_name_or_path).filename().string(),
          weights ? "weight" : "advantage",
          a.plan.prompts_per_step,
          recipe.sampling.num_generations,
          a.plan.total_steps,
          audit_columns(recipe)};
}

/// Every option that is set, as a JSON object.
std::string options_json(Recipe recipe) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (const Field& field : fields(recipe)) {
    const std::string value = to_toml_value(field);
    if (value.empty()) continue;
    const auto parsed = nlohmann::ordered_json::parse(value, nullptr, false);  // numbers, texts and lists read alike in both
    json[field.name] = parsed.is_discarded() ? nlohmann::ordered_json(value) : parsed;
  }
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

/// As transformers names them: "train/reward", "eval/rewards/format/mean".
std::map<std::string, double> service_names(const std::map<std::string, double>& values) {
  constexpr std::string_view kEval = "eval_";
  std::map<std::string, double> named;
  for (const auto& [name, value] : values) named[name.starts_with(kEval) ? "eval/" + name.substr(kEval.size()) : "train/" + name] = value;
  return named;
}

bool is_evaluation(const std::map<std::string, double>& values) {
  return std::any_of(values.begin(), values.end(), [](const auto& value) { return value.first.starts_with("eval_"); });
}

std::string show_reward(const AuditReward& reward) {
  return reward.failed ? "failed: " + reward.why : reward.value ? fmt::format("{:.4g}", *reward.value) : std::string("n/a");
}

}  // namespace

std::vector<AuditGroup> audit_groups(const StepReport& report) {
  std::vector<AuditGroup> groups;
  std::size_t i = 0, token = 0;
  for (const Group& group : report.groups) {
    const Prompt& prompt = group.prompt;
    AuditGroup audit{report.step,
                     groups.size(),
                     prompt.source,
                     prompt.text,
                     prompt.messages.empty() ? prompt.text : prompt.messages.back().content,
                     prompt.solution,
                     {}};
    for (const Completion& completion : group.completions) {
      AuditCompletion c;
      c.text = completion.text;
      c.tokens = completion.ids.size();
      c.truncated = completion.finish == FinishReason::length;
      for (const RewardColumn& column : report.rewards.columns) {
        const Reward& reward = column.rewards[i];
        c.rewards.push_back({reward.has_value() ? std::optional(reward.value()) : std::nullopt, reward.is_failed(),
                             reward.is_failed() ? reward.why() : reward.reason()});
        c.total += column.weight * reward.value();
      }
      if (i < report.coefficients.size()) c.advantage = report.coefficients[i];
      if (!report.rewards.modes.empty()) c.mode = report.rewards.modes[i];
      const auto part = [&](const std::vector<float>& all) {
        const auto begin = all.begin() + static_cast<std::ptrdiff_t>(token);
        return std::vector<float>(begin, begin + static_cast<std::ptrdiff_t>(c.tokens));
      };
      c.log_probs = report.old_log_probs.empty() ? completion.log_probs : part(report.old_log_probs);
      if (!report.ref_log_probs.empty()) c.ref_log_probs = part(report.ref_log_probs);
      c.entropies = completion.entropies;
      audit.completions.push_back(std::move(c));
      token += completion.ids.size();
      ++i;
    }
    groups.push_back(std::move(audit));
  }
  return groups;
}

void add_pieces(AuditGroup& audit, const Group& group, const Tokenizer& tokenizer) {
  for (std::size_t i = 0; i < group.completions.size(); ++i) {
    AuditCompletion& completion = audit.completions[i];
    if (completion.tokens > kMostPieces) continue;
    StreamDecoder decoder(tokenizer);
    for (const std::int32_t id : group.completions[i].ids) {
      std::string piece = decoder.push(id);
      if (tokenizer.is_special(id)) {
        completion.special.push_back(completion.pieces.size());
        piece = tokenizer.decode({&id, 1}, false);
      }
      completion.pieces.push_back(std::move(piece));
    }
    // A character that was never finished stands before the special tokens behind it.
    std::size_t last = completion.pieces.size();
    while (last > 0 && std::count(completion.special.begin(), completion.special.end(), last - 1) > 0) --last;
    if (last > 0) completion.pieces[last - 1] += decoder.finish();
  }
}

ReportHook::ReportHook(const Assembly& a, MetricsHook& metrics, std::ostream& out, const Log& log)
    : assembly_(a),
      metrics_(metrics),
      out_(out),
      log_(log),
      watch_(audit_columns(a.loaded.recipe), a.loaded.recipe.sampling.max_completion_length) {
  if (!a.world.leads()) return;
  metrics.add_sink(*this);
  const Recipe& recipe = a.loaded.recipe;
  const fs::path folder = recipe.run.output_dir;
  if (recipe.report.html_report) {
    html_.emplace(folder / "report.html", about(a), static_cast<std::size_t>(recipe.report.html_report_max_mb) * 1000000,
                  folder / "metrics.jsonl", a.resumed.step);
    watch_.restore(html_->earlier_alarms());
  }
  open_services();
}

void ReportHook::open_services() {
  const Recipe& recipe = assembly_.loaded.recipe;
  const ReportOptions& options = recipe.report;
  const fs::path folder = recipe.run.output_dir;
  for (const std::string& name : options.report_to)
    if (name != "tensorboard" && name != "wandb" && name != "all" && name != "none")
      log_.warning(fmt::format("report_to: {} is not there; metrics go to output_dir (tensorboard and wandb are there)", name));
  if (options.reports_to("tensorboard")) {
    try {
      events_.emplace(folder / "tensorboard", assembly_.resumed.step);
      events_->text(assembly_.resumed.step, "recipe", "```toml\n" + to_toml(assembly_.loaded, false) + "\n```");
    } catch (const Error& error) {
      log_.warning(fmt::format("{}; the run goes on without TensorBoard", error.what()));
    }
  }
  if (options.reports_to("wandb")) {
    const WandbRun run{folder,           options.wandb_project, options.wandb_entity, options.wandb_run_group,
                       run_name(recipe), options.wandb_tags,    options_json(recipe), assembly_.resumed.step > 0};
    wandb_ = std::make_unique<WandbBridge>(run, log_);
  }
}

template <class Place>
void ReportHook::try_write(std::optional<Place>& place, const std::function<void(Place&)>& write) {
  if (!place) return;
  try {
    write(*place);
  } catch (const Error& error) {
    log_.warning(fmt::format("{}; the run goes on without it", error.what()));
    place.reset();
  }
}

void ReportHook::warn(const std::vector<Alarm>& fresh) const {
  for (const Alarm& alarm : fresh)
    log_.warning(fmt::format("step {}: {}. {} {}{}", alarm.first, alarm.title, alarm.message, alarm.advice,
                             html_ && !alarm.examples.empty() ? " (report.html shows examples)" : ""));
}

void ReportHook::write(std::int64_t step, const std::map<std::string, double>& values) {
  if (is_evaluation(values)) warn(watch_.evaluation(step, values));
  if (html_) html_->record(step, values);
  const auto named = service_names(values);
  try_write<EventFile>(events_, [&](EventFile& events) { events.scalars(step, named); });
  if (wandb_) wandb_->log(step, named);
}

void ReportHook::after_step(StepReport& report) {
  if (!assembly_.world.leads() || report.step % assembly_.loaded.recipe.metrics.logging_steps != 0) return;
  auto groups = audit_groups(report);
  const auto fresh = watch_.step(report.step, report.metrics, groups);
  warn(fresh);
  if (html_) keep(groups, report.groups, fresh);
  send_completions(report, groups);
  save_table(groups, report.step);
  print(groups);
  if (!written_ || written_->seconds() >= assembly_.loaded.recipe.report.html_report_interval) write_report(false);
}

void ReportHook::keep(std::vector<AuditGroup>& groups, const std::vector<Group>& originals, const std::vector<Alarm>& fresh) {
  for (const auto& [i, why] : KeptGroups::choose(groups, fresh)) {
    add_pieces(groups[i], originals[i], *assembly_.model.tokenizer);
    html_->keep(groups[i], why, !fresh.empty());
  }
}

/// Distributions to TensorBoard; with log_completions also the completions, there as text and at wandb as a table.
void ReportHook::send_completions(const StepReport& report, const std::vector<AuditGroup>& groups) {
  const Recipe& recipe = assembly_.loaded.recipe;
  std::map<std::string, std::vector<double>> distributions;
  std::vector<std::string> columns = {"step", "prompt", "completion", "advantage", "reward"};
  for (const RewardColumn& column : report.rewards.columns) columns.push_back(column.name);
  WandbTable table{"completions", columns, {}};
  std::string text;
  for (const AuditGroup& group : groups)
    for (const AuditCompletion& c : group.completions) {
      distributions["train/completion_length"].push_back(static_cast<double>(c.tokens));
      distributions["train/completion_reward"].push_back(c.total);
      if (c.advantage && std::isfinite(*c.advantage)) distributions["train/completion_advantage"].push_back(*c.advantage);
      for (const float log_prob : c.log_probs)
        if (std::isfinite(log_prob)) distributions["train/token_log_prob"].push_back(static_cast<double>(log_prob));
      std::vector<std::string> row = {std::to_string(report.step), group.prompt, c.text,
                                      c.advantage ? fmt::format("{:.4g}", *c.advantage) : "", fmt::format("{:.4g}", c.total)};
      for (const AuditReward& reward : c.rewards) row.push_back(show_reward(reward));
      if (!recipe.report.log_unique_prompts || &c == &group.completions.front()) table.rows.push_back(std::move(row));
      if (text.size() < kLongestText) text += fmt::format("    {:.4g}  {}\n", c.total, printable_line(c.text, 500));
    }
  try_write<EventFile>(events_, [&](EventFile& events) {
    for (const auto& [tag, values] : distributions)
      if (!values.empty()) events.histogram(report.step, tag, values);
    if (recipe.metrics.log_completions) events.text(report.step, "train/completions", text);
  });
  if (wandb_ && recipe.metrics.log_completions) wandb_->log(report.step, {}, {table});
}

/// completions/completions_00012.parquet beside the JSON lines, under TRL's name.
void ReportHook::save_table(const std::vector<AuditGroup>& groups, std::int64_t step) {
  const Recipe& recipe = assembly_.loaded.recipe;
  if (!recipe.metrics.log_completions || !saves_tables_) return;
  const fs::path folder = fs::path(recipe.run.output_dir) / "completions";
  try {
    make_folder(folder);
    saves_tables_ = write_completions_parquet(folder / fmt::format("completions_{:05}.parquet", step), audit_columns(recipe), groups);
  } catch (const Error& error) {
    log_.warning(fmt::format("{}; the run goes on without Parquet files", error.what()));
    saves_tables_ = false;
  }
}

void ReportHook::print(const std::vector<AuditGroup>& groups) {
  auto left = assembly_.loaded.recipe.report.num_completions_to_print.value_or(0);
  if (left == 0 || groups.empty()) return;
  metrics_.progress().say([&] {
    for (const AuditGroup& group : groups) {
      if (left == 0) break;
      out_ << fmt::format("  {}\n", printable_line(group.question, 100));
      for (const AuditCompletion& c : group.completions) {
        if (left == 0) break;
        --left;
        out_ << fmt::format("    {:>7.3f}  {}\n", c.total, printable_line(c.text, 200));
      }
    }
    out_ << std::flush;
  });
}

void ReportHook::write_report(bool finished) {
  try_write<HtmlReport>(html_, [&](HtmlReport& html) { html.write(watch_.alarms(), finished); });
  written_.emplace();
}

void ReportHook::after_run(std::int64_t /*step*/, bool stopped) {
  if (!assembly_.world.leads()) return;
  write_report(!stopped);
  constexpr double kSecondsToSend = 120.0, kSecondsOfNotice = 15.0;  // who sends a signal soon sends another
  if (wandb_) wandb_->finish(stopped ? 75 : 0, stopped ? kSecondsOfNotice : kSecondsToSend);
}

}  // namespace grpo
