// Why a text is not JSON, in words that name the place and the cure.
#pragma once

#include "runtime/io/json.h"

#include <string>
#include <string_view>
#include <vector>

namespace vmodel::json {

// How far a text has been read when something is wrong.
struct Place {
  // The library reads one byte beyond a number.
  enum class After { nothing, opening, key, number, value };
  struct Open {
    const char* at; // its bracket
    bool object;
  };

  std::string_view text;
  // The end of the last thing that was read, and what it was.
  const char* previous = nullptr;
  After after = After::nothing;
  // Arrays and objects not closed yet, the outermost first.
  std::vector<Open> open;
};

// The error with the line and column, both from 1, of a byte of the text.
ParseError error_at(std::string_view text, const char* where, std::string message);

// The first byte after `place.previous` that is neither white space nor a comma.
const char* next_token(const Place& place);

// The message for a text that the parser refused. `read` is the end of what it had looked at,
// `reason` its own message, `too_large` whether a number overflows.
ParseError explain(const Place& place, const char* read, std::string_view reason, bool too_large);

} // namespace vmodel::json
