#include "tests/config/recipe_files.hpp"

#include <catch2/catch.hpp>

using namespace grpo;
using namespace grpo::test;

TEST_CASE("chat_template_kwargs is one table, however it is written", "[config]") {
  const auto json = [](const LoadedRecipe& loaded) { return loaded.recipe.data.chat_template_kwargs.value().json; };
  const std::string expected = R"({"enable_thinking":false,"n":3,"x":{"list":["a","true",1.5]}})";
  CHECK(json(load_text("r.toml", "chat_template_kwargs = {enable_thinking = false, n = 3, x = {list = ['a', 'true', 1.5]}}\n")) ==
        expected);
  CHECK(json(load_text("r.toml", "[data.chat_template_kwargs]\nn = 3\nenable_thinking = false\nx = {list = ['a', 'true', 1.5]}\n")) ==
        expected);
  CHECK(json(load_text("r.yaml", "chat_template_kwargs:\n  enable_thinking: false\n  n: 3\n  x:\n    list: [a, 'true', 1.5]\n")) ==
        expected);
  CHECK(json(load_text("r.yaml", "chat_template_kwargs:\n  a: True\n  b: null\n  c: 2024-01-02\n")) ==
        R"({"a":true,"b":null,"c":"2024-01-02"})");
  CHECK(json(load_words({"--chat_template_kwargs", R"({"x": {"list": ["a", "true", 1.5]}, "n": 3, "enable_thinking": false})"})) ==
        expected);
  CHECK(json(load_words({"--chat_template_kwargs={}"})) == "{}");
  CHECK_FALSE(load_text("r.yaml", "chat_template_kwargs: null\n").recipe.data.chat_template_kwargs.has_value());
}

TEST_CASE("chat_template_kwargs that is no table is refused", "[config]") {
  for (const char* bad : {"[1]", "3", "{", "\"text\"", "enable_thinking", "{\"a\": \"\xff\"}", "true"}) {
    INFO(bad);
    CHECK(errors_of_words({"--chat_template_kwargs", bad}).size() == 1);
  }
  CHECK(errors_of("r.toml", "chat_template_kwargs = {x = inf}\n").size() == 1);
  CHECK(errors_of("r.toml", "chat_template_kwargs = {x = 2024-01-02}\n").size() == 1);
  CHECK(errors_of("r.toml", "chat_template_kwargs = 3\n").size() == 1);
  CHECK(errors_of_words({"--chat_template_time", "-1"}).size() == 1);
}
