// The pre-tokenizers that GGUF files name instead of spelling them out.
#include "libgrpo/text/tokenizer_pipeline.hpp"

#include <fmt/format.h>
#include <array>
#include <nlohmann/json.hpp>

namespace grpo {
namespace {

using nlohmann::json;

constexpr std::string_view kByteLevelGpt2 = R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true})";
constexpr std::string_view kByteLevelOnly = R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false})";
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
    return fmt::format(R"({{"normalizer":{},"pre_tokenizer":{},"decoder":{}}})", normalizer, pre_tokenizer, kByteLevelGpt2);
  }
  return {};
}

std::string known_gguf_pipelines() {
  std::string names;
  for (const PipelineName& known : kPipelines) names += fmt::format("{}{}", names.empty() ? "" : ", ", known.name);
  return names;
}

std::string llama_pipeline(bool space_prefix) {
  constexpr std::string_view kReplace = R"({"type":"Replace","pattern":{"String":" "},"content":"\u2581"})";
  constexpr std::string_view kSteps =
      R"({"type":"Replace","pattern":{"String":"\u2581"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"})";
  return fmt::format(R"({{"normalizer":{{"type":"Sequence","normalizers":[{}{}]}},"pre_tokenizer":null,)"
                     R"("decoder":{{"type":"Sequence","decoders":[{}{}]}}}})",
                     space_prefix ? R"({"type":"Prepend","prepend":"\u2581"},)" : "", kReplace, kSteps,
                     space_prefix ? R"(,{"type":"Strip","content":" ","start":1,"stop":0})" : "");
}

}  // namespace grpo
