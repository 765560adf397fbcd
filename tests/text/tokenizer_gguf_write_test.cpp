// Tokenizers written as GGUF metadata and read again: the same tokenizer.
#include "libgrpo/text/tokenizer_gguf_write.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/text/tokenizer_gguf.hpp"
#include "libgrpo/text/tokenizer_json.hpp"
#include "tests/text/oracle_texts.hpp"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <unistd.h>

namespace {

using grpo::GgufTokenizer;
using grpo::testing::from_hex;
using grpo::testing::json;

json family(const std::string& name) { return json::parse(std::ifstream("tests/oracle/bpe_" + name + ".json")); }

std::unique_ptr<grpo::Tokenizer> tokenizer_of(const json& root, const json& config = json::object()) {
  return grpo::tokenizer_from_json(root.dump(), "test", {{"tokenizer.json", root.dump()}, {"tokenizer_config.json", config.dump()}});
}

template <class T>
const T& entry(const GgufTokenizer& written, const std::string& key) {
  for (const auto& [name, value] : written.entries)
    if (name == key) return std::get<T>(value);
  throw std::runtime_error(key + " is missing");
}

std::unique_ptr<grpo::Tokenizer> again(const GgufTokenizer& written) {
  const auto path = std::filesystem::temp_directory_path() / ("grpo_tokenizer_" + std::to_string(::getpid()) + ".gguf");
  grpo::write_gguf(path, written.entries, {});
  auto tokenizer = grpo::tokenizer_from_gguf(path);
  std::filesystem::remove(path);
  return tokenizer;
}

std::string refusal(const json& root, std::int64_t rows = 100000) {
  try {
    (void)grpo::gguf_tokenizer(*tokenizer_of(root), rows, std::nullopt);
  } catch (const grpo::Error& error) {
    return error.kind() == grpo::ErrorKind::data ? error.what() : "";
  }
  return "";
}

using Catch::Contains;

}  // namespace

TEST_CASE("known ways to cut text are written under llama.cpp's names and read back alike", "[tokenizer][gguf]") {
  const json oracle = json::parse(std::ifstream("tests/oracle/tokens.json"));
  for (const auto& [pre, name] : {std::pair{"gpt-2", "gpt2"}, {"smollm", "smollm"}, {"llama-bpe", "llama3"}, {"qwen2", "qwen2"}}) {
    INFO(pre);
    const auto tokenizer = tokenizer_of(family(name));
    const GgufTokenizer written = grpo::gguf_tokenizer(*tokenizer, tokenizer->vocab_size() + 3, "{{ x }}");
    CHECK(entry<std::string>(written, "tokenizer.ggml.pre") == pre);
    CHECK(entry<std::string>(written, "tokenizer.ggml.model") == "gpt2");
    CHECK(entry<std::string>(written, "tokenizer.chat_template") == "{{ x }}");
    CHECK_FALSE(entry<bool>(written, "tokenizer.ggml.add_bos_token"));
    const auto& types = entry<std::vector<std::int32_t>>(written, "tokenizer.ggml.token_type");
    REQUIRE(static_cast<std::int64_t>(types.size()) == tokenizer->vocab_size() + 3);
    CHECK(types.back() == 5);
    CHECK(types[0] == 3);
    const auto read = again(written);
    for (const json& hex : oracle["torture"]) {
      const std::string text = from_hex(hex);
      CHECK(read->encode(text) == tokenizer->encode(text));
    }
  }
}

TEST_CASE("a first token, named tokens and tokens of users keep their roles", "[tokenizer][gguf]") {
  json root = family("gpt2");
  const auto count = root["model"]["vocab"].size();
  root["added_tokens"].push_back({{"id", count}, {"content", "two words"}, {"special", false}});
  root["post_processor"] = {
      {"type", "TemplateProcessing"},
      {"single", {{{"SpecialToken", {{"id", "<|endoftext|>"}, {"type_id", 0}}}}, {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}}},
      {"pair", json::array()},
      {"special_tokens", {{"<|endoftext|>", {{"id", "<|endoftext|>"}, {"ids", {0}}, {"tokens", {"<|endoftext|>"}}}}}}};
  const json config = {{"eos_token", {{"content", "<|endoftext|>"}}}, {"pad_token", "two words"}};
  const GgufTokenizer written = grpo::gguf_tokenizer(*tokenizer_of(root, config), static_cast<std::int64_t>(count) + 1, std::nullopt);
  CHECK(written.eos == 0);
  CHECK(entry<bool>(written, "tokenizer.ggml.add_bos_token"));
  CHECK(entry<std::uint32_t>(written, "tokenizer.ggml.padding_token_id") == count);
  CHECK(entry<std::vector<std::int32_t>>(written, "tokenizer.ggml.token_type").back() == 4);
  CHECK(again(written)->encode("two words") == std::vector<std::int32_t>{static_cast<std::int32_t>(count)});
}

TEST_CASE("SentencePiece's BPE gets scores that rank its merges", "[tokenizer][gguf]") {
  // Read from scores, spelled out as merges, and back to scores of our own.
  const json scored = json::parse(std::ifstream("tests/oracle/tokens_kinds.json"))["scored"];
  const auto tokens = scored["tokens"].get<std::vector<std::string>>();
  std::vector<std::int32_t> types(tokens.size(), 1);
  types[0] = 2;
  types[1] = types[2] = 3;
  for (std::size_t id = 3; id < 259; ++id) types[id] = 6;
  std::vector<float> scores;
  for (std::size_t id = 0; id < tokens.size(); ++id) scores.push_back(id < 259 ? 0.0F : -static_cast<float>(id - 259));
  for (const bool prefix : {true, false}) {
    const GgufTokenizer first{{{"tokenizer.ggml.model", std::string("llama")},
                               {"tokenizer.ggml.tokens", tokens},
                               {"tokenizer.ggml.token_type", types},
                               {"tokenizer.ggml.scores", scores},
                               {"tokenizer.ggml.unknown_token_id", 0U},
                               {"tokenizer.ggml.add_space_prefix", prefix}}};
    const auto tokenizer = again(first);
    const GgufTokenizer written = grpo::gguf_tokenizer(*tokenizer, tokenizer->vocab_size(), std::nullopt);
    CHECK(entry<std::string>(written, "tokenizer.ggml.model") == "llama");
    CHECK(entry<bool>(written, "tokenizer.ggml.add_space_prefix") == prefix);
    CHECK(entry<std::vector<std::string>>(written, "tokenizer.ggml.tokens") == tokens);
    CHECK(entry<std::vector<std::int32_t>>(written, "tokenizer.ggml.token_type") == types);
    const auto read = again(written);
    CHECK(json::parse(read->files().front().second)["model"]["merges"] ==
          json::parse(tokenizer->files().front().second)["model"]["merges"]);
    for (const char* text : {"hello world", "  two blanks", "na\xC3\xAFve \xF0\x9F\xA6\x86", ""})
      CHECK(read->encode(text) == tokenizer->encode(text));
  }
}

TEST_CASE("what llama.cpp has no form for is refused, and says which part", "[tokenizer][gguf]") {
  CHECK(refusal(family("gpt2")).empty());
  json root = family("llama3");
  root["model"]["ignore_merges"] = false;
  CHECK_THAT(refusal(root), Contains("'llama-bpe' cuts text alike") && Contains("ignore_merges false"));
  root = family("qwen2");
  root["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = "[a-z]+";
  CHECK_THAT(refusal(root), Contains("no name for its pre_tokenizer") && Contains("[a-z]+"));
  root = family("gpt2");
  root["normalizer"] = {{"type", "NFKC"}};
  CHECK_THAT(refusal(root), Contains("'gpt-2' cuts text alike, but has normalizer null"));
  CHECK_THAT(refusal(family("gpt2"), 100), Contains("but the model knows 100 tokens"));
  const json words = {{"model", {{"type", "WordLevel"}, {"vocab", {{"a", 0}, {"<unk>", 1}}}, {"unk_token", "<unk>"}}}};
  CHECK_THAT(refusal(words), Contains("its model is WordLevel, not BPE"));
}
