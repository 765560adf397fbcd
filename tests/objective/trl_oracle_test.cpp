// Losses and gradients of GRPO's whole family against TRL 1.13 itself: tests/oracle/trl_oracle.py ran its trainer on a tiny
// model with fixed completions and rewards, and wrote down every update. Here the same updates are made by this library, from
// the options under TRL's names to the gradient of every parameter.
#include "libgrpo/assemble/objectives.hpp"
#include "libgrpo/config/field.hpp"
#include "libgrpo/policy/causal_lm.hpp"
#include "libgrpo/trainer/passes.hpp"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

using namespace grpo;
using Json = nlohmann::json;

namespace {

std::vector<float> floats(const std::string& base64) {
  std::array<int, 256> value{};
  value.fill(-1);
  const std::string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (std::size_t i = 0; i < alphabet.size(); ++i) value[static_cast<unsigned char>(alphabet[i])] = static_cast<int>(i);
  std::string bytes;
  unsigned bits = 0, count = 0;
  for (const char c : base64) {
    if (value[static_cast<unsigned char>(c)] < 0) continue;
    bits = (bits << 6U) | static_cast<unsigned>(value[static_cast<unsigned char>(c)]);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes += static_cast<char>((bits >> count) & 0xFFU);
  }
  std::vector<float> numbers(bytes.size() / sizeof(float));
  std::memcpy(numbers.data(), bytes.data(), numbers.size() * sizeof(float));
  return numbers;
}

const Json& oracle() {
  static const Json json = [] {
    std::ifstream file("tests/oracle/trl_losses.json");
    REQUIRE(file.is_open());
    return Json::parse(file);
  }();
  return json;
}

std::unique_ptr<CausalLm> load(const Json& parameters) {
  const Json& c = oracle()["model"]["config"];
  ModelConfig config;
  config.vocab_size = c["vocab_size"];
  config.hidden_size = c["hidden_size"];
  config.intermediate_size = c["intermediate_size"];
  config.num_layers = c["num_layers"];
  config.num_heads = c["num_heads"];
  config.num_kv_heads = c["num_kv_heads"];
  config.head_dim = c["head_dim"];
  config.rms_norm_eps = c["rms_norm_eps"];
  config.rope_theta = c["rope_theta"];
  config.tie_word_embeddings = c["tie_word_embeddings"];
  config.context_length = 64;
  config.eos_token_ids = {static_cast<std::int32_t>(oracle()["eos_token_id"].get<int>())};
  auto model = std::make_unique<CausalLm>(config, Weights::allocate(config));
  const auto own = model->parameters();
  REQUIRE(own.size() == parameters.size());
  for (std::size_t i = 0; i < own.size(); ++i) {
    REQUIRE(own[i].name == parameters[i]["name"].get<std::string>());
    REQUIRE(own[i].tensor.sizes().vec() == parameters[i]["shape"].get<std::vector<std::int64_t>>());
    own[i].tensor.copy_(at::tensor(floats(parameters[i]["data"].get<std::string>())).view(own[i].tensor.sizes()));
  }
  return model;
}

std::vector<Group> groups() {
  std::vector<Group> list;
  for (const Json& g : oracle()["groups"]) {
    Group group;
    group.prompt.ids = g["prompt_ids"].get<std::vector<std::int32_t>>();
    for (const Json& c : g["completions"]) {
      Completion completion;
      completion.ids = c["ids"].get<std::vector<std::int32_t>>();
      completion.log_probs = c["sampler_logprobs"].get<std::vector<float>>();
      completion.finish = c["truncated"].get<bool>() ? FinishReason::length : FinishReason::stop;
      group.completions.push_back(completion);
    }
    list.push_back(group);
  }
  return list;
}

RewardTable reward_table() {
  RewardTable table;
  for (const auto& [name, weight] : oracle()["reward_weights"].items()) {
    RewardColumn column{name, weight.get<double>(), {}, 0.0};
    for (const Json& g : oracle()["groups"])
      for (const Json& c : g["completions"]) {
        const Json& r = c["rewards"][name];
        column.rewards.push_back(r.is_null() ? Reward::not_applicable() : Reward::of(r.get<double>()));
      }
    table.columns.push_back(column);
  }
  return table;
}

Value value_of(const Json& json) {
  if (json.is_boolean()) return Value::of_boolean(json.get<bool>());
  if (json.is_number_integer()) return Value::of_integer(json.get<std::int64_t>());
  if (json.is_number()) return Value::of_floating(json.get<double>());
  if (json.is_string()) return Value::of_string(json.get<std::string>());
  return {};
}

/// A recipe with TRL's options; use_vllm is what makes TRL look at the sampler's log-probs.
Recipe recipe_of(const Json& options) {
  Recipe recipe;
  recipe.sampling.num_generations = 4;
  recipe.sampling.max_completion_length = oracle()["max_completion_length"];
  const auto list = fields(recipe);
  for (const auto& [name, value] : options.items()) {
    if (name == "use_vllm") continue;
    const auto field = std::find_if(list.begin(), list.end(), [&, &key = name](const Field& f) { return f.name == key; });
    INFO(name << " = " << value.dump());
    REQUIRE(field != list.end());
    std::vector<std::string> notes;
    REQUIRE(assign(*field, value_of(value), notes).empty());
  }
  return recipe;
}

struct Update {
  double loss = 0.0, norm = 0.0;
  std::vector<double> gradient;
  std::map<std::string, double> metrics;
};

double norm_of(const std::vector<double>& x) {
  double sum = 0.0;
  for (const double v : x) sum += v * v;
  return std::sqrt(sum);
}

/// All updates of a case by this library; rows and the entropies that a controller saw are the case's.
std::vector<Update> run(const Json& one) {
  const Recipe recipe = recipe_of(one["options"]);
  const bool vllm = one["options"].value("use_vllm", false);
  const auto policy = load(oracle()["model"]["parameters"]), reference = load(oracle()["reference"]["parameters"]);
  policy->require_grad();
  const auto objective = make_objective(recipe, objective_context(recipe, policy->config().vocab_size, 0));
  static const auto fixed = groups();
  const Batch batch(fixed);
  const auto rewards = reward_table();
  const PassOptions pass{oracle()["temperature"].get<double>(), 1000};
  Comparison comparison;
  comparison.old_log_probs = score_batch(*policy, batch, pass).log_probs;
  if (objective->needs_reference()) comparison.ref_log_probs = score_batch(*reference, batch, pass).log_probs;
  if (vllm && recipe.objective.vllm_importance_sampling_correction) comparison.sampler_log_probs = batch.sampler_log_probs();
  std::vector<Update> updates;
  for (const Json& expected : one["updates"]) {
    CreditInput input{rewards, batch, comparison.ref_log_probs, comparison.old_log_probs};
    input.in_step.assign(16, false);
    for (const std::size_t row : expected["rows"].get<std::vector<std::size_t>>()) input.in_step[row] = true;
    if (objective->needs_current_scores()) {
      const TokenScores now = score_batch(*policy, batch, pass);
      input.log_probs = now.log_probs;
      input.entropies = now.entropies;
    }
    for (const Parameter& p : policy->parameters()) p.tensor.mutable_grad().reset();
    const auto means = accumulate_gradient(*policy, *objective, batch, objective->credit(input), comparison, pass).means();
    Update update{means.at("loss"), 0.0, {}, means};
    const at::NoGradGuard no_grad;
    for (const Parameter& p : policy->parameters()) {
      const auto grad = p.tensor.grad().defined() ? p.tensor.grad() : at::zeros_like(p.tensor);
      const auto flat = grad.to(at::kDouble).contiguous().view({-1});
      update.gradient.insert(update.gradient.end(), flat.const_data_ptr<double>(), flat.const_data_ptr<double>() + flat.numel());
      p.tensor.sub_(grad, oracle()["sgd_learning_rate"].get<double>());
    }
    update.norm = norm_of(update.gradient);
    updates.push_back(update);
    objective->observe({{"entropy", expected["metrics"].value("entropy", std::nan(""))}});
  }
  return updates;
}

struct Distance {
  double loss = 0.0, norm = 0.0, cosine = 1.0;
};

Distance distance(const Update& got, const Json& expected) {
  const double loss = expected["loss"];
  const auto stored = floats(oracle()["gradients"][expected["gradient"].get<std::size_t>()].get<std::string>());
  const std::vector<double> gradient(stored.begin(), stored.end());
  REQUIRE(gradient.size() == got.gradient.size());
  double dot = 0.0;
  for (std::size_t i = 0; i < gradient.size(); ++i) dot += gradient[i] * got.gradient[i];
  const double norm = norm_of(gradient);
  // A loss is a sum of terms of order 0.1 to 1 that may cancel: relative to that order, in float32.
  return {std::abs(got.loss - loss) / std::max(std::abs(loss), 0.1), std::abs(got.norm - norm) / std::max(norm, 1e-6),
          norm < 1e-9 && got.norm < 1e-9 ? 1.0 : dot / (norm * got.norm)};
}

bool same(const Distance& d) { return d.loss < 1e-5 && d.norm < 1e-4 && d.cosine > 0.99999; }

/// Normalised over the whole step here, over each micro-batch in TRL: equal where there is one micro-batch.
bool differs_on_purpose(const Json& one) {
  const Json& o = one["options"];
  const bool per_micro_batch = o.value("loss_type", "dapo") == "bnpo" || o.contains("top_entropy_quantile") || o.contains("entropy_coef");
  return per_micro_batch && one["gradient_accumulation_steps"] != 1;
}

const Json* with_one_micro_batch(const Json& one) {
  std::string name = one["name"];
  const auto at = name.find("/ga");
  if (at == std::string::npos) return nullptr;
  name.replace(at, 4, "/ga1");
  for (const Json& other : oracle()["cases"])
    if (other["name"] == name && other["updates"].size() == one["updates"].size()) return &other;
  return nullptr;
}

}  // namespace

TEST_CASE("TRL 1.13 gives the same losses and gradients, option for option") {
  std::size_t equal = 0, on_purpose = 0;
  Distance worst;
  for (const Json& one : oracle()["cases"]) {
    const bool differs = differs_on_purpose(one);
    const Json* expected = differs ? with_one_micro_batch(one) : &one;
    INFO(one["name"].get<std::string>() << (differs ? " (against its single micro-batch)" : ""));
    REQUIRE(expected != nullptr);
    const auto updates = run(*expected);
    for (std::size_t u = 0; u < updates.size(); ++u) {
      const Distance d = distance(updates[u], (*expected)["updates"][u]);
      INFO("update " << u << ": loss " << updates[u].loss << ", expected " << (*expected)["updates"][u]["loss"] << "; distance of the loss "
                     << d.loss << ", of the norm " << d.norm << ", 1 - cosine " << 1.0 - d.cosine);
      CHECK(same(d));
      worst = {std::max(worst.loss, d.loss), std::max(worst.norm, d.norm), std::min(worst.cosine, d.cosine)};
    }
    ++(differs ? on_purpose : equal);
  }
  CHECK(equal >= 400);
  CHECK(worst.loss > 0.0);
  INFO(equal << " equal, " << on_purpose << " on purpose; worst loss " << worst.loss << " norm " << worst.norm << " 1 - cosine "
             << 1.0 - worst.cosine);
  CHECK(on_purpose > 0);
}

TEST_CASE("where TRL normalises each micro-batch by itself, the difference is real") {
  std::set<std::string> types;
  for (const Json& one : oracle()["cases"]) {
    if (!differs_on_purpose(one)) continue;
    const Json* whole = with_one_micro_batch(one);
    REQUIRE(whole != nullptr);
    if (one["updates"][0]["gradient"] != (*whole)["updates"][0]["gradient"]) types.insert(one["options"].value("loss_type", "dapo"));
  }
  CHECK(types.count("bnpo") == 1);
}

TEST_CASE("TRL's KL and extremes of the same updates are ours") {
  int compared = 0, extremes = 0;
  for (const Json& one : oracle()["cases"]) {
    if (one["gradient_accumulation_steps"] != 1 || differs_on_purpose(one) || one["options"].contains("mask_truncated_completions"))
      continue;
    const auto updates = run(one);
    for (std::size_t u = 0; u < updates.size(); ++u) {
      const Json& metrics = one["updates"][u]["metrics"];
      INFO(one["name"].get<std::string>() << ", update " << u);
      for (const char* name : {"sampling/importance_sampling_ratio/min", "sampling/importance_sampling_ratio/max"}) {
        if (!metrics.contains(name) || one["options"]["vllm_importance_sampling_mode"] != "token_truncate") continue;
        CHECK(updates[u].metrics.at(name) == Approx(metrics[name].get<double>()).epsilon(1e-3));
        ++extremes;
      }
      if (!metrics.contains("kl")) continue;
      CHECK(updates[u].metrics.at("kl") == Approx(metrics["kl"].get<double>()).epsilon(1e-3).margin(1e-5));
      ++compared;
    }
  }
  CHECK(compared > 50);
  CHECK(extremes > 20);
}
