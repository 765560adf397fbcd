#include "libgrpo/hub/base_card.hpp"

#include "libgrpo/format/gguf_write.hpp"
#include "tests/config/recipe_files.hpp"

#include <catch2/catch.hpp>

using namespace grpo;
using grpo::test::RecipeFiles;

TEST_CASE("the licence in the head of a model's README", "[hub]") {
  const RecipeFiles files;
  const auto licence = [&](const std::string& head) {
    files.write("README.md", head);
    return read_base_card(files.folder()).licence;
  };
  CHECK(licence("---\nlicense: apache-2.0\ntags: [a]\n---\n# x\n") == "apache-2.0");
  CHECK(licence("---\nlicense:\n- mit\n---\n") == "mit");
  CHECK(licence("---\nlicense: {a: b}\n---\n").empty());
  CHECK(licence("---\nlicense: mit\n").empty());  // the head does not end
  CHECK(licence("license: mit\n").empty());
  CHECK(licence("---\n: : : [\n---\n").empty());
  CHECK(licence("---\n- mit\n---\n").empty());
  CHECK(read_base_card("/nonexistent").licence.empty());
  files.write("README.md", "---\nlicense: other\nlicense_name: gemma\nlicense_link: https://x/y\n---\n");
  const BaseCard card = read_base_card(files.folder());
  CHECK(card.licence_name == "gemma");
  CHECK(card.licence_link == "https://x/y");
}

TEST_CASE("a GGUF file's licence and origin", "[hub]") {
  const RecipeFiles files;
  const auto path = files.folder() / "m.gguf";
  write_gguf(path,
             {{"general.license", std::string("apache-2.0")},
              {"general.license.link", std::string("https://x/y")},
              {"general.base_model.0.repo_url", std::string("https://huggingface.co/org/base")}},
             {});
  const BaseCard card = read_base_card(path);
  CHECK(card.licence == "apache-2.0");
  CHECK(card.licence_link == "https://x/y");
  CHECK(card.repo == "org/base");
  write_gguf(path, {{"general.license", std::uint32_t{3}}, {"general.repo_url", std::string("https://huggingface.co/org/base/../../evil")}},
             {});
  CHECK(read_base_card(path).licence.empty());
  CHECK(read_base_card(path).repo.empty());
  files.write("m.gguf", "GGUF");
  CHECK(read_base_card(path).licence.empty());
}
