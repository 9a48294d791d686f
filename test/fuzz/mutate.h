// Damaged texts for the fuzzers of readers.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <sstream>
#include <string>
#include <vector>

namespace vmodel::test {

// The files of a folder of test/fuzz, by name.
inline std::vector<std::string> fuzz_corpus(const std::string& name) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(std::string(VMODEL_SOURCE_DIR) + "/test/fuzz/" + name)) {
    paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> result;
  for (const auto& path : paths) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    result.push_back(text.str());
  }
  return result;
}

// One to four changes: pieces that readers stumble over, deletions, parts of other texts.
inline std::string mutate(std::string text, const std::vector<std::string>& all, std::mt19937_64& random) {
  static const char* pieces[] = {"{",
                                 "}",
                                 "[",
                                 "]",
                                 ",",
                                 ":",
                                 "\"",
                                 "\\u",
                                 "\\ud83d",
                                 "-",
                                 "1e999",
                                 "NaN",
                                 "null",
                                 "true",
                                 "1.0",
                                 "9007199254740993",
                                 "0",
                                 "\xC3",
                                 "\n",
                                 "\"N\": 3,",
                                 "[[",
                                 "1e-400",
                                 "{\"file\": \"x\"}"};
  const int changes = 1 + static_cast<int>(random() % 4);
  for (int i = 0; i < changes; ++i) {
    const size_t at = text.empty() ? 0 : random() % text.size();
    switch (random() % 6) {
    case 0: text.insert(at, pieces[random() % std::size(pieces)]); break;
    case 1: text.erase(at, 1 + random() % 8); break;
    case 2: text.resize(at); break;
    case 3:
      if (!text.empty())
        text[at] = static_cast<char>(random());
      break;
    case 4: {
      const std::string& other = all[random() % all.size()];
      if (!other.empty())
        text.insert(at, other.substr(random() % other.size(), random() % 40));
      break;
    }
    default: text.insert(at, text.substr(at, random() % 30)); break;
    }
    if (text.size() > 20000)
      text.resize(20000);
  }
  return text;
}

} // namespace vmodel::test
