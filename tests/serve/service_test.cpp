#include "libgrpo/serve/service.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/sampler/in_process_sampler.hpp"
#include "libgrpo/format/weight_checksum.hpp"
#include "libgrpo/policy/tensor_file.hpp"
#include "libgrpo/serve/answers.hpp"
#include "tests/support/tiny_model.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace grpo;
using namespace grpo::serve;
using grpo::testing::ByteTokenizer;
using grpo::testing::tiny_model;
using Json = nlohmann::json;

namespace {

const ByteTokenizer kTokenizer;

struct Server {
  std::shared_ptr<const CausalLm> model = tiny_model(6, 0.1);
  ChatTemplate chat{"{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"};
  EngineLoop engine;
  Service service;
  static WeightLoaders broken() {
    return {[](const std::filesystem::path&) -> Loaded { throw Error(ErrorKind::data, "damaged"); }};
  }
  explicit Server(bool real_loaders = false)
      : engine(model, kTokenizer, {}),
        service(engine, {"tiny", &kTokenizer, &chat, "", "", {}}, model, real_loaders ? weight_loaders(model->config()) : broken()) {}

  HttpReply post(const std::string& path, const std::string& body) const {
    HttpRequest request;
    request.method = "POST";
    request.path = path;
    request.body = body;
    request.client = "test";
    return service.handle(request);
  }
  Json good(const std::string& path, const Json& body) const {
    const HttpReply reply = post(path, body.dump());
    INFO(reply.body);
    REQUIRE(reply.status == 200);
    return Json::parse(reply.body);
  }
  /// The error's field; its message must hold `words`.
  std::string bad(const std::string& path, const std::string& body, int status, const std::string& words) const {
    const HttpReply reply = post(path, body);
    INFO(reply.body);
    CHECK(reply.status == status);
    const Json error = Json::parse(reply.body)["error"];
    CHECK_THAT(error["message"].get<std::string>(), Catch::Contains(words));
    CHECK(error["type"].is_string());
    return error["param"].is_string() ? error["param"].get<std::string>() : "";
  }
  std::string stream(const std::string& path, const Json& body) const {
    const HttpReply reply = post(path, body.dump());
    REQUIRE(reply.stream);
    std::string text;
    reply.stream([&](const std::string& piece) {
      text += piece;
      return true;
    });
    return text;
  }
};

std::vector<Json> events(const std::string& stream) {
  std::vector<Json> all;
  for (std::size_t at = 0; at < stream.size();) {
    const std::size_t end = stream.find("\n\n", at);
    REQUIRE(stream.substr(at, 6) == "data: ");
    const std::string data = stream.substr(at + 6, end - at - 6);
    if (data != "[DONE]") all.push_back(Json::parse(data));
    at = end + 2;
    if (at >= stream.size()) CHECK(data == "[DONE]");
  }
  return all;
}

}  // namespace

TEST_CASE("a completion is what the sampler gives for that prompt, seed and prompt_id, with its log-probs") {
  const Server server;
  const Json body = {{"model", "tiny"},
                     {"prompt", {"one", "two"}},
                     {"n", 3},
                     {"seed", 5},
                     {"prompt_id", 40},
                     {"max_tokens", 20},
                     {"temperature", 0.8},
                     {"logprobs", 0},
                     {"return_token_ids", true},
                     {"return_tokens_as_token_ids", true}};
  const Json answer = server.good("/v1/completions", body);
  std::vector<Prompt> prompts = {grpo::testing::make_prompt(40, "one"), grpo::testing::make_prompt(41, "two")};
  SamplingParams params;
  params.num_generations = 3;
  params.max_completion_length = 20;
  params.temperature = 0.8;
  params.seed = 5;
  const auto groups = InProcessSampler(*server.model, kTokenizer).generate(prompts, params);
  REQUIRE(answer["choices"].size() == 6);
  std::size_t tokens = 0;
  for (std::size_t i = 0; i < 6; ++i) {
    const Json& choice = answer["choices"][i];
    const Completion& c = groups[i / 3].completions[i % 3];
    CHECK(choice["index"] == i);
    CHECK(choice["token_ids"] == Json(c.ids));
    CHECK(choice["prompt_token_ids"] == Json(groups[i / 3].prompt.ids));
    CHECK(choice["logprobs"]["token_logprobs"].get<std::vector<float>>() == c.log_probs);
    CHECK(choice["logprobs"]["tokens"][0] == "token_id:" + std::to_string(c.ids[0]));
    CHECK(choice["finish_reason"] == std::string(to_string(c.finish)));
    tokens += c.ids.size();
  }
  CHECK(answer["usage"]["completion_tokens"] == tokens);
  CHECK(answer["usage"]["prompt_tokens"] == 6);
  CHECK(answer["weight_version"] == 0);
  CHECK(answer["object"] == "text_completion");
}

TEST_CASE("a stream says the same as the whole answer, for several choices and stop strings") {
  const Server server;
  Json body = {{"prompt", "begin"}, {"n", 4}, {"seed", 3}, {"max_tokens", 60}, {"logprobs", 2}, {"return_token_ids", true}};
  for (const std::vector<std::string>& stops : std::vector<std::vector<std::string>>{{}, {"e", "q"}}) {
    body["stop"] = stops;
    body["stream"] = false;
    const Json whole = server.good("/v1/completions", body);
    body["stream"] = true;
    body["stream_options"] = {{"include_usage", true}};
    std::vector<std::string> texts(4), reasons(4);
    std::vector<Json> ids(4, Json::array()), values(4, Json::array());
    Json usage;
    for (const Json& event : events(server.stream("/v1/completions", body))) {
      if (event.contains("usage")) usage = event["usage"];
      for (const Json& choice : event["choices"]) {
        const auto i = choice["index"].get<std::size_t>();
        texts[i] += choice["text"].get<std::string>();
        for (const Json& id : choice["token_ids"]) ids[i].push_back(id);
        if (!choice["logprobs"].is_null()) values[i].push_back(choice["logprobs"]["token_logprobs"][0]);
        if (!choice["finish_reason"].is_null()) reasons[i] = choice["finish_reason"].get<std::string>();
      }
    }
    body.erase("stream_options");
    for (std::size_t i = 0; i < 4; ++i) {
      CHECK(texts[i] == whole["choices"][i]["text"].get<std::string>());
      CHECK(ids[i] == whole["choices"][i]["token_ids"]);
      CHECK(values[i] == whole["choices"][i]["logprobs"]["token_logprobs"]);
      CHECK(reasons[i] == whole["choices"][i]["finish_reason"].get<std::string>());
    }
    CHECK(usage == whole["usage"]);
  }
}

TEST_CASE("a stop string is cut from the text, unless it is asked for, and never shown half") {
  const std::vector<std::string> stops = {"END", "NO"};
  const auto say = [&](ChoiceText& text, const std::string& bytes) {
    std::vector<std::string> pieces;
    for (const char c : bytes) pieces.push_back(text.push(static_cast<unsigned char>(c)));
    return pieces;
  };
  ChoiceText cut(kTokenizer, stops, false);
  CHECK(say(cut, "aEEND") == std::vector<std::string>{"a", "", "E", "", ""});
  CHECK(cut.finish(true).empty());
  CHECK(cut.stop() == "END");
  ChoiceText limit(kTokenizer, stops, false);
  CHECK(say(limit, "aEN") == std::vector<std::string>{"a", "", ""});
  CHECK(limit.finish(false) == "EN");
  CHECK(!limit.stop());
  ChoiceText early(kTokenizer, stops, false);  // before min_tokens a stop string is text
  CHECK(say(early, "NObNO") == std::vector<std::string>{"", "", "NOb", "", ""});
  CHECK(early.finish(true).empty());
  ChoiceText whole(kTokenizer, stops, true);
  say(whole, "aEN");
  CHECK(whole.push('D') == "D");
}

TEST_CASE("chat renders the template, and its log-probs have bytes") {
  const Server server;
  const Json messages = {{{"role", "user"}, {"content", "hi"}}};
  const Json chat = server.good(
      "/v1/chat/completions",
      {{"messages", messages}, {"seed", 1}, {"max_tokens", 5}, {"logprobs", true}, {"top_logprobs", 2}, {"return_token_ids", true}});
  const Json plain = server.good("/v1/completions", {{"prompt", "user: hi\n"}, {"seed", 1}, {"max_tokens", 5}, {"return_token_ids", true}});
  CHECK(chat["choices"][0]["token_ids"] == plain["choices"][0]["token_ids"]);
  CHECK(chat["choices"][0]["message"]["content"] == plain["choices"][0]["text"]);
  const Json& first = chat["choices"][0]["logprobs"]["content"][0];
  CHECK(first["top_logprobs"].size() == 2);
  CHECK(first["bytes"].is_array());
}

TEST_CASE("TRL's server of up to 1.10: ids and nested log-probs, generation_kwargs win") {
  const Server server;
  const Json trl = server.good("/generate/", {{"prompts", {"one", "two"}},
                                              {"images", nullptr},
                                              {"n", 2},
                                              {"repetition_penalty", 1.0},
                                              {"temperature", 1.0},
                                              {"top_p", 1.0},
                                              {"top_k", -1},
                                              {"min_p", 0.0},
                                              {"max_tokens", 16},
                                              {"logprobs", 0},
                                              {"structured_outputs_regex", nullptr},
                                              {"generation_kwargs", {{"seed", 9}, {"max_tokens", 7}}}});
  const Json plain =
      server.good("/v1/completions",
                  {{"prompt", {"one", "two"}}, {"n", 2}, {"seed", 9}, {"max_tokens", 7}, {"logprobs", 0}, {"return_token_ids", true}});
  REQUIRE(trl["completion_ids"].size() == 4);
  CHECK(trl["prompt_ids"][1] == Json({'t', 'w', 'o'}));
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(trl["completion_ids"][i] == plain["choices"][i]["token_ids"]);
    CHECK(trl["logprobs"][i][0][0] == plain["choices"][i]["logprobs"]["token_logprobs"][0]);
    CHECK(trl["logprob_token_ids"][i][0][0] == trl["completion_ids"][i][0]);
  }
  server.bad("/init_communicator/", "{}", 501, "update_weights");
}

TEST_CASE("what cannot be served is a 400 that names the field") {
  const Server server;
  const std::string path = "/v1/completions";
  CHECK(server.bad(path, "{\"prompt\": \"a\", \"temperature\": \"warm\"}", 400, "warm") == "temperature");
  CHECK(server.bad(path, "{\"prompt\": \"a\", \"temperature\": -1}", 400, "from 0") == "temperature");
  CHECK(server.bad(path, "{\"prompt\": \"a\", \"n\": 1.5}", 400, "integer") == "n");
  CHECK(server.bad(path, "{\"prompt\": \"a\", \"n\": 1e9}", 400, "integer") == "n");
  CHECK(server.bad(path, "{\"prompt\": \"a\", \"seed\": -1}", 400, "integer") == "seed");
  CHECK(server.bad(path, "{\"prompt\": \"a\", \"seed\": 99999999999999999999}", 400, "integer") == "seed");
  CHECK(server.bad(path, "{\"prompt\": [5, 300]}", 400, "vocabulary of 300") == "prompt");
  CHECK(server.bad(path, "{\"prompt\": [-1]}", 400, "not negative") == "prompt");
  CHECK(server.bad(path, "{\"prompt\": []}", 400, "must be") == "prompt");
  CHECK(server.bad(path, "{\"prompt\": \"\"}", 400, "no tokens") == "prompt");
  CHECK(server.bad(path, "{}", 400, "required") == "prompt");
  CHECK(server.bad(path, "{\"prompt\": \"a\", \"max_tokens\": 128}", 400, "context of 128") == "max_tokens");
  CHECK(server.bad(path, "{\"prompt\": \"a\", \"echo\": true}", 400, "not supported") == "echo");
  CHECK(server.bad(path, "{\"prompt\": \"a\", \"presence_penalty\": 0.5}", 400, "not supported") == "presence_penalty");
  CHECK(server.bad(path, "{\"prompt\": \"a\", \"temperatur\": 0}", 400, "did you mean temperature") == "temperatur");
  CHECK(server.bad(path, "{\"prompt\": \"a\", \"stop\": [\"\"]}", 400, "empty") == "stop");
  CHECK(server.bad(path, "{\"prompt\": \"a\", \"logit_bias\": {\"300\": 1}}", 400, "no token id") == "logit_bias");
  CHECK(server.bad(path, "{\"prompt\": \"a\", \"model\": \"other\"}", 404, "tiny") == "model");
  CHECK(server.bad(path, "{\"prompt\": [\"a\", \"b\"], \"prompt_id\": [1]}", 400, "1 ids for 2") == "prompt_id");
  CHECK(server.bad("/v1/chat/completions", "{\"messages\": [{\"content\": \"x\"}]}", 400, "role") == "messages");
  server.bad(path, "{\"prompt\": \"a\", \"n\"", 400, "no JSON");
  server.bad(path, "[1]", 400, "JSON object");
  server.bad(path, std::string(100000, '['), 400, "nested");
  server.bad("/nowhere", "{}", 404, "no such route");
  server.bad("/v1/models", "{}", 405, "GET");
  CHECK(server.good(path, {{"prompt", "a"}, {"echo", false}, {"presence_penalty", 0}, {"suffix", nullptr}, {"user", "me"}})["choices"]
            .size() == 1);
}

TEST_CASE("weights that cannot be read leave the old ones in use") {
  const Server server;
  CHECK(server.bad("/update_weights", "{\"path\": \"/nowhere/at/all\", \"version\": 3}", 400, "no such folder") == "path");
  CHECK(server.bad("/update_weights", "{\"path\": \"/\", \"version\": 3}", 400, "damaged") == "path");
  CHECK(server.bad("/collective_rpc", "{\"method\": \"reload_weights\"}", 400, "required") == "kwargs.weights_path");
  CHECK(server.engine.status().version == 0);
  Service closed(const_cast<EngineLoop&>(server.engine), {"tiny", &kTokenizer, nullptr, "", "", {}}, server.model, {});
  HttpRequest request;
  request.method = "POST";
  request.path = "/update_weights";
  CHECK(closed.handle(request).status == 403);
}

namespace {

/// Memory as a trainer shares it.
struct Shared {
  int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  ~Shared() { close(fd); }
  [[nodiscard]] std::string place() const { return "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(fd); }
  void seal() const { REQUIRE(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0); }
};

NamedTensors tensors_of(const CausalLm& model) {
  NamedTensors tensors;
  for (const NamedSlice& slice : named_slices(model.weights(), model.config())) tensors.emplace_back(slice.name, slice.slice);
  return tensors;
}

}  // namespace

TEST_CASE("weights come from sealed memory, and from nothing else that calls itself so") {
  const Server server(true);
  const auto other = tiny_model(8, 0.1);
  const Json ask = {{"prompt", "abc"}, {"seed", 1}, {"max_tokens", 6}, {"logprobs", 0}};
  const auto log_probs = [&] { return server.good("/v1/completions", ask)["choices"][0]["logprobs"]["token_logprobs"]; };
  const Json before = log_probs();

  const auto refused = [&](const std::string& place, const std::string& words) {
    CHECK(server.bad("/update_weights", Json{{"memory", place}}.dump(), 400, words) == "memory");
    CHECK(log_probs() == before);
  };
  refused("/etc/passwd", "expected memory of a process");
  refused("/proc/self/fd/0", "expected memory of a process");
  refused("/proc/1/fd/1/../../../../etc/passwd", "expected memory of a process");
  refused("/proc/999999999/fd/1", "cannot be opened");
  const Shared open, garbage, part, whole;
  write_tensors(open.place(), tensors_of(*other));
  refused(open.place(), "sealed against changes");
  REQUIRE(write(garbage.fd, "no weights", 10) == 10);
  garbage.seal();
  refused(garbage.place(), "the old weights stay in use");
  auto fewer = tensors_of(*other);
  fewer.pop_back();
  write_tensors(part.place(), fewer);
  part.seal();
  refused(part.place(), "is missing");
  CHECK(server.bad("/update_weights", Json{{"memory", open.place()}, {"path", "/tmp"}}.dump(), 400, "not from both") == "memory");

  write_tensors(whole.place(), tensors_of(*other));
  whole.seal();
  const Json answer = server.good("/update_weights", {{"memory", whole.place()}, {"version", 5}});
  CHECK(answer["weight_version"] == 5);
  WeightChecksum sum;
  for (const auto& [name, tensor] : tensors_of(*other)) {
    const at::Tensor bytes = tensor.contiguous();
    sum.add(name, {static_cast<const std::byte*>(bytes.const_data_ptr()), bytes.nbytes()});
  }
  CHECK(answer["checksum"] == sum.text());
  CHECK(log_probs() != before);
}

TEST_CASE("adapters are put on the served weights, and taken off again") {
  const Server server(true);
  const auto folder = std::filesystem::temp_directory_path() / ("service_test_adapters_" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  LoraOptions options;
  options.target_modules = {"all-linear"};
  Lora lora(options, server.model->config(), server.model->weights());
  for (const Parameter& p : lora.parameters()) p.tensor.add_(0.05);
  lora.write(folder);
  const Json ask = {{"prompt", "abc"}, {"seed", 1}, {"max_tokens", 6}, {"logprobs", 0}};
  const auto log_probs = [&] { return server.good("/v1/completions", ask)["choices"][0]["logprobs"]["token_logprobs"]; };
  const Json before = log_probs();
  const Json load = {{"lora_name", "mine"}, {"lora_path", folder.string()}, {"version", 3}};
  CHECK(server.bad("/v1/load_lora_adapter", R"({"lora_name": "x", "lora_path": "/nowhere"})", 400, "no such folder") == "lora_path");
  CHECK(server.bad("/v1/unload_lora_adapter", R"({"lora_name": "mine"})", 404, "no adapters of that name") == "lora_name");
  CHECK(server.good("/v1/load_lora_adapter", load)["weight_version"] == 3);
  const Json adapted = log_probs();
  CHECK(adapted != before);
  CHECK(server.good("/v1/load_lora_adapter", load)["weight_version"] == 3);  // again: on the model, not on the adapters
  CHECK(log_probs() == adapted);
  CHECK(server.good("/v1/unload_lora_adapter", {{"lora_name", "mine"}})["weight_version"] == 4);
  CHECK(log_probs() == before);
  std::filesystem::remove_all(folder);
}
