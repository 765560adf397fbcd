// Templates against what transformers' environment renders.
#include "libgrpo/base/error.hpp"
#include "libgrpo/text/chat_template.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <cstdlib>
#include <fstream>
#include <string>

namespace {

using grpo::ChatTemplate;
using Json = nlohmann::ordered_json;

Json read_json(const std::string& path) {
  std::ifstream file(path);
  REQUIRE(file);
  return Json::parse(file);
}

/// `expected` null: both must refuse.
void check_case(const std::string& source, const std::string& messages, const ChatTemplate::Options& options, const Json& expected) {
  if (expected.is_null()) {
    CHECK_THROWS_AS(ChatTemplate(source).render_json(messages, options), grpo::Error);
    return;
  }
  std::string rendered;
  CHECK_NOTHROW(rendered = ChatTemplate(source).render_json(messages, options));
  CHECK(rendered == expected.get<std::string>());
}

}  // namespace

TEST_CASE("templates of the families' shapes render as transformers renders them", "[chat_template][oracle]") {
  const Json oracle = read_json("tests/oracle/templates.json");
  std::size_t count = 0;
  for (const Json& one : oracle["cases"]) {
    const Json& shape = oracle["templates"][one["template"].get<std::size_t>()];
    const std::string messages = oracle["conversations"][one["messages"].get<std::size_t>()].dump();
    ChatTemplate::Options options;
    options.add_generation_prompt = one["add_generation_prompt"].get<bool>();
    options.bos_token = oracle["bos_token"].get<std::string>();
    options.eos_token = oracle["eos_token"].get<std::string>();
    options.extra_json = oracle["extras"][one["extra"].get<std::size_t>()].dump();
    INFO("case " << count << " " << shape["name"] << "\nmessages " << messages << "\nwhy " << one["why"]);
    ++count;
    check_case(shape["source"].get<std::string>(), messages, options, one["expected"]);
  }
  CHECK(oracle["templates"].size() >= 15);
  CHECK(count > 1000);
}

TEST_CASE("random templates render, or fail, as jinja2's do", "[chat_template][oracle]") {
  const char* other = std::getenv("GRPO_TEMPLATES_FUZZ");
  const Json oracle = read_json(other ? other : "tests/oracle/templates_fuzz.json");
  for (const Json& one : oracle["cases"]) {
    ChatTemplate::Options options;
    options.add_generation_prompt = one["add_generation_prompt"].get<bool>();
    options.bos_token = "<s>";
    options.eos_token = "</s>";
    options.extra_json = one["extra"].dump();
    INFO("seed " << one["seed"] << "\n"
                 << one["template"].get<std::string>() << "\nmessages " << one["messages"] << "\nextra " << one["extra"] << "\nwhy "
                 << one["why"]);
    check_case(one["template"].get<std::string>(), one["messages"].dump(), options, one["expected"]);
  }
  CHECK(oracle["cases"].size() >= 200);
}
