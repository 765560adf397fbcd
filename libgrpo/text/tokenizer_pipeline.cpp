#include "libgrpo/text/tokenizer_pipeline.hpp"

#include "libgrpo/base/error.hpp"

#include <fmt/format.h>
#include <array>
#include <nlohmann/json.hpp>

namespace grpo {
namespace {

using nlohmann::json;

constexpr int kMaxDepth = 16;
constexpr std::size_t kMaxSteps = 256;
/// Digits asks Rust's char::is_numeric, which is at Unicode 17.
constexpr std::string_view kDigit = R"([\p{N}\x{11DE0}-\x{11DE9}\x{16FF4}-\x{16FF6}])";

[[noreturn]] void refuse(std::string_view section, const std::string& why) {
  throw Error(ErrorKind::data, fmt::format("{}: {}", section, why));
}

const json& member(const json& object, const char* key, std::string_view section) {
  const auto found = object.find(key);
  if (found == object.end()) refuse(section, fmt::format("'{}' is missing", key));
  return *found;
}

bool flag(const json& object, const char* key, bool otherwise, std::string_view section) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return otherwise;
  if (!found->is_boolean()) refuse(section, fmt::format("'{}' is {}, not true or false", key, found->dump()));
  return found->get<bool>();
}

const std::string& text(const json& object, const char* key, std::string_view section) {
  const json& value = member(object, key, section);
  if (!value.is_string()) refuse(section, fmt::format("'{}' is not a string", key));
  return value.get_ref<const std::string&>();
}

const json& list(const json& object, const char* key, std::string_view section) {
  const json& value = member(object, key, section);
  if (!value.is_array()) refuse(section, fmt::format("'{}' is not a list", key));
  return value;
}

/// {"String": s} or {"Regex": s}
SplitPattern read_pattern(const json& object, std::string_view section) {
  const json& pattern = member(object, "pattern", section);
  if (pattern.is_object() && pattern.contains("Regex")) return SplitPattern(text(pattern, "Regex", section));
  if (pattern.is_object() && pattern.contains("String")) return SplitPattern(text(pattern, "String", section), true);
  refuse(section, "'pattern' has neither 'Regex' nor 'String'");
}

SplitBehavior read_behavior(const std::string& name, std::string_view section) {
  if (name == "Removed") return SplitBehavior::removed;
  if (name == "Isolated") return SplitBehavior::isolated;
  if (name == "MergedWithPrevious") return SplitBehavior::merged_with_previous;
  if (name == "MergedWithNext") return SplitBehavior::merged_with_next;
  if (name == "Contiguous") return SplitBehavior::contiguous;
  refuse(section, fmt::format("unknown behavior '{}'", name));
}

void add_step(BpeSpec& spec, SplitStep step, std::string_view section) {
  if (spec.steps.size() == kMaxSteps) refuse(section, fmt::format("more than {} steps", kMaxSteps));
  spec.steps.push_back(std::move(step));
}

SplitStep step_of(SplitPattern pattern) {
  SplitStep step;
  step.pattern.push_back(std::move(pattern));
  return step;
}

void read_pre_tokenizer(const json& node, int depth, bool& byte_level, BpeSpec& spec) {
  constexpr std::string_view kSection = "pre_tokenizer";
  if (!node.is_object()) refuse(kSection, "not an object");
  if (depth > kMaxDepth) refuse(kSection, fmt::format("nested deeper than {}", kMaxDepth));
  const std::string& type = text(node, "type", kSection);
  if (type == "Sequence") {
    for (const json& part : list(node, "pretokenizers", kSection))
      read_pre_tokenizer(part, depth + 1, byte_level, spec);
    return;
  }
  if (byte_level) refuse(kSection, fmt::format("'{}' after ByteLevel is not supported", type));
  if (type == "ByteLevel") {
    SplitStep step;
    if (flag(node, "use_regex", true, kSection)) step = step_of(SplitPattern(std::string(kGpt2Pattern)));
    step.add_prefix_space = flag(node, "add_prefix_space", true, kSection);
    if (step.add_prefix_space || !step.pattern.empty()) add_step(spec, std::move(step), kSection);
    byte_level = true;
  } else if (type == "Split") {
    SplitStep step = step_of(read_pattern(node, kSection));
    step.behavior = read_behavior(text(node, "behavior", kSection), kSection);
    step.invert = flag(node, "invert", false, kSection);
    add_step(spec, std::move(step), kSection);
  } else if (type == "Digits") {
    const bool individual = flag(node, "individual_digits", false, kSection);
    add_step(spec, step_of(SplitPattern(std::string(kDigit) + (individual ? "" : "+"))), kSection);
  } else {
    refuse(kSection, fmt::format("'{}' is not supported; known: ByteLevel, Digits, Split, Sequence", type));
  }
}

void read_normalizer(const json& node, int depth, Normalizer& normalizer) {
  constexpr std::string_view kSection = "normalizer";
  if (!node.is_object()) refuse(kSection, "not an object");
  if (depth > kMaxDepth) refuse(kSection, fmt::format("nested deeper than {}", kMaxDepth));
  const std::string& type = text(node, "type", kSection);
  if (type == "Sequence") {
    const json& parts = list(node, "normalizers", kSection);
    if (parts.size() > kMaxSteps) refuse(kSection, fmt::format("more than {} steps", kMaxSteps));
    for (const json& part : parts) read_normalizer(part, depth + 1, normalizer);
  } else if (type == "NFC") {
    normalizer.add_nfc();
  } else if (type == "Prepend") {
    normalizer.add_prepend(text(node, "prepend", kSection));
  } else if (type == "Replace") {
    normalizer.add_replace(read_pattern(node, kSection), text(node, "content", kSection));
  } else {
    refuse(kSection, fmt::format("'{}' is not supported; known: NFC, Prepend, Replace, Sequence", type));
  }
}

constexpr std::string_view kByteLevelGpt2 =
    R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true})";
constexpr std::string_view kByteLevelOnly =
    R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false})";
constexpr std::string_view kLlama3Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen2Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

enum class Pipeline { gpt2, smollm, llama3, qwen2 };
struct PipelineName {
  std::string_view name;
  Pipeline pipeline;
};
constexpr std::array kPipelines = {
    PipelineName{"default", Pipeline::gpt2},
    PipelineName{"gpt-2", Pipeline::gpt2},
    PipelineName{"gpt2", Pipeline::gpt2},
    PipelineName{"smollm", Pipeline::smollm},
    PipelineName{"llama-bpe", Pipeline::llama3},
    PipelineName{"llama3", Pipeline::llama3},
    PipelineName{"llama-v3", Pipeline::llama3},
    PipelineName{"qwen2", Pipeline::qwen2},
    PipelineName{"deepseek-r1-qwen", Pipeline::qwen2},
};

std::string sequence(const std::string& first, std::string_view last) {
  return fmt::format(R"({{"type":"Sequence","pretokenizers":[{},{}]}})", first, last);
}

std::string split_regex(std::string_view pattern) {
  return fmt::format(R"({{"type":"Split","pattern":{{"Regex":{}}},"behavior":"Isolated","invert":false}})",
                     json(std::string(pattern)).dump());
}

}  // namespace

void read_text_pipeline(std::string_view source, BpeSpec& spec) {
  const json root = json::parse(source, nullptr, false);
  if (!root.is_object()) refuse("tokenizer.json", "not a JSON object");
  const auto normalizer = root.find("normalizer");
  if (normalizer != root.end() && !normalizer->is_null()) read_normalizer(*normalizer, 0, spec.normalizer);
  const auto pre_tokenizer = root.find("pre_tokenizer");
  bool byte_level = false;
  if (pre_tokenizer != root.end() && !pre_tokenizer->is_null()) read_pre_tokenizer(*pre_tokenizer, 0, byte_level, spec);
  if (!byte_level) refuse("pre_tokenizer", "no ByteLevel in it; only byte-level BPE is supported so far");
}

std::string text_pipeline_of_gguf(std::string_view pre, bool& ignore_merges) {
  for (const PipelineName& known : kPipelines) {
    if (known.name != pre) continue;
    std::string_view normalizer = "null";
    std::string pre_tokenizer(kByteLevelGpt2);
    ignore_merges = known.pipeline == Pipeline::llama3;
    if (known.pipeline == Pipeline::smollm) {
      pre_tokenizer = sequence(R"({"type":"Digits","individual_digits":true})", kByteLevelGpt2);
    } else if (known.pipeline == Pipeline::llama3) {
      pre_tokenizer = sequence(split_regex(kLlama3Pattern), kByteLevelOnly);
    } else if (known.pipeline == Pipeline::qwen2) {
      pre_tokenizer = sequence(split_regex(kQwen2Pattern), kByteLevelOnly);
      normalizer = R"({"type":"NFC"})";
    }
    return fmt::format(R"({{"normalizer":{},"pre_tokenizer":{}}})", normalizer, pre_tokenizer);
  }
  return {};
}

std::string known_gguf_pipelines() {
  std::string names;
  for (const PipelineName& known : kPipelines) names += fmt::format("{}{}", names.empty() ? "" : ", ", known.name);
  return names;
}

}  // namespace grpo
