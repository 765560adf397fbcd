/// A template rendered in one line, and what it complains of.
#pragma once

#include "libgrpo/base/error.hpp"
#include "libgrpo/text/chat_template.hpp"

#include <catch2/catch.hpp>

#include <string>

namespace grpo::test {

/// Rendered with one user message and these further variables.
inline std::string render(const std::string& source, const std::string& extra = {}) {
  ChatTemplate::Options options;
  options.extra_json = extra;
  return ChatTemplate(source).render({{"user", "hi"}}, options);
}

/// What the Error{data} says; "" if there is none.
inline std::string complaint(const std::string& source, const std::string& extra = {}) {
  try {
    static_cast<void>(render(source, extra));
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::data);
    return error.what();
  }
  return "";
}

}  // namespace grpo::test
