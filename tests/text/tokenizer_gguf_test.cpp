// Tokenizers in GGUF files made here, against tokenizer.json files that the oracle tests hold against `tokenizers`.
#include "libgrpo/text/tokenizer_gguf.hpp"

#include "libgrpo/base/error.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

namespace {

using nlohmann::json;

constexpr std::uint32_t kU32 = 4;
constexpr std::uint32_t kI32 = 5;
constexpr std::uint32_t kF32 = 6;
constexpr std::uint32_t kBool = 7;
constexpr std::uint32_t kString = 8;
constexpr std::uint32_t kArray = 9;

/// A GGUF file with metadata and no tensors.
class GgufWriter {
 public:
  void text(const std::string& key, const std::string& value) { begin(key, kString), put(value); }
  void number(const std::string& key, std::uint32_t value) { begin(key, kU32), put(value); }
  void flag(const std::string& key, bool value) { begin(key, kBool), body_.push_back(value ? 1 : 0); }
  void texts(const std::string& key, const std::vector<std::string>& values) {
    begin(key, kArray), put(kString), put(std::uint64_t{values.size()});
    for (const std::string& value : values) put(value);
  }
  void numbers(const std::string& key, const std::vector<std::int32_t>& values) {
    begin(key, kArray), put(kI32), put(std::uint64_t{values.size()});
    for (const std::int32_t value : values) put(value);
  }
  void reals(const std::string& key, const std::vector<float>& values) {
    begin(key, kArray), put(kF32), put(std::uint64_t{values.size()});
    for (const float value : values) put(value);
  }
  void save(const std::filesystem::path& path) {
    const std::string body = std::move(body_);
    body_ = "GGUF";
    put(std::uint32_t{3}), put(std::uint64_t{0}), put(count_);
    std::ofstream(path, std::ios::binary) << body_ << body << std::string(64, '\0');
  }

 private:
  template <class T>
  requires std::is_arithmetic_v<T>
  void put(T value) {
    char bytes[sizeof(T)];
    std::memcpy(bytes, &value, sizeof(T));
    body_.append(bytes, sizeof(T));
  }
  void put(const std::string& value) { put(std::uint64_t{value.size()}), body_ += value; }
  void begin(const std::string& key, std::uint32_t type) { put(key), put(type), ++count_; }

  std::string body_;
  std::uint64_t count_ = 0;
};

class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& name)
      : path(std::filesystem::temp_directory_path() / (std::to_string(reinterpret_cast<std::uintptr_t>(this)) + name)) {}
  ~TemporaryFile() { std::filesystem::remove(path); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::filesystem::path path;
};

std::string from_hex(const json& hex) {
  const auto& digits = hex.get_ref<const std::string&>();
  std::string text;
  for (std::size_t i = 0; i < digits.size(); i += 2) text += static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16));
  return text;
}

json family(const std::string& name) { return json::parse(std::ifstream("tests/oracle/bpe_" + name + ".json")); }

struct Parts {
  std::vector<std::string> tokens;
  std::vector<std::string> merges;
  std::vector<std::int32_t> types;
};

Parts parts_of(const json& root) {
  Parts parts;
  const json& vocab = root["model"]["vocab"];
  parts.tokens.resize(vocab.size());
  parts.types.assign(vocab.size(), 1);
  for (const auto& [token, id] : vocab.items()) parts.tokens[id.get<std::size_t>()] = token;
  for (const json& token : root["added_tokens"]) parts.types[token["id"].get<std::size_t>()] = 3;
  for (const json& merge : root["model"]["merges"]) {
    parts.merges.push_back(merge[0].get<std::string>() + " " + merge[1].get<std::string>());
  }
  return parts;
}

GgufWriter writer_of(const Parts& parts, const std::string& pre) {
  GgufWriter writer;
  writer.text("general.architecture", "llama");
  writer.number("llama.context_length", 77);
  writer.text("tokenizer.ggml.model", "gpt2");
  writer.text("tokenizer.ggml.pre", pre);
  writer.texts("tokenizer.ggml.tokens", parts.tokens);
  writer.texts("tokenizer.ggml.merges", parts.merges);
  writer.numbers("tokenizer.ggml.token_type", parts.types);
  return writer;
}

}  // namespace

TEST_CASE("each pre-tokenizer name cuts like its tokenizer.json", "[tokenizer][gguf]") {
  const json oracle = json::parse(std::ifstream("tests/oracle/tokens.json"));
  const std::vector<std::pair<std::string, std::string>> names = {
      {"gpt-2", "gpt2"},    {"default", "gpt2"}, {"smollm", "smollm"},         {"llama-bpe", "llama3"},
      {"llama3", "llama3"}, {"qwen2", "qwen2"},  {"deepseek-r1-qwen", "qwen2"}};
  for (const auto& [pre, name] : names) {
    INFO(pre);
    const TemporaryFile file("family.gguf");
    writer_of(parts_of(family(name)), pre).save(file.path);
    const auto tokenizer = grpo::load_tokenizer(file.path);
    const auto expected = grpo::load_tokenizer("tests/oracle/bpe_" + name + ".json");
    for (const json& hex : oracle["torture"]) {
      const std::string text = from_hex(hex);
      CHECK(tokenizer->encode(text) == expected->encode(text));
    }
    const auto files = tokenizer->files();
    REQUIRE(files.front().first == "tokenizer.json");
    const json written = json::parse(files.front().second);
    for (const char* key : {"normalizer", "pre_tokenizer", "added_tokens"}) CHECK(written[key] == family(name)[key]);
    CHECK(written["model"]["vocab"] == family(name)["model"]["vocab"]);
    CHECK(written["model"]["merges"] == family(name)["model"]["merges"]);
    CHECK(written["model"]["ignore_merges"] == family(name)["model"]["ignore_merges"]);
    CHECK(json::parse(files[1].second)["model_max_length"] == 77);
  }
}

TEST_CASE("a first token is written for transformers and never added here", "[tokenizer][gguf]") {
  const TemporaryFile file("bos.gguf");
  GgufWriter writer = writer_of(parts_of(family("llama3")), "llama-bpe");
  writer.flag("tokenizer.ggml.add_bos_token", true);
  writer.number("tokenizer.ggml.bos_token_id", 1);
  writer.save(file.path);
  const auto tokenizer = grpo::tokenizer_from_gguf(file.path);
  CHECK(tokenizer->encode("").empty());
  const json written = json::parse(tokenizer->files().front().second);
  CHECK(written["post_processor"]["single"][0]["SpecialToken"]["id"] == "<|im_start|>");
  CHECK(written["post_processor"]["special_tokens"]["<|im_start|>"]["ids"] == json::array({1}));
}

TEST_CASE("user-defined tokens are found in text and are not special", "[tokenizer][gguf]") {
  const TemporaryFile file("user.gguf");
  Parts parts = parts_of(family("gpt2"));
  parts.tokens.push_back("two words");
  parts.types.push_back(4);
  writer_of(parts, "gpt-2").save(file.path);
  const auto tokenizer = grpo::tokenizer_from_gguf(file.path);
  const auto id = static_cast<std::int32_t>(parts.tokens.size() - 1);
  CHECK(tokenizer->encode("two words") == std::vector<std::int32_t>{id});
  CHECK(tokenizer->decode(std::vector{id, 2}, true) == "two words");
  CHECK_FALSE(tokenizer->is_special(id));
}

namespace {

/// Digest of tokens_oracle.py.
std::string digest(const std::vector<std::int32_t>& ids) {
  std::uint64_t value = 0xCBF29CE484222325ULL;
  const auto add = [&](std::uint32_t number) {
    for (int shift = 0; shift < 32; shift += 8) value = (value ^ ((number >> shift) & 0xFF)) * 0x100000001B3ULL;
  };
  add(static_cast<std::uint32_t>(ids.size()));
  for (const std::int32_t id : ids) add(static_cast<std::uint32_t>(id));
  std::string out(16, '0');
  for (std::size_t i = 0; i < 16; ++i) out[i] = "0123456789abcdef"[(value >> (60 - 4 * i)) & 15];
  return out;
}

const json& scored() {
  static const json kOracle = json::parse(std::ifstream("tests/oracle/tokens_kinds.json"))["scored"];
  return kOracle;
}

/// Tokens, scores and types of a SentencePiece vocabulary: <unk>, <s>, </s>, 256 bytes, then words.
GgufWriter llama_writer(std::vector<float> scores) {
  GgufWriter writer;
  const auto tokens = scored()["tokens"].get<std::vector<std::string>>();
  std::vector<std::int32_t> types(tokens.size(), 1);
  types[0] = 2;
  types[1] = types[2] = 3;
  for (std::size_t id = 3; id < 259; ++id) types[id] = 6;
  writer.text("tokenizer.ggml.model", "llama");
  writer.texts("tokenizer.ggml.tokens", tokens);
  writer.reals("tokenizer.ggml.scores", scores);
  writer.numbers("tokenizer.ggml.token_type", types);
  writer.number("tokenizer.ggml.unknown_token_id", 0);
  writer.number("tokenizer.ggml.bos_token_id", 1);
  return writer;
}

}  // namespace

TEST_CASE("a llama vocabulary is merged by score, as SentencePiece does", "[tokenizer][gguf][oracle]") {
  const TemporaryFile file("llama.gguf");
  llama_writer(scored()["scores"].get<std::vector<float>>()).save(file.path);
  const auto tokenizer = grpo::load_tokenizer(file.path);
  const TemporaryFile written("tokenizer.json");
  std::ofstream(written.path, std::ios::binary) << tokenizer->files().front().second;
  const auto again = grpo::load_tokenizer(written.path);
  REQUIRE(scored()["texts"].size() > 1000);
  for (std::size_t i = 0; i < scored()["texts"].size(); ++i) {
    const std::string text = from_hex(scored()["texts"][i]);
    const auto ids = tokenizer->encode(text);
    INFO("text " << i << ": " << text);
    CHECK(digest(ids) == scored()["ids"][i].get<std::string>());
    CHECK(again->encode(text) == ids);
    if (text.find("\u2581") == std::string::npos) CHECK(tokenizer->decode(ids) == text);
    CHECK(again->decode(ids) == tokenizer->decode(ids));
  }
  CHECK(tokenizer->is_special(0));
  CHECK(tokenizer->is_special(2));
  CHECK_FALSE(tokenizer->is_special(3));
  CHECK(tokenizer->token_bytes(3 + 0xE6) == "\xE6");
  CHECK(json::parse(tokenizer->files().front().second)["post_processor"]["single"][0]["SpecialToken"]["id"] == "<s>");
}

TEST_CASE("a llama vocabulary without the blank in front", "[tokenizer][gguf]") {
  const TemporaryFile file("llama.gguf");
  GgufWriter writer = llama_writer(scored()["scores"].get<std::vector<float>>());
  writer.flag("tokenizer.ggml.add_space_prefix", false);
  writer.save(file.path);
  const auto tokenizer = grpo::load_tokenizer(file.path);
  CHECK(tokenizer->decode(tokenizer->encode(" a b")) == " a b");
  CHECK(tokenizer->decode(tokenizer->encode("a b")) == "a b");
}

TEST_CASE("llama vocabularies that cannot be read are refused by name", "[tokenizer][gguf]") {
  const auto good = scored()["scores"].get<std::vector<float>>();
  const auto refused = [&](GgufWriter writer, const std::string& why) {
    const TemporaryFile file("refused.gguf");
    writer.save(file.path);
    CHECK_THROWS_WITH(grpo::load_tokenizer(file.path), Catch::Contains("refused.gguf") && Catch::Contains(why));
  };
  std::vector<float> bad = good;
  bad[300] = std::nanf("");
  refused(llama_writer(bad), "score of token 300");
  bad = good;
  bad.pop_back();
  refused(llama_writer(bad), "tokenizer.ggml.scores has");
  GgufWriter extra = llama_writer(good);
  extra.flag("tokenizer.ggml.remove_extra_whitespaces", true);
  refused(extra, "remove_extra_whitespaces");
  extra = llama_writer(good);
  extra.text("tokenizer.ggml.add_space_prefix", "yes");
  refused(extra, "add_space_prefix is not true or false");
}

TEST_CASE("GGUF tokenizers that cannot be read are refused by name", "[tokenizer][gguf]") {
  const Parts good = parts_of(family("gpt2"));
  const auto refused = [&](GgufWriter writer, const std::string& why) {
    const TemporaryFile file("refused.gguf");
    writer.save(file.path);
    CHECK_THROWS_WITH(grpo::load_tokenizer(file.path), Catch::Contains("refused.gguf") && Catch::Contains(why));
    CHECK_THROWS_AS(grpo::load_tokenizer(file.path), grpo::Error);
  };
  refused(writer_of(good, "klingon"), "'klingon'");
  refused(writer_of(good, "klingon"), "known: default, gpt-2");
  GgufWriter unigram;
  unigram.text("tokenizer.ggml.model", "t5");
  refused(unigram, "'t5'");
  refused(GgufWriter(), "tokenizer.ggml.model");
  Parts bad = good;
  bad.types.pop_back();
  refused(writer_of(bad, "gpt-2"), "token_type");
  bad = good;
  bad.merges[3] = "x";
  refused(writer_of(bad, "gpt-2"), "merges[3]");
  bad = good;
  bad.merges[3] = "x nowhere";
  refused(writer_of(bad, "gpt-2"), "merge 3");
  bad = good;
  bad.tokens[300] = "\xFF";
  refused(writer_of(bad, "gpt-2"), "tokens[300]");
  GgufWriter eos = writer_of(good, "gpt-2");
  eos.number("tokenizer.ggml.eos_token_id", 100'000);
  refused(eos, "eos_token_id is 100000");
}
