#include "libgrpo/text/split_pattern.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/text/pattern_spelling.hpp"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <fmt/format.h>
#include <algorithm>
#include <array>

namespace grpo {
namespace {

constexpr std::size_t kMaxPatternLength = 1U << 16;
constexpr std::size_t kGiveUpWindow = 4096;  // bytes left uncut where a match exceeded its limits
constexpr int kMaxGiveUps = 16;              // per text; afterwards the rest stays one piece
constexpr std::uint32_t kMatchSteps = 4'000'000;
constexpr std::uint32_t kMatchHeapKib = 64 * 1024;

bool is_limit(int code) {
  return code == PCRE2_ERROR_MATCHLIMIT || code == PCRE2_ERROR_DEPTHLIMIT || code == PCRE2_ERROR_HEAPLIMIT ||
         code == PCRE2_ERROR_JIT_STACKLIMIT || code == PCRE2_ERROR_NOMEMORY;
}

/// `spelled` is what PCRE2 reads, `pattern` what the file says.
pcre2_code* compile(const std::string& pattern, const std::string& spelled, bool literal) {
  // Oniguruma's ^ and $ stand at every line; \C would cut characters in two.
  const std::uint32_t options = literal ? PCRE2_UTF | PCRE2_LITERAL : PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C;
  int error = 0;
  PCRE2_SIZE offset = 0;
  pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(spelled.data()), spelled.size(), options, &error, &offset, nullptr);
  if (code == nullptr) {
    std::array<PCRE2_UCHAR, 256> reason{};
    pcre2_get_error_message(error, reason.data(), reason.size());
    throw Error(ErrorKind::data, fmt::format("split pattern '{}' does not compile: {} (near byte {} of '{}')", pattern,
                                             reinterpret_cast<const char*>(reason.data()), offset, spelled));
  }
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // without JIT the interpreter takes over
  return code;
}

/// One per thread: it holds only the result of the latest match.
pcre2_match_data* match_data() {
  struct Free {
    void operator()(pcre2_match_data* data) const noexcept { pcre2_match_data_free(data); }
  };
  thread_local const std::unique_ptr<pcre2_match_data, Free> data(pcre2_match_data_create(1, nullptr));
  if (!data) throw std::bad_alloc();
  return data.get();
}

std::size_t next_boundary(std::string_view text, std::size_t at) {
  at = std::min(at, text.size());
  while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) ++at;
  return at;
}

struct Span {
  std::size_t begin = 0;
  std::size_t end = 0;
  bool hit = false;
};

/// Matches and the gaps between them cover the text; `invert` exchanges the two.
void cover(std::size_t size, const std::vector<SplitPattern::Match>& matches, bool invert, std::vector<Span>& spans) {
  std::size_t at = 0;
  for (const SplitPattern::Match& match : matches) {
    if (match.begin != at) spans.push_back({at, match.begin, invert});
    spans.push_back({match.begin, match.end, !invert});
    at = match.end;
  }
  if (at != size) spans.push_back({at, size, invert});
}

void merge_spans(std::vector<Span>& spans, SplitBehavior behavior) {
  const bool from_the_right = behavior == SplitBehavior::merged_with_next;
  if (from_the_right) std::reverse(spans.begin(), spans.end());
  std::vector<Span> merged;
  bool last_hit = false;
  for (const Span& span : spans) {
    const bool joins = behavior == SplitBehavior::contiguous ? span.hit == last_hit : span.hit && !last_hit;
    if (joins && !merged.empty()) {
      merged.back().begin = std::min(merged.back().begin, span.begin);
      merged.back().end = std::max(merged.back().end, span.end);
    } else {
      merged.push_back(span);
    }
    last_hit = span.hit;
  }
  if (from_the_right) std::reverse(merged.begin(), merged.end());
  spans.swap(merged);
}

}  // namespace

struct SplitPattern::Compiled {
  pcre2_code* common = nullptr;  // for texts of which is_common_text() holds
  pcre2_code* rare = nullptr;    // for all others
  pcre2_match_context* context = nullptr;
};

void SplitPattern::Free::operator()(Compiled* compiled) const noexcept {
  pcre2_match_context_free(compiled->context);
  pcre2_code_free(compiled->common);
  pcre2_code_free(compiled->rare);
  delete compiled;
}

SplitPattern::SplitPattern(const std::string& pattern, bool literal) : compiled_(new Compiled) {
  if (pattern.size() > kMaxPatternLength) {
    throw Error(ErrorKind::data, fmt::format("split pattern of {} bytes is too long: at most {}", pattern.size(), kMaxPatternLength));
  }
  compiled_->rare = compile(pattern, literal ? pattern : spell_out_shorthands(pattern, false), literal);
  compiled_->common = compile(pattern, literal ? pattern : spell_out_shorthands(pattern, true), literal);
  compiled_->context = pcre2_match_context_create(nullptr);
  if (compiled_->context == nullptr) throw std::bad_alloc();
  pcre2_set_match_limit(compiled_->context, kMatchSteps);
  pcre2_set_heap_limit(compiled_->context, kMatchHeapKib);
}

void SplitPattern::find(std::string_view text, std::vector<Match>& out) const {
  out.clear();
  if (text.empty()) return;
  const pcre2_code* code = is_common_text(text) ? compiled_->common : compiled_->rare;
  pcre2_match_data* data = match_data();
  const PCRE2_SIZE* range = pcre2_get_ovector_pointer(data);
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  const auto match_from = [&](std::size_t at, std::uint32_t options) {
    return pcre2_match(code, subject, text.size(), at, PCRE2_NO_UTF_CHECK | options, data, compiled_->context);
  };
  int give_ups = 0;
  for (std::size_t at = 0; at <= text.size();) {
    int result = match_from(at, 0);
    if (is_limit(result)) result = match_from(at, PCRE2_NO_JIT);  // the interpreter has more stack
    if (is_limit(result)) {
      if (++give_ups > kMaxGiveUps) return;
      at = next_boundary(text, at + kGiveUpWindow);
      if (at == text.size()) return;
      continue;
    }
    if (result < 0) return;  // PCRE2_ERROR_NOMATCH
    const Match match{range[0], range[1]};
    const std::size_t covered = out.empty() ? 0 : out.back().end;
    if (match.begin > match.end || match.begin < covered) return;  // \K or a look-behind trick: never go backwards
    if (match.begin == match.end && !out.empty() && match.end == covered) {
      if (at == text.size()) return;
      at = next_boundary(text, at + 1);
      continue;
    }
    out.push_back(match);
    at = match.end;
  }
}

void SplitPattern::split(std::string_view text, SplitBehavior behavior, bool invert, std::vector<std::string_view>& out) const {
  thread_local std::vector<Match> matches;
  find(text, matches);
  cut_at(text, matches, behavior, invert, out);
}

void cut_at(std::string_view text, const std::vector<SplitPattern::Match>& matches, SplitBehavior behavior, bool invert,
            std::vector<std::string_view>& out) {
  if (behavior == SplitBehavior::isolated) {  // the common case: gaps and matches alike stay
    std::size_t at = 0;
    for (const SplitPattern::Match& match : matches) {
      if (match.begin != at) out.push_back(text.substr(at, match.begin - at));
      if (match.end != match.begin) out.push_back(text.substr(match.begin, match.end - match.begin));
      at = match.end;
    }
    if (at != text.size()) out.push_back(text.substr(at));
    return;
  }
  std::vector<Span> spans;
  cover(text.size(), matches, invert, spans);
  if (behavior != SplitBehavior::removed) merge_spans(spans, behavior);
  for (const Span& span : spans) {
    if (span.begin == span.end || (behavior == SplitBehavior::removed && span.hit)) continue;
    out.push_back(text.substr(span.begin, span.end - span.begin));
  }
}

}  // namespace grpo
