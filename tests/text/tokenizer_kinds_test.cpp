// Tokenizers of every kind against the `tokenizers` package: tests/oracle/tokens_kinds.json, made by
// tests/oracle/tokens_kinds_oracle.py.
#include "libgrpo/base/error.hpp"
#include "libgrpo/text/tokenizer.hpp"
#include "libgrpo/text/tokenizer_json.hpp"
#include "tests/text/oracle_texts.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

namespace {

using grpo::Tokenizer;
using grpo::testing::Digest;
using grpo::testing::from_hex;
using grpo::testing::Generator;
using grpo::testing::Ids;
using nlohmann::json;

constexpr std::size_t kBlock = 1000;

const json& read(const char* path) {
  static std::map<std::string, json> files;
  if (!files.contains(path)) files[path] = json::parse(std::ifstream(path));
  return files[path];
}

const json& oracle() { return read("tests/oracle/tokens_kinds.json"); }

/// texts() of tokens_kinds_oracle.py
std::vector<std::string> torture_texts() {
  std::vector<std::string> out;
  for (const json& hex : read("tests/oracle/tokens.json")["torture"]) out.push_back(from_hex(hex));
  for (const json& hex : oracle()["extra"]) out.push_back(from_hex(hex));
  const std::vector<std::string> alphabet = [] {
    std::vector<std::string> letters;
    for (const char c : std::string("abcdefghijklmnopqrstuvwxyz0123456789")) letters.emplace_back(1, c);
    letters.insert(letters.end(), {"\u00e9", "\u65e5", "\U0001f600"});
    return letters;
  }();
  std::string& long_text = out.emplace_back();
  for (std::size_t i = 0; i < 90'000; ++i) long_text += alphabet[(i * i + 7 * i) % 39];
  return out;
}

std::vector<std::string> random_texts(std::size_t count) {
  std::vector<std::string> fragments;
  for (const json& fragment : read("tests/oracle/tokens.json")["fragments"]) fragments.push_back(from_hex(fragment));
  std::vector<std::string> texts;
  for (std::size_t seed = 0; seed < count; ++seed) texts.push_back(Generator(seed).text(fragments));
  return texts;
}

void check_blocks(const Tokenizer& tokenizer, const std::vector<std::string>& texts, const json& expected) {
  const json& blocks = expected["blocks"];
  REQUIRE((texts.size() + kBlock - 1) / kBlock == blocks.size());
  const std::vector<Ids> ids = grpo::encode_batch(tokenizer, texts);
  std::size_t tokens = 0;
  for (std::size_t block = 0; block < blocks.size(); ++block) {
    Digest digest;
    for (std::size_t i = block * kBlock; i < std::min(texts.size(), (block + 1) * kBlock); ++i) {
      tokens += ids[i].size();
      digest.add(ids[i]);
    }
    INFO("texts " << block * kBlock << " and those behind");
    CHECK(digest.text() == blocks[block].get<std::string>());
  }
  CHECK(tokens == expected["tokens"].get<std::size_t>());
}

std::string streamed(const Tokenizer& tokenizer, const Ids& ids) {
  grpo::StreamDecoder stream(tokenizer);
  std::string text;
  for (const std::int32_t id : ids) text += stream.push(id);
  return text + stream.finish();
}

void check_decoding(const Tokenizer& tokenizer, const json& expected) {
  Digest digest;
  Generator draw(99);
  for (int list = 0; list < 500; ++list) {
    Ids ids(1 + draw.below(24));
    for (std::int32_t& id : ids) id = static_cast<std::int32_t>(draw.below(static_cast<std::size_t>(tokenizer.vocab_size())));
    digest.add(tokenizer.decode(ids, false));
    digest.add(tokenizer.decode(ids, true));
    if (streamed(tokenizer, ids) != tokenizer.decode(ids, true)) {
      CAPTURE(json(ids).dump());
      REQUIRE(streamed(tokenizer, ids) == tokenizer.decode(ids, true));
    }
  }
  CHECK(digest.text() == expected["decode"].get<std::string>());
}

void check(const Tokenizer& tokenizer, const json& expected, const json& added_texts) {
  static const std::vector<std::string> kTexts = torture_texts();
  static const std::vector<std::string> kRandom = random_texts(4000);
  Digest round_trips;
  for (std::size_t i = 0; i < kTexts.size(); ++i) {
    const Ids ids = tokenizer.encode(kTexts[i]);
    round_trips.add(tokenizer.decode(ids, false));
    Digest digest;
    digest.add(ids);
    INFO("text " << i << ": " << kTexts[i].substr(0, 200));
    CHECK(digest.text() == expected["torture"][i].get<std::string>());
  }
  CHECK(round_trips.text() == expected["round_trips"].get<std::string>());
  const std::size_t count = expected["random"]["blocks"].size() * kBlock;
  check_blocks(tokenizer, {kRandom.begin(), kRandom.begin() + static_cast<std::ptrdiff_t>(count)}, expected["random"]);
  REQUIRE(added_texts.size() == expected["added"].size());
  for (std::size_t i = 0; i < added_texts.size(); ++i) {
    INFO("with an added token: " << from_hex(added_texts[i]));
    CHECK(tokenizer.encode(from_hex(added_texts[i])) == expected["added"][i].get<Ids>());
  }
  check_decoding(tokenizer, expected);
}

std::vector<std::string> gsm8k() {
  const char* set = std::getenv("GRPO_GSM8K");
  const std::filesystem::path folder = set != nullptr ? set : "../shared/data/gsm8k";
  std::vector<std::string> texts;
  for (const char* name : {"train.jsonl", "test.jsonl"}) {
    std::ifstream stream(folder / name);
    for (std::string line; std::getline(stream, line);) {
      const json row = json::parse(line);
      texts.push_back(row["question"]);
      texts.push_back(row["answer"]);
    }
  }
  return texts;
}

json patched(json root, const json& patch) {
  for (const auto& [key, value] : patch.items()) {
    if (key == "model") {
      root["model"].update(value);
    } else {
      root[key] = value;
    }
  }
  return root;
}

std::unique_ptr<Tokenizer> from_json(const json& root) { return grpo::tokenizer_from_json(root.dump(), "test.json", {}); }

}  // namespace

TEST_CASE("every kind of tokenizer: ids and texts as the package's", "[tokenizer][oracle][kinds]") {
  for (const auto& [kind, expected] : oracle()["kinds"].items()) {
    INFO(kind);
    check(*from_json(expected["tokenizer"]), expected, expected["added_texts"]);
  }
}

TEST_CASE("variants of every kind: ids and texts as the package's", "[tokenizer][oracle][kinds]") {
  for (const auto& [kind, expected] : oracle()["kinds"].items()) {
    for (const auto& [name, variant] : expected["variants"].items()) {
      INFO(kind << ": " << name);
      check(*from_json(patched(expected["tokenizer"], variant["patch"])), variant, variant["added_texts"]);
    }
  }
}

TEST_CASE("every kind of tokenizer: ids of all of GSM8K", "[tokenizer][oracle][kinds]") {
  const std::vector<std::string> texts = gsm8k();
  if (texts.empty()) {
    WARN("skipped: GSM8K not found; set GRPO_GSM8K to the folder with train.jsonl and test.jsonl");
    return;
  }
  for (const auto& [kind, expected] : oracle()["kinds"].items()) {
    INFO(kind);
    check_blocks(*from_json(expected["tokenizer"]), texts, expected["gsm8k"]);
  }
}

TEST_CASE("encode_batch is encode of each, on any number of threads", "[tokenizer][kinds]") {
  const auto tokenizer = from_json(oracle()["kinds"]["unigram"]["tokenizer"]);
  const std::vector<std::string> texts = random_texts(333);
  std::vector<Ids> expected;
  for (const std::string& text : texts) expected.push_back(tokenizer->encode(text));
  for (const int threads : {0, 1, 2, 7, 64}) CHECK(grpo::encode_batch(*tokenizer, texts, threads) == expected);
  CHECK(grpo::encode_batch(*tokenizer, {}).empty());
}

TEST_CASE("encode_batch passes on what a text throws", "[tokenizer][kinds]") {
  json root = oracle()["kinds"]["unigram"]["tokenizer"];
  root["model"]["unk_id"] = nullptr;
  const auto tokenizer = from_json(root);
  std::vector<std::string> texts(200, "a");
  texts[150] = "\U0001f9ff";
  for (const int threads : {1, 3})
    CHECK_THROWS_WITH(grpo::encode_batch(*tokenizer, texts, threads), Catch::Contains("no token covers '\U0001f9ff'"));
}

TEST_CASE("an unknown character costs the lowest score less 10", "[tokenizer][kinds]") {
  const json model = {
      {"type", "Unigram"}, {"unk_id", 0}, {"vocab", json::array({{"<unk>", 0.0}, {"ab", -15.0}, {"c", -8.0}, {"bc", -1.0}})}};
  CHECK(from_json({{"model", model}})->encode("abc") == Ids{1, 2});  // -23, against -15 - 10 - 1
}

TEST_CASE("a normalizer cannot blow a text up", "[tokenizer][kinds]") {
  json root = oracle()["kinds"]["unigram"]["tokenizer"];
  const json twice = {{"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", std::string(1000, 'a')}};
  root["normalizer"] = {{"type", "Sequence"}, {"normalizers", json::array({twice, twice, twice, twice})}};
  CHECK_THROWS_WITH(from_json(root)->encode("a"), Catch::Contains("normalizer: the text would grow"));
}

TEST_CASE("any value of a tokenizer.json may be anything: an Error, or a tokenizer that works", "[tokenizer][kinds]") {
  const std::vector<json> values = {nullptr,
                                    true,
                                    -1,
                                    1e300,
                                    "x",
                                    "",
                                    json::array(),
                                    json::object(),
                                    json::array({1, "a"}),
                                    4'000'000'000U,
                                    "\u2581",
                                    {{"type", "Sequence"}}};
  Generator draw(7);
  std::size_t refusals = 0;
  for (const auto& [kind, expected] : oracle()["kinds"].items()) {
    for (int round = 0; round < 200; ++round) {
      json root = expected["tokenizer"];
      json* node = &root;
      while (node->is_structured() && !node->empty() && (node == &root || draw.below(4) != 0)) {
        auto child = node->begin();
        std::advance(child, static_cast<std::ptrdiff_t>(draw.below(node->size())));
        node = &*child;
      }
      *node = values[draw.below(values.size())];
      INFO(kind << " " << round);
      try {
        const auto tokenizer = from_json(root);
        const Ids ids = tokenizer->encode("Some text, 12\u00e9 \U0001f600<s> ");
        CHECK_NOTHROW(tokenizer->decode(ids));
      } catch (const grpo::Error&) {
        ++refusals;
      }
    }
  }
  CHECK(refusals > 100);
}

TEST_CASE("hostile tokenizer.json files of every kind are refused", "[tokenizer][kinds]") {
  const auto refused = [&](const char* kind, auto&& change, const std::string& why) {
    json root = oracle()["kinds"][kind]["tokenizer"];
    REQUIRE_NOTHROW(from_json(root));
    change(root);
    CHECK_THROWS_WITH(from_json(root), Catch::StartsWith("test.json: ") && Catch::Contains(why));
  };
  refused(
      "unigram", [](json& r) { r["model"]["vocab"] = json::array(); }, "unk_id");
  refused(
      "unigram", [](json& r) { r["model"]["vocab"][5][1] = nullptr; }, "vocab entry 5");
  refused(
      "unigram", [](json& r) { r["model"]["vocab"][5] = 3; }, "vocab entry 5");
  refused(
      "unigram", [](json& r) { r["model"]["unk_id"] = 1'000'000; }, "unk_id is 1000000");
  refused(
      "unigram", [](json& r) { r["model"]["unk_id"] = -1; }, "unk_id is -1");
  refused(
      "unigram", [](json& r) { r["model"]["byte_fallback"] = 1; }, "byte_fallback");
  refused(
      "unigram",
      [](json& r) {
        r["normalizer"] = {{"type", "Precompiled"}, {"precompiled_charsmap", "?"}};
      },
      "base64");
  refused(
      "unigram",
      [](json& r) {
        r["normalizer"] = {{"type", "Precompiled"}, {"precompiled_charsmap", "/////w=="}};
      },
      "damaged");
  refused(
      "unigram", [](json& r) { r["pre_tokenizer"]["replacement"] = "ab"; }, "expected one character");
  refused(
      "unigram", [](json& r) { r["pre_tokenizer"]["prepend_scheme"] = "last"; }, "prepend_scheme 'last'");
  refused(
      "unigram", [](json& r) { r["pre_tokenizer"]["add_prefix_space"] = false; }, "add_prefix_space");
  refused(
      "word_piece", [](json& r) { r["model"]["max_input_chars_per_word"] = 1'000'000'000; }, "max_input_chars");
  refused(
      "word_piece", [](json& r) { r["model"]["max_input_chars_per_word"] = -1; }, "max_input_chars");
  refused(
      "bpe", [](json& r) { r["model"]["dropout"] = 0.5; }, "dropout 0.5");
  refused(
      "bpe",
      [](json& r) {
        r["decoder"] = {{"type", "Strip"}, {"content", " "}, {"start", -1}, {"stop", 0}};
      },
      "start");
  refused(
      "suffix", [](json& r) { r["decoder"]["suffix"] = ""; }, "empty suffix");
  const std::string deep(2'000'000, '[');
  CHECK_THROWS_WITH(grpo::tokenizer_from_json(deep, "deep.json", {}), Catch::Contains("nested deeper"));
  CHECK_THROWS_WITH(grpo::tokenizer_from_json("{\"model\":" + deep, "deep.json", {}), Catch::Contains("nested deeper"));
  CHECK_THROWS_AS(grpo::tokenizer_from_json(R"({"model":{"type":"Unigram","vocab":[["a",1e999]]}})", "x.json", {}), grpo::Error);
  CHECK_THROWS_AS(grpo::tokenizer_from_json(R"({"model":{"type":"Unigram","vocab":[["a",NaN]]}})", "x.json", {}), grpo::Error);
  const auto empty = grpo::tokenizer_from_json(R"({"model":{"type":"Unigram","vocab":[]}})", "x.json", {});
  CHECK(empty->encode("").empty());
  CHECK_THROWS_AS(empty->encode("a"), grpo::Error);
}
