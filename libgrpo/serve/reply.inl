#pragma once

/// An answer that is one JSON text.

#include "libgrpo/serve/body.inl"
#include "libgrpo/serve/service.hpp"

#include <nlohmann/json.hpp>

namespace grpo::serve {

inline HttpReply reply_json(const nlohmann::ordered_json& json) {
  HttpReply reply;
  reply.body = to_text(json);
  return reply;
}

}  // namespace grpo::serve
