/// The text of --help, made from the field list: sections in the order of the data's way, each option once.
#pragma once

#include <string>

namespace grpo {

/// app: program name; what: one line that says what it does. Lines are at most 120 columns and end in a newline.
std::string help_text(const std::string& app, const std::string& what);

/// The same list as Markdown for the docs site: a heading and a table for each section.
std::string options_markdown();

}  // namespace grpo
