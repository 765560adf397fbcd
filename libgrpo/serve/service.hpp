/// Everything behind the HTTP server: a request in, an answer or a stream of events out. Knows no sockets.
#pragma once

#include "libgrpo/base/clock.hpp"
#include "libgrpo/serve/engine_loop.hpp"
#include "libgrpo/serve/serve_metrics.hpp"
#include "libgrpo/serve/weight_loaders.hpp"
#include "libgrpo/text/chat_template.hpp"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace grpo::serve {

struct HttpRequest {
  std::string method, path, body;
  std::map<std::string, std::string> query;
  std::string client;                                 ///< who asks: the address
  std::function<bool()> gone = [] { return false; };  ///< whether the client has left
};

struct HttpReply {
  int status = 200;
  std::string type = "application/json", body;
  std::map<std::string, std::string> headers;
  /// Where set, the body is what this writes; it returns when the stream has ended, or a write failed.
  std::function<void(const std::function<bool(const std::string&)>& write)> stream;
};

/// What requests are translated with.
struct Model {
  std::string name;
  const Tokenizer* tokenizer = nullptr;
  const ChatTemplate* chat = nullptr;  ///< null: no template, no conversations
  std::string bos_token, eos_token;    ///< what the template may refer to
  std::optional<std::int64_t> now;     ///< ChatTemplate::Options::now
};

/// thread: handle() from many threads
class Service {
 public:
  /// `engine` must outlive the service, and begins with the weights of `served`.
  Service(EngineLoop& engine, Model model, std::shared_ptr<const CausalLm> served, WeightLoaders load);

  /// Never throws: what goes wrong is an answer.
  [[nodiscard]] HttpReply handle(const HttpRequest& request) const;

 private:
  using Handler = HttpReply (Service::*)(const HttpRequest&) const;
  struct Route {
    std::string method;
    Handler handler;
    bool changes_weights = false;
  };

  [[nodiscard]] HttpReply dispatch(const HttpRequest& request) const;
  // routes_openai.cpp
  HttpReply models(const HttpRequest& request) const;
  HttpReply completions(const HttpRequest& request) const;
  HttpReply chat_completions(const HttpRequest& request) const;
  // routes_trl.cpp
  HttpReply trl_generate(const HttpRequest& request) const;
  HttpReply trl_chat(const HttpRequest& request) const;
  HttpReply not_offered(const HttpRequest& request) const;
  // routes_control.cpp
  HttpReply health(const HttpRequest& request) const;
  HttpReply version(const HttpRequest& request) const;
  HttpReply world_size(const HttpRequest& request) const;
  HttpReply metrics(const HttpRequest& request) const;
  HttpReply weight_info(const HttpRequest& request) const;
  HttpReply is_paused(const HttpRequest& request) const;
  HttpReply pause(const HttpRequest& request) const;
  HttpReply resume(const HttpRequest& request) const;
  HttpReply reset_prefix_cache(const HttpRequest& request) const;
  // routes_weights.cpp
  HttpReply collective_rpc(const HttpRequest& request) const;
  HttpReply update_weights(const HttpRequest& request) const;
  HttpReply load_adapter(const HttpRequest& request) const;
  HttpReply unload_adapter(const HttpRequest& request) const;
  HttpReply change_weights(const std::string& path, bool in_memory, std::optional<std::int64_t> version) const;
  HttpReply install(Loaded fresh, const std::string& path, std::optional<std::int64_t> version) const;

  EngineLoop& engine_;
  const Model model_;
  const WeightLoaders load_;
  std::map<std::string, Route> routes_;  // path without a slash at its end
  const std::int64_t created_;
  mutable ServeMetrics metrics_;
  mutable std::mutex weights_;                     // one change at a time
  mutable std::string weights_path_;               // of the latest change
  mutable std::shared_ptr<const CausalLm> whole_;  // the weights that adapters are put on
  mutable std::string adapter_;                    // the name of those in use; empty: none
};

/// An error in OpenAI's format.
HttpReply error_reply(int status, const std::string& message, const std::string& param = {});

}  // namespace grpo::serve
