#include "libgrpo/assemble/generate_run.hpp"

#include "libgrpo/assemble/assembly.hpp"
#include "libgrpo/assemble/data.hpp"
#include "libgrpo/assemble/device.hpp"
#include "libgrpo/assemble/streams.hpp"
#include "libgrpo/base/error.hpp"
#include "libgrpo/sampler/in_process_sampler.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <fmt/format.h>
#include <iterator>
#include <nlohmann/json.hpp>

namespace grpo {
namespace {

using Json = nlohmann::ordered_json;

/// The one question of the command line, as a dataset.
class OneQuestion final : public PromptSource {
 public:
  OneQuestion(std::string question, std::string origin) : question_(std::move(question)), origin_(std::move(origin)) {}
  [[nodiscard]] std::size_t size() const override { return 1; }
  [[nodiscard]] Row row(std::size_t /*index*/) const override {
    Row row;
    row.question = question_;
    row.origin = origin_;
    return row;
  }

 private:
  std::string question_, origin_;
};

Prompt make_prompt(const Recipe& recipe, const GenerateOptions& options, const ModelConfig& config, const Tokenizer& tokenizer,
                   std::istream& in) {
  std::string text = options.prompt ? *options.prompt : *options.chat;
  if (text == "-") text = std::string(std::istreambuf_iterator<char>(in), {});
  PromptStyle style = prompt_style(recipe, config, tokenizer);
  if (options.prompt) {
    style.system_prompt.reset();
    style.few_shot.clear();
    return PromptSet(OneQuestion(text, "--prompt"), tokenizer, nullptr, style).prompt(0);
  }
  const auto chat = open_chat_template(recipe);
  if (!chat && recipe.data.chat_template != "none")
    throw Error(ErrorKind::data, recipe.policy.model_name_or_path +
                                     ": the model brings no chat template; use --prompt TEXT, or name one by --chat_template");
  return PromptSet(OneQuestion(text, "--chat"), tokenizer, chat ? &*chat : nullptr, style).prompt(0);
}

/// Text fit for a terminal: what a model says must not move the cursor.
std::string harmless(std::string text) {
  for (char& c : text)
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') || c == 0x7F) c = '?';
  return text;
}

std::string to_json(const Prompt& prompt, const Completion& completion) {
  const Json json = {{"text", completion.text},
                     {"token_ids", completion.ids},
                     {"logprobs", completion.log_probs},
                     {"finish_reason", to_string(completion.finish)},
                     {"prompt_token_ids", prompt.ids}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::vector<Field> generate_fields(GenerateOptions& o) {
  return {
      {"generate", "prompt", &o.prompt, "text", "text to continue, as it is; -: standard input"},
      {"generate", "chat", &o.chat, "text", "question, asked in the model's chat format; -: standard input"},
      {"generate", "n", &o.n, "completions", "completions to sample", {1.0, 65536.0}},
      {"generate", "temperature", &o.temperature, "number", "divides the logits; 0: the likeliest token always (greedy)", {0.0}},
      {"generate", "json", &o.json, "", "one JSON object per completion, with token ids and log-probs"},
  };
}

void run_generate(const Recipe& recipe, const GenerateOptions& options, const GenerateConsole& console) {
  if (options.prompt.has_value() == options.chat.has_value())
    throw Error(ErrorKind::recipe, options.prompt ? "--prompt and --chat are both given; keep one"
                                                  : "nothing to complete: give --prompt TEXT, or --chat TEXT for a question "
                                                    "in the model's chat format");
  const ModelPlace model = model_place(recipe);
  const ModelConfig config = read_model_config(model.weights);
  const auto tokenizer = load_tokenizer(model.text);
  const Prompt prompt = make_prompt(recipe, options, config, *tokenizer, console.in);
  std::ostream& out = console.out;
  if (console.dry_run) {
    out << (console.live ? harmless(prompt.text) : prompt.text) << "\n";
    return finish(out);
  }
  if (recipe.run.num_threads > 0) at::set_num_threads(static_cast<int>(recipe.run.num_threads));
  const auto policy = open_model(model, recipe.policy.torch_dtype, device_of(recipe));
  InProcessSampler sampler(*policy, *tokenizer);
  SamplingParams params = sampling_params(recipe);
  params.num_generations = options.n;
  params.temperature = options.temperature.value_or(params.temperature);
  StreamDecoder decoder(*tokenizer);
  const bool streams = console.live && options.n == 1 && !options.json;
  if (streams) params.on_token = [&](std::size_t, std::size_t, std::int32_t id) { out << harmless(decoder.push(id)) << std::flush; };
  const Group group = sampler.generate({prompt}, params).front();
  if (streams) {
    out << harmless(decoder.finish()) << "\n";
    return finish(out);
  }
  std::size_t number = 0;
  for (const Completion& completion : group.completions) {
    ++number;
    if (options.json) {
      out << to_json(prompt, completion) << "\n";
      continue;
    }
    if (options.n > 1)
      out << fmt::format("--- {} of {}: {} tokens, {}\n", number, options.n, completion.ids.size(), to_string(completion.finish));
    out << (console.live ? harmless(completion.text) : completion.text) << "\n";
  }
  finish(out);
}

}  // namespace grpo
