/// The user's own `hf` program (huggingface_hub), one command at a time. The account is its business: a token is never asked for, never
/// passed on the command line, and cut out of whatever the program says.
/// Source: the command line of huggingface_hub 1 and 2 (`hf upload`, `hf download`). Internal to hub/ and to what asks for uploads.
#pragma once

#include <atomic>
#include <string>
#include <string_view>
#include <vector>

namespace grpo {

struct HfAnswer {
  bool done = false;     ///< it ended by itself with exit code 0
  bool stopped = false;  ///< it was ended, by `stop` or because the time was up
  std::string words;     ///< what it said last, one line
  std::string output;    ///< all it said, the end of it if that is long
};

/// Whether the program is in PATH.
bool has_hf();

/// Runs `hf WORDS` to its end, at most `seconds`, or until `stop`; its process group is killed then. It runs outside the terminal's
/// process group, so Ctrl-C reaches the training alone. It never throws: what goes wrong is said in `words`. thread: any
HfAnswer run_hf(const std::vector<std::string>& words, const std::atomic<bool>& stop, double seconds);

/// The text without what looks like a token of the Hub (hf_ and letters) or is the value of HF_TOKEN.
std::string without_tokens(std::string text);

/// The command as a person would type it.
std::string show_command(const std::vector<std::string>& words);

}  // namespace grpo
