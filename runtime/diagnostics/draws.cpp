#include "runtime/diagnostics/draws.h"

#include "runtime/io/error.h"
#include "runtime/io/files.h"
#include "runtime/io/json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>

namespace vmodel::runtime {
namespace {

class Reader {
public:
  Reader(const std::string& path, const std::string& text) : path_(path), text_(text) {}

  Draws read() {
    if (text_.empty())
      refuse("the file is empty");
    if (text_[0] == '#')
      refuse_file("it begins with a comment");
    if (text_.find('\0') != std::string::npos)
      refuse_file("it holds a zero byte, so that it is no text");
    Draws result;
    result.names = header();
    if (result.find(".draw") == nullptr) {
      line_ = 1;
      refuse_file("the header has no column .draw");
    }
    result.columns.resize(result.names.size());
    const size_t estimate = text_.size() / (result.names.size() * 20 + 1) + 1;
    for (auto& column : result.columns)
      column.reserve(estimate);
    while (at_ < text_.size())
      row(result);
    if (result.count() == 0)
      refuse("there are no draws");
    return result;
  }

private:
  [[noreturn]] void refuse(const std::string& message) {
    throw InputError(path_ + ":" + std::to_string(line_) + ": " + message);
  }

  [[noreturn]] void refuse_file(const std::string& why) { refuse("this is not a file of draws of `sample`: " + why); }

  std::vector<std::string> header() {
    std::vector<std::string> names;
    while (true) {
      std::string name;
      if (at_ < text_.size() && text_[at_] == '"') {
        ++at_;
        while (true) {
          if (at_ >= text_.size())
            refuse("a quoted name in the header has no end");
          if (text_[at_] == '"' && at_ + 1 < text_.size() && text_[at_ + 1] == '"') {
            name += '"';
            at_ += 2;
          } else if (text_[at_] == '"') {
            ++at_;
            break;
          } else {
            name += text_[at_++];
          }
        }
      } else {
        while (at_ < text_.size() && text_[at_] != ',' && text_[at_] != '\n' && text_[at_] != '\r') {
          name += text_[at_++];
        }
      }
      if (name.empty())
        refuse("a column has no name");
      if (std::find(names.begin(), names.end(), name) != names.end()) {
        refuse("the column " + name + " stands there twice");
      }
      names.push_back(name);
      if (at_ < text_.size() && text_[at_] == '\r')
        ++at_;
      if (at_ >= text_.size() || text_[at_] == '\n')
        break;
      if (text_[at_] != ',')
        refuse_file("`,` expected after the name " + name);
      ++at_;
    }
    ++at_;
    ++line_;
    return names;
  }

  void row(Draws& draws) {
    size_t end = text_.find('\n', at_);
    const bool last = end == std::string::npos;
    if (last)
      end = text_.size();
    size_t stop = end;
    if (stop > at_ && text_[stop - 1] == '\r')
      --stop;
    size_t column = 0;
    while (true) {
      const size_t comma = std::min(text_.find(',', at_), stop);
      if (column == draws.columns.size()) {
        refuse("more than " + std::to_string(column) + " entries, as many as the header has");
      }
      draws.columns[column].push_back(number(at_, comma, draws.names[column]));
      ++column;
      if (comma == stop)
        break;
      at_ = comma + 1;
    }
    if (column != draws.columns.size()) {
      refuse("only " + std::to_string(column) + " of " + std::to_string(draws.columns.size()) + " entries" +
             (last ? ": the file is truncated" : ""));
    }
    at_ = end + 1;
    ++line_;
  }

  double number(size_t from, size_t to, const std::string& column) {
    if (from == to)
      return NAN;
    double value = 0;
    const auto [stop, code] = std::from_chars(text_.data() + from, text_.data() + to, value);
    if (stop != text_.data() + to || (code != std::errc() && code != std::errc::result_out_of_range)) {
      refuse("column " + column + ": `" + text_.substr(from, std::min<size_t>(to - from, 40)) + "` is not a number");
    }
    return value;
  }

  const std::string& path_;
  const std::string& text_;
  size_t at_ = 0;
  int64_t line_ = 1;
};

double quantile(const std::vector<double>& sorted, double p) {
  const double place = p * static_cast<double>(sorted.size() - 1);
  const size_t low = static_cast<size_t>(place);
  if (low + 1 >= sorted.size())
    return sorted.back();
  const double share = place - static_cast<double>(low);
  // Equal neighbours may be infinite.
  if (sorted[low] == sorted[low + 1])
    return sorted[low];
  return sorted[low] + share * (sorted[low + 1] - sorted[low]);
}

double weighted_quantile(const std::vector<double>& values, const std::vector<double>& weights,
                         const std::vector<size_t>& order, double total, double p) {
  double sum = 0;
  for (size_t i : order) {
    sum += weights[i];
    if (sum >= p * total)
      return values[i];
  }
  return values[order.back()];
}

} // namespace

const std::vector<double>* Draws::find(const std::string& name) const {
  for (size_t i = 0; i < names.size(); ++i) {
    static const std::vector<double> none;
    if (names[i] == name)
      return i < columns.size() ? &columns[i] : &none;
  }
  return nullptr;
}

Draws read_draws(const std::string& path) {
  const std::string text = json::read_text(path);
  return Reader(path, text).read();
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\n\r") == std::string::npos)
    return text;
  std::string result = "\"";
  for (char c : text) {
    if (c == '"')
      result += '"';
    result += c;
  }
  return result + "\"";
}

Summary summarise(const std::vector<double>& values, const std::vector<double>& weights) {
  Summary result;
  const double n = static_cast<double>(values.size());
  if (values.empty())
    return {NAN, NAN, NAN, NAN, NAN, NAN, 0};
  if (std::any_of(values.begin(), values.end(), [](double x) { return std::isnan(x); })) {
    return {NAN, NAN, NAN, NAN, NAN, NAN, 0};
  }
  if (weights.empty()) {
    result.mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
    double squares = 0;
    for (double x : values)
      squares += (x - result.mean) * (x - result.mean);
    result.sd = n > 1 ? std::sqrt(squares / (n - 1)) : NAN;
    std::vector<double> sorted = values;
    std::sort(sorted.begin(), sorted.end());
    result.q5 = quantile(sorted, 0.05);
    result.q50 = quantile(sorted, 0.5);
    result.q95 = quantile(sorted, 0.95);
    result.ess = n;
    result.mcse = result.sd / std::sqrt(n);
    return result;
  }
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  for (size_t i = 0; i < values.size(); ++i) {
    if (weights[i] > 0)
      result.mean += weights[i] / total * values[i];
  }
  double variance = 0, error = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    if (!(weights[i] > 0))
      continue;
    const double w = weights[i] / total, d = values[i] - result.mean;
    variance += w * d * d;
    error += w * w * d * d;
  }
  result.sd = std::sqrt(variance);
  result.mcse = std::sqrt(error);
  result.ess = error > 0 ? variance / error : n;
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] < values[b]; });
  result.q5 = weighted_quantile(values, weights, order, total, 0.05);
  result.q50 = weighted_quantile(values, weights, order, total, 0.5);
  result.q95 = weighted_quantile(values, weights, order, total, 0.95);
  return result;
}

} // namespace vmodel::runtime
