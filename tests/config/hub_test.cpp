#include "libgrpo/config/hub_target.hpp"

#include "tests/config/recipe_files.hpp"

#include <catch2/catch.hpp>

using namespace grpo;
using namespace grpo::test;
using Lines = std::vector<std::string>;

TEST_CASE("where uploads go", "[config]") {
  CHECK(hub_repo(load_words({"--output_dir", "outputs/my-run/"}).recipe) == "my-run");
  CHECK(hub_repo(load_words({"--hub_model_id", "org/x"}).recipe) == "org/x");
  CHECK(load_text("r.yaml", "hub_private_repo: null\nhub_revision: null\n").recipe.hub == HubOptions{});
  CHECK(load_text("r.yaml", "hub_revision: v1\n").recipe.hub.hub_model_revision == "v1");
}

TEST_CASE("names on the Hub are checked before a run begins", "[config]") {
  for (const char* bad : {"a/b/c", "-x", "a b", "org/", "/x", "https://hub/x", "a..b", "$(id)", ""})
    CHECK(errors_of_words({"--hub_model_id", bad}).size() == 1);
  for (const char* bad : {"", "--token", "a b", "x..y", "/x", "a:b", "x'y"})
    CHECK(errors_of_words({"--hub_model_revision=" + std::string(bad)}).size() == 1);
  CHECK(errors_of_words({"--output_dir", "/tmp/a b"}).empty());
  CHECK(errors_of_words({"--output_dir", "/tmp/a b", "--push_to_hub"}).size() == 1);
  CHECK(errors_of_words({"--push_to_hub_revision", "--hub_model_id", "x"}).size() == 1);
  CHECK(errors_of_words({"--push_to_hub_revision", "--hub_model_id", "org/x"}).empty());
  CHECK(errors_of_words({"--push_to_hub_revision", "--hub_model_id", "x", "--overwrite_hub_revision"}).empty());
  CHECK(errors_of_words({"--hub_strategy", "sometimes"}).size() == 1);
}

TEST_CASE("a token is no option, and is not repeated", "[config]") {
  const Lines in_file = errors_of("r.yaml", "hub_token: hf_abcdefghijklmnop\n");
  REQUIRE(in_file.size() == 1);
  CHECK(in_file[0].find("r.yaml:1: hub_token: secrets are not options") != std::string::npos);
  CHECK(in_file[0].find("hf_abc") == std::string::npos);
  const Lines in_words = errors_of_words({"--hub_token=hf_abcdefghijklmnop"});
  REQUIRE(in_words.size() == 1);
  CHECK(in_words[0].find("hf_abc") == std::string::npos);
  CHECK(errors_of("r.yaml", "push_to_hub_token: x\n").size() == 1);
  CHECK(load_text("r.yaml", "hub_token: null\n").notes.empty());
  CHECK(errors_of("r.yaml", "push_to_hub_organization: us\n").size() == 1);
}
