// A Sampler that asks a grpo_serve in this process, over loopback.
#include "libgrpo/remote/remote_sampler.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/policy/model_config.hpp"
#include "libgrpo/sampler/in_process_sampler.hpp"
#include "libgrpo/serve/http_server.hpp"
#include "tests/contract/sampler_contract.hpp"
#include "tests/support/tiny_model.hpp"

#include <unistd.h>
#include <catch2/catch.hpp>
#include <filesystem>

using namespace grpo;
using namespace grpo::remote;
namespace fs = std::filesystem;

namespace {

const grpo::testing::ByteTokenizer kTokenizer;

serve::HttpOptions any_port() {
  serve::HttpOptions options;
  options.port = 0;
  return options;
}

/// A server that begins with a model of its own, and loads what it is given.
struct Serving {
  std::shared_ptr<const CausalLm> model = grpo::testing::tiny_model(3);
  serve::EngineLoop engine{model, kTokenizer, {}};
  serve::Service service{engine, {"tiny", &kTokenizer, nullptr, "", "", {}}, model, serve::weight_loaders(model->config())};
  serve::HttpServer http{service, any_port()};
  Serving() { http.start(); }
  [[nodiscard]] Address address() const { return {"127.0.0.1", static_cast<int>(http.port()), ""}; }
};

struct Run {
  std::unique_ptr<CausalLm> model = grpo::testing::tiny_model(7);
  std::unique_ptr<World> world = make_solo_world();
  fs::path folder = fs::temp_directory_path() / ("remote_sampler_test_" + std::to_string(getpid()));
  std::vector<std::string> log;
  RemoteOptions options;
  std::unique_ptr<RemoteSampler> sampler;

  explicit Run(std::vector<Address> servers) {
    options.servers = std::move(servers);
    options.sync_folder = folder;
    options.request_seconds = 20.0;
    options.retry_seconds = 0.01;
    options.start_seconds = 2.0;
    options.backfill = false;
  }
  ~Run() { fs::remove_all(folder); }
  RemoteSampler& begin() {
    sampler = std::make_unique<RemoteSampler>(*model, kTokenizer, *world,
                                              Log([this](LogLevel, std::string_view text) { log.emplace_back(text); }), options);
    return *sampler;
  }
};

Prompt prompt(const std::string& text, std::uint64_t id) {
  Prompt p;
  p.id = id;
  p.text = text;
  p.ids = kTokenizer.encode(text);
  p.source = "test:" + std::to_string(id);
  return p;
}

std::vector<Prompt> prompts() { return {prompt("one", 0x8000000000000001ULL), prompt("two, longer", 2), prompt("three", 3)}; }

bool same(const std::vector<Group>& a, const std::vector<Group>& b) {
  for (std::size_t g = 0; g < a.size(); ++g)
    for (std::size_t c = 0; c < a[g].completions.size(); ++c) {
      const Completion &x = a[g].completions[c], &y = b[g].completions[c];
      if (x.ids != y.ids || x.log_probs != y.log_probs || x.text != y.text || x.finish != y.finish) return false;
    }
  return a.size() == b.size();
}

}  // namespace

TEST_CASE("a sampler that asks a server keeps the contract of samplers") {
  Serving server;
  Run run({server.address()});
  RemoteSampler& sampler = run.begin();
  CHECK_THROWS_AS(sampler.generate(prompts(), {}), Error);  // before refresh()
  sampler.refresh(*run.model, 0);
  contract::sampler_contract(sampler, prompts());
}

TEST_CASE("it draws the bits of the engine in this process, by the weights it was given last") {
  Serving one, other;
  Run run({one.address(), other.address()});
  RemoteSampler& sampler = run.begin();
  InProcessSampler own(*run.model, kTokenizer);
  SamplingParams params;
  params.num_generations = 3;
  params.max_completion_length = 20;
  params.seed = 0xFFFFFFFFFFFFFFF1ULL;
  params.stop_sequences = {"a", "bc"};
  for (const std::int64_t version : {0, 1, 5}) {
    sampler.refresh(*run.model, version);
    CHECK(sampler.exact_log_probs());
    const auto groups = sampler.generate(prompts(), params);
    CHECK(same(groups, own.generate(prompts(), params)));
    for (const Group& group : groups)
      for (const Completion& c : group.completions) CHECK(c.weight_version == version);
    CHECK(std::distance(fs::directory_iterator(run.folder), fs::directory_iterator()) == 1);  // the newest weights, and none before
    for (const Parameter& p : run.model->parameters()) p.tensor.mul_(0.9);
    CHECK_FALSE(same(groups, own.generate(prompts(), params)));  // the weights did change
  }
  run.sampler.reset();
  CHECK_FALSE(fs::exists(run.folder));
}

TEST_CASE("weights of another run are not taken for its own") {
  Serving server;
  Run run({server.address()}), other({server.address()});
  other.folder += "_other";
  other.options.sync_folder = other.folder;
  for (const Parameter& p : other.model->parameters()) p.tensor.mul_(0.5);
  RemoteSampler& sampler = run.begin();
  sampler.refresh(*run.model, 4);
  SamplingParams params;
  params.max_completion_length = 12;
  const auto before = sampler.generate(prompts(), params);
  other.begin().refresh(*other.model, 4);                    // the same step
  CHECK(same(sampler.generate(prompts(), params), before));  // it saw that, gave the server its own again, and asked again
}

TEST_CASE("what a server cannot give is said, or sampled here") {
  const Address nobody{"127.0.0.1", 1, ""};
  Run run({nobody});
  run.options.start_seconds = 0.1;
  CHECK_THROWS_WITH(run.begin().refresh(*run.model, 0), Catch::Contains("does not answer"));

  auto server = std::make_unique<Serving>();
  SamplingParams params;
  params.max_completion_length = 12;
  for (const bool backfill : {false, true}) {
    if (!server) server = std::make_unique<Serving>();
    Run left({server->address()});
    left.options.request_seconds = 0.3;
    left.options.backfill = backfill;
    RemoteSampler& sampler = left.begin();
    sampler.refresh(*left.model, 0);
    server.reset();
    if (!backfill) {
      CHECK_THROWS_WITH(sampler.generate(prompts(), params), Catch::Contains("failed to give 24 completions of 3 prompts"));
      CHECK_THROWS_WITH(sampler.refresh(*left.model, 1), Catch::Contains("the weights of step 1") && Catch::Contains("rank 0"));
      continue;
    }
    const auto groups = sampler.generate(prompts(), params);
    CHECK(same(groups, InProcessSampler(*left.model, kTokenizer).generate(prompts(), params)));
    CHECK(groups[0].completions[0].weight_version == 0);
    CHECK_THAT(left.log.back(), Catch::Contains("the engine in this process samples them"));
    sampler.refresh(*left.model, 1);  // a warning
    CHECK(sampler.generate(prompts(), params)[0].completions[0].weight_version == 1);
  }
}

TEST_CASE("a prompt that leaves no room is refused before anybody is asked") {
  Serving server;
  Run run({server.address()});
  RemoteSampler& sampler = run.begin();
  sampler.refresh(*run.model, 0);
  SamplingParams params;
  params.max_completion_length = 126;
  CHECK_THROWS_WITH(sampler.generate({prompt("xyz", 1)}, params), Catch::Contains("test:1") && Catch::Contains("128"));
}
