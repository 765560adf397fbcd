#include "libgrpo/serve/serve_metrics.hpp"

#include "libgrpo/serve/engine_loop.hpp"

#include <fmt/format.h>

namespace grpo::serve {
namespace {

std::string head(const std::string& name, const char* type, const std::string& help) {
  return fmt::format("# HELP {0} {2}\n# TYPE {0} {1}\n", name, type, help);
}

std::string one(const std::string& name, const char* type, const std::string& help, std::int64_t value) {
  return head(name, type, help) + fmt::format("{} {}\n", name, value);
}

}  // namespace

void Histogram::add(double seconds) {
  for (std::size_t i = 0; i < kBounds.size(); ++i)
    if (seconds <= kBounds[i]) ++counts_[i];
  ++count_;
  sum_ += seconds;
}

std::string Histogram::text(const std::string& name, const std::string& help) const {
  std::string out = head(name, "histogram", help);
  for (std::size_t i = 0; i < kBounds.size(); ++i) out += fmt::format("{}_bucket{{le=\"{}\"}} {}\n", name, kBounds[i], counts_[i]);
  return out + fmt::format("{0}_bucket{{le=\"+Inf\"}} {1}\n{0}_sum {2}\n{0}_count {1}\n", name, count_, sum_);
}

void ServeMetrics::count_reply(const std::string& path, int status) {
  const std::lock_guard lock(mutex_);
  ++replies_[{path, status}];
}

void ServeMetrics::count_generation(std::int64_t prompt_tokens, double first, double whole) {
  const std::lock_guard lock(mutex_);
  prompt_tokens_ += prompt_tokens;
  first_.add(first);
  whole_.add(whole);
}

void ServeMetrics::count_weights() {
  const std::lock_guard lock(mutex_);
  ++weight_changes_;
}

std::string ServeMetrics::text(const EngineStatus& engine) const {
  const std::lock_guard lock(mutex_);
  std::string out = head("grpo_serve_requests_total", "counter", "Answers, by route and HTTP status.");
  for (const auto& [key, count] : replies_)
    out += fmt::format("grpo_serve_requests_total{{path=\"{}\",status=\"{}\"}} {}\n", key.first, key.second, count);
  out += one("grpo_serve_prompt_tokens_total", "counter", "Tokens of prompts that were answered.", prompt_tokens_);
  out += one("grpo_serve_generation_tokens_total", "counter", "Tokens drawn.", engine.drawn_tokens);
  out += one("grpo_serve_prefix_tokens_found_total", "counter", "Tokens of prompts taken from the prefix cache.", engine.prefix_found);
  out += one("grpo_serve_requests_waiting", "gauge", "Requests that have not begun.", engine.waiting);
  out += one("grpo_serve_requests_running", "gauge", "Requests that have begun.", engine.running);
  out += one("grpo_serve_rows_running", "gauge", "Completions that grow.", engine.rows);
  out += one("grpo_serve_weight_changes_total", "counter", "How often the weights were changed.", weight_changes_);
  out += one("grpo_serve_weight_version", "gauge", "Version of the weights.", engine.version);
  out += first_.text("grpo_serve_first_token_seconds", "From the request to its first token.");
  return out + whole_.text("grpo_serve_request_seconds", "From the request to its end.");
}

}  // namespace grpo::serve
