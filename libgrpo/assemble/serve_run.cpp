#include "libgrpo/assemble/serve_run.hpp"

#include "libgrpo/assemble/assembly.hpp"
#include "libgrpo/assemble/data.hpp"
#include "libgrpo/assemble/open_model.hpp"
#include "libgrpo/base/error.hpp"
#include "libgrpo/serve/http_server.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <cstdlib>
#include <fmt/format.h>

namespace grpo {
namespace {

using std::int64_t;

serve::EngineOptions engine_options(const Recipe& recipe, const ServeOptions& o, const ModelConfig& config) {
  const PageShape shape{config.num_layers, config.num_kv_heads, config.head_dim};
  const double bytes_per_token = static_cast<double>(shape.layers * shape.layer_floats()) * sizeof(float) / kPageTokens;
  return {o.max_num_seqs, o.max_waiting_requests, static_cast<int64_t>(o.kv_cache_gb * 1e9 / bytes_per_token), o.prefix_cache_tokens,
          recipe.run.num_threads};
}

std::string api_key(const ServeOptions& options) {
  const char* from_environment = std::getenv("GRPO_SERVE_API_KEY");
  return options.api_key.value_or(from_environment != nullptr ? from_environment : "");
}

void warn_of_openness(const ServeOptions& options, const Log& log) {
  if (options.host == "127.0.0.1" || options.host == "localhost" || !api_key(options).empty()) return;
  log.warning(fmt::format("everybody who reaches {} can use this server{}; give it an --api_key", options.host,
                          options.enable_weight_updates ? " and change its weights" : ""));
}

}  // namespace

void run_serve(const Recipe& recipe, const ServeOptions& options, const ServeConsole& console, const std::atomic<bool>& stop) {
  const ModelPlace place = model_place(recipe);
  const auto tokenizer = load_tokenizer(place.text);
  const auto chat = open_chat_template(recipe);
  if (recipe.run.num_threads > 0) at::set_num_threads(static_cast<int>(recipe.run.num_threads));
  const std::shared_ptr<const CausalLm> model = open_model(place, recipe.policy.torch_dtype);
  const ModelConfig& config = model->config();
  if (console.dry_run) return;
  const PromptStyle style = prompt_style(recipe, config, *tokenizer);
  serve::EngineLoop engine(model, *tokenizer, engine_options(recipe, options, config));
  const serve::Service service(engine,
                               {options.served_model_name.value_or(recipe.policy.model_name_or_path), tokenizer.get(),
                                chat ? &*chat : nullptr, style.bos_token, style.eos_token, style.now},
                               model, options.enable_weight_updates ? serve::weight_loaders(config) : serve::WeightLoaders());
  serve::HttpServer http(
      service, {options.host, options.port, api_key(options), options.max_connections, options.max_body_mb << 20, options.request_timeout});
  warn_of_openness(options, console.log);
  http.start();
  console.out << fmt::format("listening on http://{}:{}", options.host, http.port()) << std::endl;
  while (!stop) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  console.log.info("stopping: nothing new is taken; what runs may end");
  http.stop();
  engine.drain(std::chrono::seconds(options.drain_timeout));
  http.join();
}

}  // namespace grpo
