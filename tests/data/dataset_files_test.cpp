#include "libgrpo/data/dataset_files.hpp"

#include "tests/format/scratch_file.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>

namespace grpo {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using Names = std::vector<std::string>;
using test::message_of;

/// A folder with these files in it, each one row; HF_HUB_CACHE names its subfolder "hub".
class Folder {
 public:
  explicit Folder(const Names& files) {
    path_ = fs::temp_directory_path() / ("grpo_dataset_" + std::to_string(::getpid()));
    fs::remove_all(path_);
    for (const std::string& file : files) add(file, "{\"question\": \"q\", \"answer\": 1}\n");
    ::setenv("HF_HUB_CACHE", (path_ / "hub").c_str(), 1);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    ::unsetenv("HF_HUB_CACHE");
    fs::remove_all(path_);
  }
  void add(const std::string& name, const std::string& content) const {
    fs::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name) << content;
  }
  [[nodiscard]] std::string at(const std::string& name) const { return (path_ / name).string(); }
  [[nodiscard]] Names found(const DatasetPlace& place) const {
    Names names;
    for (const fs::path& file : detail::find_dataset_files(place)) names.push_back(file.lexically_relative(path_).string());
    return names;
  }
  [[nodiscard]] std::string refusal(const DatasetPlace& place) const {
    return message_of(ErrorKind::data, [&] { static_cast<void>(found(place)); }).value_or("");
  }

 private:
  fs::path path_;
};

TEST_CASE("a file, a pattern, a folder") {
  const Folder folder({"d/a.jsonl", "d/b.jsonl", "d/c.txt", "d/sub/e.json.gz", "d/.hidden/f.jsonl", "d/README.md"});
  CHECK(folder.found({folder.at("d/c.txt")}) == Names{"d/c.txt"});  // a file that is named is taken
  CHECK(folder.found({folder.at("d/*.jsonl")}) == Names{"d/a.jsonl", "d/b.jsonl"});
  CHECK(folder.found({folder.at("d/[b-z].jsonl")}) == Names{"d/b.jsonl"});
  CHECK(folder.found({folder.at("d")}) == Names{"d/a.jsonl", "d/b.jsonl", "d/sub/e.json.gz"});
  CHECK_THAT(folder.refusal({folder.at("d/*.csv")}), Contains("no file matches"));
  CHECK_THAT(folder.refusal({folder.at("d"), "", "test"}), Contains("no split \"test\"; there are \"train\""));
  const auto source = open_dataset({folder.at("d/*.jsonl")}, {"question", "answer"});
  CHECK(source->size() == 2);
  CHECK(source->row(1).origin == "b.jsonl:1");
}

TEST_CASE("splits and configs are told by the names of files and folders") {
  const Folder folder({"main/train-00000-of-00001.jsonl", "main/test-00000-of-00001.jsonl", "socratic/train-00000-of-00001.jsonl",
                       "plain/my_train.csv", "plain/val.csv", "sft/train_sft-00000-of-00002.jsonl", "sft/train_sft-00001-of-00002.jsonl",
                       "sft/train_prefs-00000-of-00001.jsonl", "test/rows.jsonl", "flat/amc-train.jsonl", "flat/aime-train.jsonl"});
  CHECK(folder.found({folder.at("main")}) == Names{"main/train-00000-of-00001.jsonl"});
  CHECK(folder.found({folder.at("main"), "", "test"}) == Names{"main/test-00000-of-00001.jsonl"});
  CHECK(folder.found({folder.at(""), "socratic"}) == Names{"socratic/train-00000-of-00001.jsonl"});
  CHECK(folder.found({folder.at("plain"), "", "validation"}) == Names{"plain/val.csv"});
  CHECK(folder.found({folder.at("sft"), "", "train_sft"}).size() == 2);
  CHECK(folder.found({folder.at("flat"), "amc"}) == Names{"flat/amc-train.jsonl"});
  CHECK_THAT(folder.refusal({folder.at("main"), "", "validation"}), Contains("no split \"validation\"; there are \"test\", \"train\""));
  CHECK_THAT(folder.refusal({folder.at(""), "scratic"}), Contains("no config \"scratic\"") && Contains("\"socratic\""));
}

TEST_CASE("the configs of a dataset's card come first") {
  const Folder folder({"data/train-00000-of-00001.jsonl", "extended/train-00000-of-00001.jsonl", "all/deep/x-00000-of-00001.jsonl"});
  folder.add("README.md",
             "---\nlicense: mit\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: data/train-*\n"
             "- config_name: extended\n  data_files:\n  - split: extra\n    path:\n    - extended/*\n- config_name: all\n  data_files: "
             "\"**\"\n---\n# Card\n");
  CHECK(folder.found({folder.at("")}) == Names{"data/train-00000-of-00001.jsonl"});
  CHECK(folder.found({folder.at(""), "extended", "extra"}) == Names{"extended/train-00000-of-00001.jsonl"});
  CHECK(folder.found({folder.at(""), "all"}).size() == 3);
  CHECK_THAT(folder.refusal({folder.at(""), "small"}), Contains("no config \"small\"; there are \"default\", \"extended\", \"all\""));
  CHECK_THAT(folder.refusal({folder.at(""), "extended"}), Contains("no split \"train\" in config \"extended\"; there are \"extra\""));
  for (const char* damaged : {"---\nconfigs: [\n---\n", "---\nconfigs: 3\n---\n", "---\n", "", "---\nconfigs:\n- 3\n---\n"}) {
    folder.add("README.md", damaged);
    CHECK(folder.found({folder.at(""), "data"}) == Names{"data/train-00000-of-00001.jsonl"});
  }
}

TEST_CASE("a Hugging Face id is found in the cache, or the command that fetches it is said") {
  const std::string snapshot = "hub/datasets--org--set/snapshots/0123456789abcdef/";
  const Folder folder({snapshot + "data/train-00000-of-00001.jsonl", snapshot + "data/test-00000-of-00001.jsonl"});
  folder.add("hub/datasets--org--set/refs/main", "0123456789abcdef");
  folder.add("hub/datasets--org--bare/refs/main", "0123456789abcdef");
  folder.add("hub/datasets--org--bare/snapshots/0123456789abcdef/README.md", "nothing yet");
  CHECK(folder.found({"org/set"}) == Names{snapshot + "data/train-00000-of-00001.jsonl"});
  CHECK(folder.found({"org/set", "", "test", "0123456"}) == Names{snapshot + "data/test-00000-of-00001.jsonl"});
  CHECK(open_dataset({"org/set"}, {"question", "answer"})->size() == 1);
  CHECK_THAT(folder.refusal({"org/other"}),
             Contains("is not in the Hugging Face cache") && Contains("hf download --repo-type dataset org/other"));
  CHECK_THAT(folder.refusal({"org/set", "", "train", "v2"}), Contains("hf download --repo-type dataset org/set --revision v2"));
  CHECK_THAT(folder.refusal({"org/bare"}), Contains("hf download --repo-type dataset org/bare"));
}

}  // namespace
}  // namespace grpo
