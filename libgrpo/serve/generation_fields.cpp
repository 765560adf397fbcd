#include "libgrpo/serve/generation_fields.inl"

#include "libgrpo/tensor/precompiled.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <random>

namespace grpo::serve {
namespace {

using Json = nlohmann::json;
using std::int64_t;

constexpr int64_t kMostChoices = 4096;
constexpr std::size_t kMostStops = 64;

std::uint64_t fresh_seed() {
  static thread_local std::random_device device;
  return device();
}

void read_logit_bias(Body& body, const ModelConfig& config, GenerationRequest& request) {
  const Json* table = body.find("logit_bias");
  if (!table) return;
  if (!table->is_object()) body.fail("logit_bias", "must be an object: token id -> bias from -100 to 100");
  for (const auto& [key, bias] : table->items()) {
    std::int32_t id = -1;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (error != std::errc() || end != key.data() + key.size() || id < 0 || id >= config.vocab_size)
      body.fail("logit_bias", fmt::format("\"{:.20}\" is no token id of the model (0 to {})", key, config.vocab_size - 1));
    if (!bias.is_number() || !(bias.get<double>() >= -100.0 && bias.get<double>() <= 100.0))
      body.fail("logit_bias", "a bias must be a number from -100 to 100");
    request.options.logit_bias.emplace_back(id, bias.get<float>());
  }
}

Prompt of_ids(Body& body, const std::string& name, const Json& list) {
  Prompt prompt;
  for (const Json& id : list) {
    if (!id.is_number_integer() || id < 0 || id > INT32_MAX) body.fail(name, "token ids must be integers that are not negative");
    prompt.ids.push_back(id.get<std::int32_t>());
  }
  return prompt;
}

}  // namespace

void read_sampling(Body& body, const ModelConfig& config, GenerationRequest& request) {
  SamplingParams& p = request.params;
  p.num_generations = body.integer("n", 1, kMostChoices).value_or(1);
  p.temperature = body.number("temperature", 0.0, 100.0).value_or(1.0);
  p.top_p = body.number("top_p", 1e-9, 1.0).value_or(1.0);
  p.top_k = std::max<int64_t>(0, body.integer("top_k", -1, INT32_MAX).value_or(0));
  p.min_p = body.number("min_p", 0.0, 1.0).value_or(0.0);
  p.min_completion_length = body.integer("min_tokens", 0, INT32_MAX).value_or(0);
  p.stop_sequences = body.texts("stop");
  if (p.stop_sequences.size() > kMostStops) body.fail("stop", fmt::format("at most {} texts", kMostStops));
  if (std::find(p.stop_sequences.begin(), p.stop_sequences.end(), "") != p.stop_sequences.end())
    body.fail("stop", "an empty text would end every completion at once");
  p.seed = body.key("seed").value_or(fresh_seed());
  read_logit_bias(body, config, request);
}

std::vector<Prompt> read_prompts(Body& body, const std::string& name, const Tokenizer& tokenizer) {
  const Json* value = body.find(name);
  const auto of_text = [&](const Json& text) {
    Prompt prompt;
    prompt.text = text.get<std::string>();
    prompt.ids = tokenizer.encode(prompt.text);
    return prompt;
  };
  if (!value) body.fail(name, "is required: a text, texts, token ids, or lists of token ids");
  if (value->is_string()) return {of_text(*value)};
  if (!value->is_array() || value->empty()) body.fail(name, "must be a text, texts, token ids, or lists of token ids");
  if (value->front().is_number()) return {of_ids(body, name, *value)};
  std::vector<Prompt> prompts;
  for (const Json& one : *value) {
    if (!one.is_string() && !one.is_array()) body.fail(name, "must be a text, texts, token ids, or lists of token ids");
    prompts.push_back(one.is_string() ? of_text(one) : of_ids(body, name, one));
  }
  return prompts;
}

void read_prompt_ids(Body& body, std::vector<Prompt>& prompts) {
  const Json* value = body.find("prompt_id");
  if (value && value->is_array()) {
    if (value->size() != prompts.size()) body.fail("prompt_id", fmt::format("{} ids for {} prompts", value->size(), prompts.size()));
    for (std::size_t i = 0; i < prompts.size(); ++i) {
      if (!(*value)[i].is_number_unsigned()) body.fail("prompt_id", "must be integers that are not negative");
      prompts[i].id = (*value)[i].get<std::uint64_t>();
    }
    return;
  }
  const std::uint64_t first = body.key("prompt_id").value_or(0);
  for (std::size_t i = 0; i < prompts.size(); ++i) prompts[i].id = first + i;
}

void fit_lengths(Body& body, const std::string& prompt_field, const std::string& length_field, int64_t otherwise, const ModelConfig& config,
                 GenerationRequest& request) {
  int64_t longest = 0;
  for (const Prompt& prompt : request.prompts) {
    if (prompt.ids.empty()) body.fail(prompt_field, "a prompt has no tokens");
    const auto wrong = std::find_if(prompt.ids.begin(), prompt.ids.end(), [&](std::int32_t id) { return id >= config.vocab_size; });
    if (wrong != prompt.ids.end())
      body.fail(prompt_field, fmt::format("token id {} lies outside the model's vocabulary of {}", *wrong, config.vocab_size));
    longest = std::max(longest, static_cast<int64_t>(prompt.ids.size()));
  }
  SamplingParams& p = request.params;
  const int64_t room = config.context_length - longest;
  if (room < 1)
    body.fail(prompt_field,
              fmt::format("a prompt of {} tokens leaves no room in the model's context of {}", longest, config.context_length));
  p.max_completion_length = body.integer(length_field, 1, INT32_MAX).value_or(otherwise < 0 ? room : otherwise);
  if (p.max_completion_length > room)
    body.fail(length_field, fmt::format("a prompt of {} tokens and {} more exceed the model's context of {}", longest,
                                        p.max_completion_length, config.context_length));
  if (p.min_completion_length > p.max_completion_length)
    body.fail("min_tokens", fmt::format("is above {} = {}", length_field, p.max_completion_length));
  if (static_cast<int64_t>(request.prompts.size()) * p.num_generations > kMostChoices)
    body.fail("n",
              fmt::format("{} prompts times n are more than {} completions; send several requests", request.prompts.size(), kMostChoices));
}

}  // namespace grpo::serve
