// Ids against the `tokenizers` package: tests/oracle/tokens.json, made by tests/oracle/tokens_oracle.py.
#include "libgrpo/text/tokenizer.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/text/tokenizer_json.hpp"
#include "tests/text/oracle_texts.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>

namespace {

using grpo::Tokenizer;
using grpo::testing::Digest;
using grpo::testing::from_hex;
using grpo::testing::Generator;
using grpo::testing::Ids;
using nlohmann::json;

constexpr const char* kModel = "models/SmolLM2-135M-Instruct.Q4_1.gguf";

std::string read_file(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  REQUIRE(stream.good());
  return {std::istreambuf_iterator<char>(stream), {}};
}

const json& oracle() {
  static const json kOracle = json::parse(read_file("tests/oracle/tokens.json"));
  return kOracle;
}

const Tokenizer& smollm2() {
  static const std::unique_ptr<Tokenizer> kTokenizer = grpo::load_tokenizer(kModel);
  return *kTokenizer;
}

std::unique_ptr<Tokenizer> from_json(const json& root) { return grpo::tokenizer_from_json(root.dump(), "test.json", {}); }

std::vector<std::string> random_texts(std::size_t count) {
  std::vector<std::string> fragments;
  for (const json& fragment : oracle()["fragments"]) fragments.push_back(from_hex(fragment));
  std::vector<std::string> texts;
  for (std::size_t seed = 0; seed < count; ++seed) texts.push_back(Generator(seed).text(fragments));
  return texts;
}

void check_blocks(const Tokenizer& tokenizer, const std::vector<std::string>& texts, const json& expected) {
  constexpr std::size_t kBlock = 100;
  const json& blocks = expected["blocks"];
  REQUIRE((texts.size() + kBlock - 1) / kBlock == blocks.size());
  std::size_t tokens = 0;
  for (std::size_t block = 0; block < blocks.size(); ++block) {
    Digest digest;
    for (std::size_t i = block * kBlock; i < std::min(texts.size(), (block + 1) * kBlock); ++i) {
      const Ids ids = tokenizer.encode(texts[i]);
      tokens += ids.size();
      digest.add(ids);
    }
    INFO("rows " << block * kBlock << " and the 99 behind");
    CHECK(digest.text() == blocks[block].get<std::string>());
  }
  CHECK(tokens == expected["tokens"].get<std::size_t>());
}

void check_expectations(const Tokenizer& tokenizer, const json& expected, std::size_t count) {
  const json& torture = oracle()["torture"];
  for (std::size_t i = 0; i < torture.size(); ++i) {
    Digest digest;
    digest.add(tokenizer.encode(from_hex(torture[i])));
    INFO("torture text " << i << ": " << from_hex(torture[i]));
    CHECK(digest.text() == expected["torture"][i].get<std::string>());
  }
  check_blocks(tokenizer, random_texts(count), expected["random"]);
}

/// Keeps long texts out of the report.
bool same(const std::string& a, const std::string& b) { return a == b; }

std::optional<std::filesystem::path> gsm8k() {
  const char* set = std::getenv("GRPO_GSM8K");
  const std::filesystem::path folder = set != nullptr ? set : "../shared/data/gsm8k";
  if (std::filesystem::exists(folder / "train.jsonl") && std::filesystem::exists(folder / "test.jsonl")) return folder;
  return std::nullopt;
}

/// A folder that goes away with the test.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    static int count = 0;
    path_ = std::filesystem::temp_directory_path() /
            ("grpo_tokenizer_" + std::to_string(std::hash<std::thread::id>{}(std::this_thread::get_id())) + "_" +
             std::to_string(reinterpret_cast<std::uintptr_t>(this)) + "_" + std::to_string(count++));
    std::filesystem::create_directories(path_);
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  void write(const std::string& name, const std::string& text) const { std::ofstream(path_ / name, std::ios::binary) << text; }

 private:
  std::filesystem::path path_;
};

}  // namespace

TEST_CASE("SmolLM2 from GGUF: ids of hand-picked texts", "[tokenizer][oracle]") {
  const json& torture = oracle()["torture"];
  for (std::size_t i = 0; i < torture.size(); ++i) {
    INFO("text " << i << ": " << from_hex(torture[i]));
    CHECK(smollm2().encode(from_hex(torture[i])) == oracle()["smollm2"]["ids"][i].get<Ids>());
  }
  CHECK(smollm2().vocab_size() == 49152);
  CHECK(smollm2().id_of("<|im_end|>") == 2);
  CHECK(smollm2().id_of("no such token") == -1);
  CHECK(smollm2().id_of("") == -1);
  CHECK(smollm2().is_special(16));
  CHECK_FALSE(smollm2().is_special(17));
}

TEST_CASE("SmolLM2 from GGUF: ids of random bytes", "[tokenizer][oracle]") {
  check_blocks(smollm2(), random_texts(2000), oracle()["smollm2"]["random"]);
}

TEST_CASE("SmolLM2 from GGUF: ids of all of GSM8K", "[tokenizer][oracle]") {
  const auto folder = gsm8k();
  if (!folder) {
    WARN("skipped: GSM8K not found; set GRPO_GSM8K to the folder with train.jsonl and test.jsonl");
    return;
  }
  for (const std::string split : {"train", "test"}) {
    std::vector<json> rows;
    std::ifstream stream(*folder / (split + ".jsonl"));
    for (std::string line; std::getline(stream, line);) rows.push_back(json::parse(line));
    for (const std::string column : {"question", "answer"}) {
      std::vector<std::string> texts;
      for (const json& row : rows) texts.push_back(row[column]);
      INFO(split << " " << column);
      check_blocks(smollm2(), texts, oracle()["smollm2"]["gsm8k"][split + "." + column]);
    }
  }
}

TEST_CASE("decoding and its stream agree with the oracle", "[tokenizer][oracle]") {
  for (const json& one : oracle()["smollm2"]["decode"]) {
    const Ids ids = one["ids"];
    INFO(one["ids"].dump());
    CHECK(smollm2().decode(ids, true) == from_hex(one["skip"]));
    CHECK(smollm2().decode(ids, false) == from_hex(one["keep"]));
    grpo::StreamDecoder stream(smollm2());
    std::string text;
    for (const std::int32_t id : ids) text += stream.push(id);
    CHECK(text + stream.finish() == from_hex(one["skip"]));
  }
}

TEST_CASE("the stream holds a character back until it is whole", "[tokenizer]") {
  const Ids ids = smollm2().encode(
      "a\xF0\x9F\x91\xBD"
      "b");
  REQUIRE(ids.size() > 3);  // the emoji needs several tokens
  grpo::StreamDecoder stream(smollm2());
  CHECK(stream.push(ids[0]) == "a");
  for (std::size_t i = 1; i + 2 < ids.size(); ++i) CHECK(stream.push(ids[i]).empty());
  CHECK(stream.push(ids[ids.size() - 2]) == "\xF0\x9F\x91\xBD");
  CHECK(stream.push(2).empty());  // a special token
  CHECK(stream.push(ids.back()) == "b");
  CHECK(stream.finish().empty());
  CHECK(stream.push(ids[1]).empty());
  CHECK(stream.finish() == "\xEF\xBF\xBD");
  CHECK(stream.finish().empty());
}

TEST_CASE("ids behind the last token say nothing: a model's vocabulary may be padded", "[tokenizer]") {
  for (const std::int32_t id : {49152, 49300, std::numeric_limits<std::int32_t>::max()}) {
    CHECK(smollm2().token_bytes(id).empty());
    CHECK(smollm2().is_special(id));
    for (const bool skip : {false, true}) CHECK(smollm2().decode(Ids{28, id, 29}, skip) == smollm2().decode(Ids{28, 29}, skip));
    grpo::StreamDecoder stream(smollm2());
    CHECK(stream.push(id).empty());
  }
}

TEST_CASE("negative ids are a contract error", "[tokenizer]") {
  for (const std::int32_t id : {-1, std::numeric_limits<std::int32_t>::min()}) {
    CHECK_THROWS_WITH(smollm2().decode(Ids{id}), Catch::Contains("token id " + std::to_string(id)));
    CHECK_THROWS_AS(smollm2().token_bytes(id), grpo::Error);
    CHECK_THROWS_AS(smollm2().is_special(id), grpo::Error);
  }
}

TEST_CASE("trained tokenizers of each family", "[tokenizer][oracle]") {
  for (const auto& [family, expected] : oracle()["families"].items()) {
    INFO(family);
    const auto tokenizer = grpo::load_tokenizer("tests/oracle/bpe_" + family + ".json");
    check_expectations(*tokenizer, expected, 2000);
  }
}

TEST_CASE("variants of tokenizer.json", "[tokenizer][oracle]") {
  for (const auto& [name, expected] : oracle()["variants"].items()) {
    INFO(name);
    json root = json::parse(read_file("tests/oracle/bpe_gpt2.json"));
    for (const auto& [key, value] : expected["patch"].items()) root[key] = value;
    check_expectations(*from_json(root), expected, 500);
  }
}

TEST_CASE("bytes without a token become the unknown token, or vanish", "[tokenizer]") {
  json root = json::parse(read_file("tests/oracle/bpe_gpt2.json"));
  json& model = root["model"];
  model["vocab"] = {{"<unk>", 0}, {"a", 1}, {"b", 2}, {"ab", 3}};
  model["merges"] = {"#version: 0.2", "a b"};  // the older spelling
  root["added_tokens"] = json::array();
  CHECK(from_json(root)->encode("aQQbab") == Ids{3, 3});  // as in `tokenizers`: what vanishes does not separate
  model["unk_token"] = "<unk>";
  CHECK(from_json(root)->encode("aQQbab") == Ids{1, 0, 0, 2, 3});
  model["fuse_unk"] = true;
  CHECK(from_json(root)->encode("aQQbab") == Ids{1, 0, 2, 3});
}

TEST_CASE("ignore_merges takes a whole piece that no rule reaches", "[tokenizer]") {
  json root = json::parse(read_file("tests/oracle/bpe_llama3.json"));
  json& model = root["model"];
  REQUIRE(model["ignore_merges"] == true);
  const auto id = static_cast<std::int32_t>(model["vocab"].size());
  model["vocab"]["qzqz"] = id;
  CHECK(from_json(root)->encode("qzqz") == Ids{id});
  CHECK(from_json(root)->encode("qzqzq").size() == 5);
  model["ignore_merges"] = false;
  CHECK(from_json(root)->encode("qzqz").size() == 4);
}

TEST_CASE("long and hostile texts end, and lose nothing", "[tokenizer]") {
  const std::size_t n = 200'000;
  const auto repeat = [&](std::string_view part) {
    std::string text;
    while (text.size() < n) text += part;
    return text;
  };
  const auto llama3 = grpo::load_tokenizer("tests/oracle/bpe_llama3.json");
  const auto qwen2 = grpo::load_tokenizer("tests/oracle/bpe_qwen2.json");
  for (const std::string& text : {repeat("a"), repeat("abcdefghij"), repeat(" "), repeat("\n"), repeat(" \n") + "x", repeat(" ") + "x",
                                  repeat("1"), repeat("!"), repeat("\xE6\x97\xA5"), repeat("e\xCC\x81"), repeat("\xCC\x81\xCC\xA3"),
                                  repeat("<|im_en"), repeat("'"), repeat("'s"), repeat("\t\r")}) {
    for (const Tokenizer* tokenizer : std::initializer_list<const Tokenizer*>{&smollm2(), llama3.get()})
      CHECK(same(tokenizer->decode(tokenizer->encode(text)), text));
    CHECK_FALSE(qwen2->encode(text).empty());  // NFC may change the text
  }
  const std::string invalid(n, '\xFF');
  std::string replaced;
  for (std::size_t i = 0; i < n; ++i) replaced += "\xEF\xBF\xBD";
  CHECK(same(smollm2().decode(smollm2().encode(invalid)), replaced));
}

TEST_CASE("a pattern that explodes gives up on the text, not on the caller", "[tokenizer]") {
  json root = json::parse(read_file("tests/oracle/bpe_gpt2.json"));
  const json split = {
      {"type", "Split"}, {"pattern", {{"Regex", "(a|aa|aaa)+(a|aa)+(a|aaa)+$b"}}}, {"behavior", "Isolated"}, {"invert", false}};
  root["pre_tokenizer"] = {{"type", "Sequence"},
                           {"pretokenizers", {split, {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}}}};
  const std::string text(20'000, 'a');
  const auto tokenizer = from_json(root);
  CHECK(same(tokenizer->decode(tokenizer->encode(text)), text));
}

TEST_CASE("one tokenizer serves many threads", "[tokenizer]") {
  const std::string text = read_file("tests/oracle/tokens_oracle.py");
  const Ids expected = smollm2().encode(text);
  std::vector<Ids> results(4);
  std::vector<std::thread> threads;
  for (Ids& result : results) {
    threads.emplace_back([&] {
      for (int i = 0; i < 5; ++i) result = smollm2().encode(text);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Ids& result : results) CHECK(result == expected);
}

TEST_CASE("files() of a GGUF load as the same tokenizer", "[tokenizer]") {
  const TemporaryFolder folder;
  for (const auto& [name, text] : smollm2().files()) folder.write(name, text);
  const auto again = grpo::load_tokenizer(folder.path());
  CHECK(again->vocab_size() == smollm2().vocab_size());
  for (const std::string& text : random_texts(500)) REQUIRE(again->encode(text) == smollm2().encode(text));
  for (std::int32_t id = 0; id < 49152; ++id) {
    REQUIRE(again->token_bytes(id) == smollm2().token_bytes(id));
    REQUIRE(again->is_special(id) == smollm2().is_special(id));
  }
  const json config = json::parse(read_file(folder.path() / "tokenizer_config.json"));
  CHECK(config["bos_token"] == "<|im_start|>");
  CHECK(config["eos_token"] == "<|im_end|>");
  CHECK(config["unk_token"] == "<|endoftext|>");
  CHECK(config["pad_token"] == "<|im_end|>");
  CHECK(config["model_max_length"] == 8192);
  CHECK_THAT(config["chat_template"].get<std::string>(), Catch::StartsWith("{% for message in messages %}"));
  CHECK(again->files() ==
        std::vector<std::pair<std::string, std::string>>{{"tokenizer.json", read_file(folder.path() / "tokenizer.json")},
                                                         {"tokenizer_config.json", read_file(folder.path() / "tokenizer_config.json")}});
}

TEST_CASE("files() of a folder are its own, byte for byte", "[tokenizer]") {
  const TemporaryFolder folder;
  const std::string source = read_file("tests/oracle/bpe_qwen2.json");
  folder.write("tokenizer.json", source);
  folder.write("chat_template.jinja", "{{ x }}\n");
  folder.write("config.json", "{}");
  CHECK(grpo::load_tokenizer(folder.path())->files() ==
        std::vector<std::pair<std::string, std::string>>{{"tokenizer.json", source}, {"chat_template.jinja", "{{ x }}\n"}});
}

TEST_CASE("what cannot be read is refused by name", "[tokenizer]") {
  const json good = json::parse(read_file("tests/oracle/bpe_gpt2.json"));
  const auto refused = [&](auto&& change, const std::string& why) {
    json root = good;
    change(root);
    CHECK_THROWS_WITH(from_json(root), Catch::StartsWith("test.json: ") && Catch::Contains(why));
  };
  REQUIRE_NOTHROW(from_json(good));
  refused([](json& r) { r = json::array(); }, "not a JSON object");
  refused([](json& r) { r["model"]["type"] = "Unigram"; }, "not a list of tokens and scores");
  refused([](json& r) { r["model"]["type"] = "Klingon"; }, "model: type 'Klingon' is not supported");
  refused([](json& r) { r["model"]["type"] = 3; }, "type");
  refused([](json& r) { r["model"]["byte_fallback"] = "yes"; }, "byte_fallback");
  refused([](json& r) { r["model"]["dropout"] = 0.1; }, "dropout 0.1");
  refused([](json& r) { r["model"]["unk_token"] = "<nope>"; }, "<nope>");
  refused([](json& r) { r["model"].erase("vocab"); }, "vocab");
  refused([](json& r) { r["model"]["vocab"]["x"] = 2'000'000'000; }, "2000000000");
  refused([](json& r) { r["model"]["vocab"]["x"] = -1; }, "-1");
  refused([](json& r) { r["model"]["vocab"]["xyzzy"] = 5; }, "id 5 belongs to both");
  refused([](json& r) { r["model"]["merges"].push_back("q xyzzy"); }, "'xyzzy' is not in the vocabulary");
  refused([](json& r) { r["model"]["merges"].push_back("q"); }, "two tokens");
  refused([](json& r) { r["model"]["merges"].push_back(7); }, "two tokens");
  refused([](json& r) { r["decoder"] = {{"type", "CTC"}}; }, "decoder: 'CTC'");
  refused([](json& r) { r["normalizer"] = {{"type", "Upper"}}; }, "normalizer: 'Upper'");
  refused([](json& r) { r["pre_tokenizer"] = {{"type", "UnicodeScripts"}}; }, "pre_tokenizer: 'UnicodeScripts'");
  refused([](json& r) { r["post_processor"] = {{"type", "Mystery"}}; }, "post_processor: 'Mystery'");
  refused([](json& r) { r["added_tokens"].push_back({{"content", "x"}}); }, "added token");
  refused([](json& r) { r["added_tokens"].push_back({{"content", "x"}, {"id", "7"}}); }, "id of token 'x'");
  const json bad_pattern = {{"type", "Split"}, {"pattern", {{"Regex", "(a"}}}, {"behavior", "Isolated"}};
  refused([&](json& r) { r["pre_tokenizer"] = bad_pattern; }, "split pattern '(a' does not compile");
  refused(
      [](json& r) {
        json nested = {{"type", "ByteLevel"}};
        for (int i = 0; i < 1000; ++i) nested = {{"type", "Sequence"}, {"pretokenizers", json::array({nested})}};
        r["pre_tokenizer"] = nested;
      },
      "nested deeper");
  CHECK_THROWS_WITH(grpo::tokenizer_from_json("{\"model\":", "cut.json", {}), Catch::StartsWith("cut.json: "));
  CHECK_THROWS_WITH(grpo::load_tokenizer("tests/no such place"), Catch::Contains("tests/no such place"));
  CHECK_THROWS_WITH(grpo::load_tokenizer("tests/oracle"), Catch::Contains("no tokenizer.json"));
}

TEST_CASE("any cut of a tokenizer.json is an error, never a crash", "[tokenizer]") {
  const std::string source = read_file("tests/oracle/bpe_gpt2.json");
  for (std::size_t size = 0; size < source.size() - 2; size += 97) {
    CHECK_THROWS_AS(grpo::tokenizer_from_json(source.substr(0, size), "cut.json", {}), grpo::Error);
  }
}
