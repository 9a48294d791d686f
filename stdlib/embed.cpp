// Run by the build: writes a C++ table of the top-level items of the standard library.
//   embed_library OUTPUT.cpp FILE.vmodel ...
#include <algorithm>
#include <cctype>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

namespace {

struct Item {
  std::string name, file, text;
  unsigned line = 0;
};

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '_';
}

/// Finds the items of one file by brackets alone. An item ends at the `}` or `;` that is outside of all brackets.
bool scan(const std::string& file, const std::string& text, std::vector<Item>& items) {
  std::size_t at = 0;
  unsigned line = 1;
  int depth = 0;
  std::size_t begin = std::string::npos;
  unsigned begin_line = 0;
  std::string plain; // of the item so far, without comments
  while (at < text.size()) {
    const char c = text[at];
    if (text.compare(at, 2, "//") == 0) {
      while (at < text.size() && text[at] != '\n')
        ++at;
      continue;
    }
    if (c == '\n')
      ++line;
    if (begin == std::string::npos && !std::isspace(static_cast<unsigned char>(c))) {
      begin = at;
      begin_line = line;
      plain.clear();
    }
    plain += c;
    if (c == '(' || c == '[' || c == '{')
      ++depth;
    if (c == ')' || c == ']' || c == '}')
      --depth;
    if (depth < 0)
      break;
    if (begin != std::string::npos && depth == 0 && (c == '}' || c == ';')) {
      // The name is the second word, or the third after `builtin fn`.
      std::vector<std::string> words;
      for (std::size_t i = 0; i < plain.size() && words.size() < 3;) {
        if (!is_word(plain[i])) {
          ++i;
          continue;
        }
        std::string word;
        while (i < plain.size() && is_word(plain[i]))
          word += plain[i++];
        words.push_back(word);
      }
      if (words.size() < 2)
        break;
      const std::size_t position = words[0] == "builtin" ? 2 : 1;
      items.push_back({words.at(position), "stdlib/" + file, text.substr(begin, at + 1 - begin), begin_line});
      begin = std::string::npos;
      plain.clear();
    }
    ++at;
  }
  if (depth == 0 && begin == std::string::npos)
    return true;
  std::cerr << "stdlib/" << file << ":" << line << ": unbalanced brackets\n";
  return false;
}

} // namespace

int main(int argc, char** argv) {
  std::vector<Item> items;
  for (int i = 2; i < argc; ++i) {
    std::ifstream in(argv[i]);
    const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    if (!in || !scan(argv[i], text, items))
      return 1;
  }
  std::stable_sort(items.begin(), items.end(), [](const Item& a, const Item& b) { return a.name < b.name; });
  std::ofstream out(argv[1]);
  out << "// Generated from stdlib/*.vmodel.\n#include <span>\n\n#include \"compiler/check/library.h\"\n\n"
      << "namespace vmodel::check {\n\nstd::span<const LibraryEntry> library_entries();\n"
      << "std::span<const LibraryEntry> library_entries() {\n  static const LibraryEntry entries[] = {\n";
  for (const Item& item : items) {
    out << "    {\"" << item.name << "\", \"" << item.file << "\", " << item.line << ", R\"vmodel(" << item.text
        << ")vmodel\"},\n";
  }
  out << "  };\n  return entries;\n}\n\n}  // namespace vmodel::check\n";
  return out ? 0 : 1;
}
