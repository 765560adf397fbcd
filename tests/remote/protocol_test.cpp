// What servers answer, and what of it is believed.
#include "libgrpo/remote/protocols.inl"

#include "libgrpo/base/error.hpp"
#include "libgrpo/remote/server_pool.hpp"
#include "tests/support/tiny_model.hpp"

#include <catch2/catch.hpp>

using namespace grpo;
using namespace grpo::remote;
using Json = nlohmann::json;

namespace {

struct Fixture {
  SamplingParams params;
  grpo::testing::ByteTokenizer tokenizer;
  ModelConfig config;
  Fixture() {
    params.num_generations = 2;
    params.max_completion_length = 3;
    config.vocab_size = 300;
    config.eos_token_ids = {257};
  }
  [[nodiscard]] Reading reading() const { return {params, tokenizer, config}; }
};

Json choice(int index, std::vector<int> ids, std::vector<double> log_probs, const char* reason) {
  return {
      {"index", index}, {"token_ids", std::move(ids)}, {"finish_reason", reason}, {"logprobs", {{"token_logprobs", std::move(log_probs)}}}};
}

Json whole() {
  return {{"weight_version", 7},
          {"choices", {choice(0, {65, 66, 67}, {-0.5, -1.0, 0.0}, "length"), choice(1, {68, 257}, {-2.0, -0.25}, "stop")}}};
}

/// The complaint about an answer whose second choice was changed; the first must have been kept.
template <class Change>
std::string complaint(Change change) {
  const Fixture w;
  Json json = whole();
  change(json["choices"][1]);
  const Answer answer = read_native(json.dump(), w.reading());
  REQUIRE(answer.completions.size() == 2);
  CHECK(answer.completions[0].has_value());
  CHECK_FALSE(answer.completions[1].has_value());
  CHECK_FALSE(answer.whole());
  return answer.complaint;
}

bool says(const std::string& text, const std::string& part) {
  INFO(text);
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a whole answer is taken as it is") {
  const Fixture w;
  const Answer answer = read_native(whole().dump(), w.reading());
  REQUIRE(answer.whole());
  CHECK(answer.completions[0]->ids == std::vector<std::int32_t>{65, 66, 67});
  CHECK(answer.completions[0]->text == "ABC");
  CHECK(answer.completions[0]->finish == FinishReason::length);
  CHECK(answer.completions[1]->log_probs == std::vector<float>{-2.0F, -0.25F});
  CHECK(answer.completions[1]->finish == FinishReason::stop);
  CHECK(answer.completions[1]->weight_version == 7);
  CHECK(answer.complaint.empty());
}

TEST_CASE("a completion that is wrong in one thing is left out, and the others stay") {
  CHECK(says(complaint([](Json& c) { c["token_ids"][0] = 300; }), "token id 300 lies outside the vocabulary of 300"));
  CHECK(says(complaint([](Json& c) { c["token_ids"][0] = -1; }), "token id -1"));
  CHECK(says(complaint([](Json& c) { c["token_ids"][0] = 1.5; }), "token id 1.5"));
  CHECK(says(complaint([](Json& c) { c["token_ids"] = Json::array(); }), "no token ids"));
  CHECK(says(complaint([](Json& c) { c.erase("token_ids"); }), "no token ids"));
  CHECK(says(complaint([](Json& c) { c["logprobs"] = nullptr; }), "0 log-probs for 2 tokens"));
  CHECK(says(complaint([](Json& c) { c["logprobs"]["token_logprobs"].push_back(-1.0); }), "3 log-probs for 2 tokens"));
  CHECK(says(complaint([](Json& c) { c["logprobs"]["token_logprobs"][0] = nullptr; }), "a log-prob is null"));
  CHECK(says(complaint([](Json& c) { c["logprobs"]["token_logprobs"][0] = 0.5; }), "a log-prob is 0.5"));
  CHECK(says(complaint([](Json& c) { c["logprobs"]["token_logprobs"][0] = "-1"; }), "a log-prob is"));
  CHECK(says(complaint([](Json& c) { c["finish_reason"] = "abort"; }), "finish_reason is \"abort\""));
  CHECK(says(complaint([](Json& c) { c["finish_reason"] = "length"; }), "cut at 2 tokens"));
  CHECK(says(complaint([](Json& c) { c["index"] = 0; }), "index 0 comes twice"));
  CHECK(says(complaint([](Json& c) { c["index"] = 2; }), "its index is 2"));
  CHECK(says(complaint([](Json& c) { c = choice(1, {65, 65, 65, 65}, {-1, -1, -1, -1}, "stop"); }), "4 tokens, where 0 to 3"));
  CHECK(says(complaint([](Json& c) { c = "text"; }), "its index is null"));
}

TEST_CASE("wrong counts, and answers that are none") {
  const Fixture w;
  Json json = whole();
  json["choices"].erase(1);
  CHECK(says(read_native(json.dump(), w.reading()).complaint, "1 choices, where 2 were asked for"));
  for (const std::string& body :
       {std::string(), std::string("{\"choices\": [{\"index\""), std::string("[]"), std::string("{}"), std::string(1000, '[')}) {
    CHECK_THROWS_AS(read_native(body, w.reading()), ServerError);
    CHECK_THROWS_AS(read_trl(body, w.reading()), ServerError);
    CHECK_THROWS_AS(read_text(body, w.reading()), ServerError);
  }
  Fixture longer;
  longer.params.min_completion_length = 3;
  CHECK(says(read_native(whole().dump(), longer.reading()).complaint, "2 tokens, where 3 to 3"));
}

TEST_CASE("TRL's answers say how a completion ended by its tokens alone") {
  Fixture w;
  w.params.num_generations = 3;
  const Json json = {{"prompt_ids", {{1}}},
                     {"completion_ids", {{65, 66}, {65, 66, 257}, {65, 66, 67}}},
                     {"logprobs", {{{-1.0}, {-2.0}}, {{-1.0}, {-2.0}, {-3.0}}, {{-1.0}, {-2.0}, {-3.0}}}}};
  const Answer answer = read_trl(json.dump(), w.reading());
  REQUIRE(answer.whole());
  CHECK(answer.completions[0]->finish == FinishReason::stop);
  CHECK(answer.completions[1]->finish == FinishReason::stop);
  CHECK(answer.completions[2]->finish == FinishReason::length);
  CHECK(answer.completions[1]->log_probs == std::vector<float>{-1, -2, -3});
  w.params.stop_sequences = {"C"};
  CHECK(read_trl(json.dump(), w.reading()).completions[2]->finish == FinishReason::stop);
  Json early = json;  // servers of early versions send no log-probs
  early.erase("logprobs");
  CHECK(read_trl(early.dump(), w.reading()).completions[0]->log_probs.empty());
  early["logprobs"] = {{{-1.0}}};
  CHECK(says(read_trl(early.dump(), w.reading()).complaint, "1 log-probs for 2 tokens"));
}

TEST_CASE("texts are tokenized again, with the end token where they ended by themselves") {
  Fixture w;
  const auto read = [&](const char* text, const char* reason) {
    return read_text(Json{{"choices", {{{"text", text}, {"finish_reason", reason}}}}}.dump(), w.reading()).completions[0];
  };
  CHECK(read("AB", "stop")->ids == std::vector<std::int32_t>{65, 66, 257});
  CHECK(read("AB", "stop")->log_probs.empty());
  CHECK(read("ABC", "length")->finish == FinishReason::length);
  CHECK(read("ABC", "stop")->finish == FinishReason::length);  // no room for the end token
  CHECK_FALSE(read("", "length").has_value());
  CHECK(read("", "stop")->ids == std::vector<std::int32_t>{257});
  CHECK_FALSE(read("AB", "abort").has_value());
}

TEST_CASE("a grpo_serve gets the run's seed and prompt id, others a seed of 31 bits") {
  SamplingParams params;
  params.seed = 0xFFFFFFFFFFFFFFFFULL;
  Prompt prompt;
  prompt.id = 0x8000000000000001ULL;
  prompt.ids = {1, 2};
  const Json own = native_body(prompt, params, {ServerKind::grpo_serve, "", "m", 0});
  CHECK(own["seed"] == 0xFFFFFFFFFFFFFFFFULL);
  CHECK(own["prompt_id"] == Json::array({0x8000000000000001ULL}));
  const Json other = native_body(prompt, params, {ServerKind::vllm, "", "m", 0});
  CHECK_FALSE(other.contains("prompt_id"));
  CHECK(other["seed"] >= 0);
  CHECK(other["seed"] < 0x80000000LL);
  CHECK(other["seed"] != seed_of(params.seed, prompt.id + 1));
  CHECK(other["seed"] != seed_of(params.seed - 1, prompt.id));
}

TEST_CASE("addresses") {
  CHECK(parse_address("http://a:81/b/c/").url() == "http://a:81/b/c");
  CHECK(parse_address("http://a").url() == "http://a:80");
  for (const char* bad : {"a:80", "https://a", "http://", "http://a:0", "http://a:70000", "http://a:8x"})
    CHECK_THROWS_AS(parse_address(bad), Error);
}

TEST_CASE("a server that fails rests, and another one is asked") {
  const Fixture w;
  ServerPool pool;
  for (const char* url : {"http://a", "http://b"})
    pool.add(std::make_unique<GenerationServer>(parse_address(url), "", w.tokenizer, w.config));
  const auto soon = [] { return ServerPool::Clock::now() + std::chrono::milliseconds(20); };
  ServerPool::Slot *first = pool.take(soon()), *second = pool.take(soon());
  CHECK(first != second);  // the one with fewer under way
  pool.loaded(*first, 5);
  pool.failed(*first, ServerError(Trouble::busy, "", 0.0));
  CHECK(pool.version_of(*first) == 5);  // busy is no sign of a new start
  for (int i = 0; i < ServerPool::kTrips; ++i) pool.not_loaded(*first, ServerError(Trouble::unreachable, ""));
  CHECK(pool.version_of(*first) == -1);  // in doubt: it gets the newest weights first
  CHECK(pool.take(soon()) == second);    // although it has more under way
  CHECK_FALSE(pool.all_fail_for(std::chrono::seconds(0)));
  for (int i = 0; i < 2; ++i) pool.failed(*second, ServerError(Trouble::failed, ""));
  CHECK(pool.all_fail_for(std::chrono::seconds(0)));
  CHECK_FALSE(pool.all_fail_for(std::chrono::seconds(60)));
  CHECK(pool.take(soon()) == second);
  pool.failed(*second, ServerError(Trouble::late, ""));
  CHECK(pool.take(soon()) == nullptr);  // both rest
  ServerPool::Slot* after_a_second = pool.take(ServerPool::Clock::now() + std::chrono::seconds(3));
  REQUIRE(after_a_second != nullptr);
  pool.succeeded(*after_a_second);
  CHECK_FALSE(pool.all_fail_for(std::chrono::seconds(0)));
}
