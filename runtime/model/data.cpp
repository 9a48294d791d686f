#include "runtime/model/data.h"

#include "runtime/io/error.h"
#include "runtime/io/files.h"
#include "runtime/io/npy.h"
#include "runtime/io/sha256.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <filesystem>
#include <limits>

namespace vmodel::runtime {
namespace {

using json::Value;

constexpr double infinity = std::numeric_limits<double>::infinity();
// Integers of JSON are read through doubles, which hold every integer up to here.
constexpr double largest_integer = 9007199254740992.0;
// Errors of one field that are told; the others are counted.
constexpr int64_t most_of_a_field = 3;

int64_t product(const std::vector<int64_t>& shape) {
  int64_t result = 1;
  for (int64_t extent : shape)
    result *= extent;
  return result;
}

std::string element_name(const std::string& name, const std::vector<int64_t>& place) {
  if (place.empty())
    return name;
  std::string result = name + "[";
  for (size_t i = 0; i < place.size(); ++i) {
    result += (i ? "," : "") + std::to_string(place[i] + 1);
  }
  return result + "]";
}

std::string shown(double value) {
  return brief(value, 15);
}

// Whether a name stands in the text of an expression.
bool mentions(const std::string& text, const std::string& name) {
  const auto in_word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; };
  for (size_t at = text.find(name); at != std::string::npos; at = text.find(name, at + 1)) {
    const size_t end = at + name.size();
    if ((at == 0 || !in_word(text[at - 1])) && (end == text.size() || !in_word(text[end])))
      return true;
  }
  return false;
}

// Insertions, deletions and changes from one name to the other (Levenshtein); capitals count as
// small letters.
size_t edit_distance(const std::string& a, const std::string& b) {
  const auto same = [](char x, char y) {
    return std::tolower(static_cast<unsigned char>(x)) == std::tolower(static_cast<unsigned char>(y));
  };
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j)
    row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t change = diagonal + (same(a[i - 1], b[j - 1]) ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, change});
    }
  }
  return row[b.size()];
}

std::string elements(int64_t count) {
  return counted(count, "element");
}

} // namespace

std::vector<DataValue> DataReader::read(const Value& root) {
  std::vector<DataValue> result(model_.metadata().data.size());
  if (!root.is_object()) {
    errors_.push_back(options_.file + ": data are a JSON object, not " + json::kind_name(root));
    return result;
  }
  find_undeclared(root);
  for (size_t i = 0; i < result.size(); ++i) {
    const DataField& field = model_.metadata().data[i];
    const size_t before = errors_.size();
    refused_ = 0;
    read_field(field, root.find(field.field), result[i]);
    if (refused_ > most_of_a_field) {
      errors_.push_back(options_.file + ": " + field.field + ": " + std::to_string(refused_ - most_of_a_field) +
                        " more " + (refused_ - most_of_a_field == 1 ? "error" : "errors"));
    }
    if (errors_.size() != before)
      failed_.push_back(field.name);
    // Later fields read this one through its slot.
    DataValue& value = result[i];
    if (field.shape.empty() && errors_.size() == before) {
      if (field.integer) {
        slots_[i].integer = value.integers[0];
      } else {
        slots_[i].real = value.reals[0];
      }
    } else if (!field.shape.empty()) {
      slots_[i].array = field.integer ? static_cast<const void*>(value.integers.data())
                                      : static_cast<const void*>(value.reals.data());
    }
  }
  report_undeclared();
  return result;
}

void DataReader::find_undeclared(const Value& root) {
  const auto& data = model_.metadata().data;
  for (const auto& [name, value] : root.members) {
    if (std::none_of(data.begin(), data.end(), [&](const auto& f) { return f.field == name; }))
      undeclared_.push_back(name);
  }
}

void DataReader::report_undeclared() {
  const std::vector<std::string>& names = undeclared_;
  if (names.empty())
    return;
  std::string list;
  for (size_t i = 0; i < names.size() && i < 6; ++i)
    list += (i ? ", " : "") + names[i];
  if (names.size() > 6)
    list += " and " + std::to_string(names.size() - 6) + " more";
  const std::string text = options_.file + ": the model does not declare " + list +
                           (names.size() == 1 ? "; the field is not read" : "; the fields are not read");
  (options_.strict ? errors_ : notes_).push_back(text);
}

bool DataReader::refuse(const DataField& field, const std::string& element, const std::string& problem) {
  // A field with a wrong column has thousands of them.
  if (++refused_ > most_of_a_field)
    return false;
  errors_.push_back(options_.file + ": " + element + ": " + problem + " (declared at " +
                    model_.metadata().at(field.position) + " as " + field.type() + ")");
  return false;
}

void DataReader::read_field(const DataField& field, const Value* value, DataValue& result) {
  if (value == nullptr && !(options_.for_sampling && !field.needed_by_sample)) {
    refuse(field, field.field,
           options_.for_sampling ? "the fit does not hold this field: give the data with --data"
                                 : "this field is missing" + similar_field(field.field));
    return;
  }
  // What reads a field that is wrong cannot be judged.
  if (depends_on_failed(field))
    return;
  if (!find_shape(field, result))
    return;
  if (value == nullptr)
    return fill_placeholder(field, result);

  const int64_t count = product(result.shape);
  numbers_.clear();
  std::vector<int64_t> place;
  if (value->is_object() ? !read_array_file(field, *value, result) : !flatten(field, *value, result, 0, place))
    return;
  // A leading extent of 0 leaves nothing to say about the others.
  numbers_.resize(static_cast<size_t>(count), 0);
  if (field.integer) {
    result.integers.assign(numbers_.begin(), numbers_.end());
    // An empty array still has an address.
    if (count == 0)
      result.integers.reserve(1);
  } else {
    result.reals.assign(numbers_.begin(), numbers_.end());
    if (count == 0)
      result.reals.reserve(1);
  }
  if (field.bounds)
    check_bounds(field, result);
  if (field.support != "all" && field.support != "bounded")
    check_support(field, result);
}

// `{"file": "x.npy"}`: an array beside the data file.
bool DataReader::read_array_file(const DataField& field, const Value& value, const DataValue& result) {
  const Value* file = value.find("file");
  if (file == nullptr || !file->is_string() || value.members.size() != 1) {
    return refuse(field, field.field,
                  "a number or an array is expected, not an object; an array in a file of its own is written "
                  "{\"file\": \"x.npy\"}");
  }
  const std::filesystem::path folder = std::filesystem::path(options_.file).parent_path();
  NpyArray array;
  std::string problem;
  if (!read_npy((folder / file->text).string(), array, problem))
    return refuse(field, field.field, file->text + ": " + problem);
  if (array.shape != result.shape) {
    const auto text = [](const std::vector<int64_t>& shape) {
      std::string list;
      for (const int64_t extent : shape)
        list += (list.empty() ? "" : ", ") + std::to_string(extent);
      return "[" + list + "]";
    };
    return refuse(field, field.field,
                  file->text + " holds an array of shape " + text(array.shape) + " where " + text(result.shape) +
                      " is declared");
  }
  numbers_.reserve(array.numbers.size());
  bool right = true;
  for (size_t i = 0; i < array.numbers.size(); ++i) {
    const double x = array.numbers[i];
    if (!std::isfinite(x)) {
      right = refuse(field, flat_name(field.field, array.shape, static_cast<int64_t>(i)),
                     shown(x) + " in " + file->text + " is not a finite number");
    } else if (field.integer && x != std::floor(x)) {
      right = refuse(field, flat_name(field.field, array.shape, static_cast<int64_t>(i)),
                     shown(x) + " in " + file->text + " is not an int");
    }
    numbers_.push_back(x);
  }
  return right;
}

// What the file may have meant by another name.
std::string DataReader::similar_field(const std::string& name) const {
  const std::string* best = nullptr;
  size_t least = name.size() <= 2 ? 0 : name.size() <= 4 ? 1 : 2;
  for (const std::string& other : undeclared_) {
    const size_t distance = edit_distance(name, other);
    if (distance <= least) {
      best = &other;
      least = distance;
    }
  }
  return best == nullptr ? "" : "; the file has " + *best + ", is that meant?";
}

// Whether sizes or bounds name a field that could not be read.
bool DataReader::depends_on_failed(const DataField& field) {
  std::vector<std::string> texts = field.shape;
  texts.push_back(field.lower);
  texts.push_back(field.upper);
  for (const std::string& name : failed_) {
    for (const std::string& text : texts) {
      if (!mentions(text, name))
        continue;
      failed_.push_back(field.name);
      return true;
    }
  }
  return false;
}

bool DataReader::find_shape(const DataField& field, DataValue& result) {
  const size_t rank = field.shape.size();
  result.shape.assign(rank, 0);
  if (rank == 0)
    return true;
  AlignedVector<int64_t> shape(rank, 0);
  KernelCall call(model_, slots_, "data_shape." + field.name, 0, {{"shape", shape.data()}});
  call();
  double total = 1;
  for (size_t axis = 0; axis < rank; ++axis) {
    result.shape[axis] = shape[axis];
    total *= static_cast<double>(std::max<int64_t>(shape[axis], 1));
    if (shape[axis] < 0) {
      return refuse(field, field.field,
                    "the size `" + field.shape[axis] + "` is " + std::to_string(shape[axis]) + ", which is negative");
    }
  }
  if (total > 1e12)
    return refuse(field, field.field, "the declared size is too large");
  return true;
}

bool DataReader::wrong_kind(const DataField& field, const Value& value, const std::vector<int64_t>& place,
                            bool array_expected) {
  const std::string element = element_name(field.field, place);
  if (array_expected) {
    return refuse(field, element,
                  std::string("an array is expected, not ") + json::kind_name(value) +
                      (value.is_number() ? "; one element is written [x]" : ""));
  }
  if (value.is_string()) {
    const std::string& text = value.text;
    const bool special = text == "nan" || text == "inf" || text == "-inf" || text == "NaN" || text == "Inf" ||
                         text == "-Inf" || text == "NA" || text == "+inf" || text == "Infinity" || text == "-Infinity";
    return refuse(field, element,
                  special ? "\"" + text + "\" is not a finite number"
                          : std::string("a number is expected, not a string"));
  }
  if (value.kind == Value::Kind::null) {
    return refuse(field, element, "a number is expected, not null; missing values are not allowed");
  }
  return refuse(field, element, std::string("a number is expected, not ") + json::kind_name(value));
}

bool DataReader::flatten(const DataField& field, const Value& value, const DataValue& result, size_t axis,
                         std::vector<int64_t>& place) {
  if (axis == result.shape.size()) {
    if (!value.is_number())
      return wrong_kind(field, value, place, false);
    return number(field, value.number, place);
  }
  if (!value.is_array())
    return wrong_kind(field, value, place, true);
  const int64_t extent = result.shape[axis];
  if (value.size() != extent) {
    const std::string& text = field.shape[axis];
    const bool literal = text == std::to_string(extent);
    return refuse(field, element_name(field.field, place),
                  elements(value.size()) + " where " + std::to_string(extent) + (extent == 1 ? " is" : " are") +
                      " declared" + (literal ? "" : " (" + text + " = " + std::to_string(extent) + ")"));
  }
  const bool last = axis + 1 == result.shape.size();
  if (last && value.elements.empty()) {
    // The common case: a flat run of numbers.
    const bool integers = !field.integer || std::all_of(value.numbers.begin(), value.numbers.end(),
                                                        [](double x) { return x == std::floor(x); });
    const bool small = !field.integer || std::all_of(value.numbers.begin(), value.numbers.end(),
                                                     [](double x) { return std::fabs(x) <= largest_integer; });
    if (integers && small) {
      numbers_.insert(numbers_.end(), value.numbers.begin(), value.numbers.end());
      return true;
    }
  }
  place.push_back(0);
  bool right = true;
  for (int64_t i = 0; i < extent; ++i) {
    place.back() = i;
    const bool here = value.elements.empty()
                          ? flatten(field, value.element(i), result, axis + 1, place)
                          : flatten(field, value.elements[static_cast<size_t>(i)], result, axis + 1, place);
    right = right && here;
  }
  place.pop_back();
  return right;
}

bool DataReader::number(const DataField& field, double value, const std::vector<int64_t>& place) {
  if (field.integer && value != std::floor(value))
    return refuse(field, element_name(field.field, place), shown(value) + " is not an int");
  if (field.integer && std::fabs(value) > largest_integer) {
    return refuse(field, element_name(field.field, place), shown(value) + " is too large for an int (limit 2^53)");
  }
  numbers_.push_back(value);
  return true;
}

void DataReader::find_bounds(const DataField& field, const DataValue& value) {
  const int64_t count = product(value.shape);
  lower_.assign(static_cast<size_t>(std::max<int64_t>(count, 1)), -infinity);
  upper_.assign(static_cast<size_t>(std::max<int64_t>(count, 1)), infinity);
  KernelCall call(model_, slots_, "data_bounds." + field.name, 0, {{"lower", lower_.data()}, {"upper", upper_.data()}});
  call();
}

void DataReader::check_bounds(const DataField& field, const DataValue& value) {
  find_bounds(field, value);
  const int64_t count = product(value.shape);
  for (int64_t i = 0; i < count; ++i) {
    const double x = field.integer ? static_cast<double>(value.integers[i]) : value.reals[i];
    const bool low = !(x >= lower_[i]);
    if (!low && x <= upper_[i])
      continue;
    const std::string& text = low ? field.lower : field.upper;
    const std::string limit = shown(low ? lower_[i] : upper_[i]);
    refuse(field, flat_name(field.field, value.shape, i),
           shown(x) + (low ? " is below the lower bound " : " is above the upper bound ") + limit +
               (text.empty() || text == limit ? "" : " = " + text));
  }
}

void DataReader::check_support(const DataField& field, const DataValue& value) {
  const bool matrix =
      field.support.find("cholesky") != std::string::npos || field.support.find("matrix") != std::string::npos;
  const size_t event = matrix ? 2 : 1;
  if (value.shape.size() < event || value.reals.empty())
    return;
  const int64_t size = value.shape.back();
  const int64_t inner = matrix ? size * value.shape[value.shape.size() - 2] : size;
  const std::vector<int64_t> outer(value.shape.begin(), value.shape.end() - event);
  for (int64_t first = 0, at = 0; at < static_cast<int64_t>(value.reals.size()); at += inner, ++first) {
    const double* x = value.reals.data() + at;
    const std::string name = flat_name(field.field, outer, first);
    const auto element = [&](int64_t i) { return flat_name(field.field, value.shape, at + i); };
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < inner; ++i) {
      sum += x[i];
      squares += x[i] * x[i];
    }
    if (field.support == "simplex") {
      for (int64_t i = 0; i < size; ++i) {
        if (x[i] < 0)
          refuse(field, element(i), shown(x[i]) + " is negative in a simplex");
      }
      if (std::fabs(sum - 1) > 1e-8)
        refuse(field, name, "a simplex sums to 1, this to " + shown(sum));
    } else if (field.support == "ordered" || field.support == "positive_ordered") {
      if (field.support == "positive_ordered" && x[0] < 0) {
        refuse(field, element(0), shown(x[0]) + " is negative");
      }
      for (int64_t i = 1; i < size; ++i) {
        if (!(x[i] > x[i - 1])) {
          refuse(field, element(i), shown(x[i]) + " is not above " + shown(x[i - 1]) + " before it");
          break;
        }
      }
    } else if (field.support == "unit_vector") {
      if (std::fabs(squares - 1) > 1e-8) {
        refuse(field, name, "a unit vector has length 1, this " + shown(std::sqrt(squares)));
      }
    } else if (field.support == "cov_cholesky" || field.support == "corr_cholesky") {
      for (int64_t i = 0; i < inner; ++i) {
        const int64_t row = i / size, column = i % size;
        if (column > row && x[i] != 0) {
          refuse(field, element(i), shown(x[i]) + " above the diagonal of a Cholesky factor");
          break;
        }
        if (column == row && !(x[i] > 0)) {
          refuse(field, element(i), shown(x[i]) + " on the diagonal of a Cholesky factor");
          break;
        }
      }
    }
  }
}

void DataReader::fill_placeholder(const DataField& field, DataValue& result) {
  result.given = false;
  const size_t count = static_cast<size_t>(product(result.shape));
  if (field.bounds) {
    find_bounds(field, result);
  } else {
    lower_.assign(std::max<size_t>(count, 1), -infinity);
    upper_.assign(std::max<size_t>(count, 1), infinity);
  }
  result.integers.assign(field.integer ? std::max<size_t>(count, 1) : 0, 1);
  result.reals.assign(field.integer ? 0 : std::max<size_t>(count, 1), 1);
  for (size_t i = 0; i < count; ++i) {
    const double value = std::clamp(1.0, lower_[i], std::max(lower_[i], upper_[i]));
    if (field.integer) {
      result.integers[i] = static_cast<int64_t>(value);
    } else {
      result.reals[i] = value;
    }
  }
}

std::string hash_of_data(const Metadata& metadata, const std::vector<DataValue>& values) {
  Sha256 hash;
  for (size_t i = 0; i < values.size(); ++i) {
    const DataField& field = metadata.data[i];
    hash.add(field.name + (field.integer ? " int" : " real"));
    for (int64_t extent : values[i].shape)
      hash.add(" " + std::to_string(extent));
    hash.add("\n");
    hash.add(values[i].integers.data(), values[i].integers.size() * sizeof(int64_t));
    // -0 and 0 are the same value.
    for (double x : values[i].reals) {
      const double value = x == 0 ? 0 : x;
      hash.add(&value, sizeof value);
    }
  }
  return hash.finish();
}

} // namespace vmodel::runtime
