#pragma once
// Legal and unwise: what experience says will hurt, as warnings. Internal to core/spec: what others
// call is find_unwise() of validate.h. Thread-safety: pure functions.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/spec/validate.h"

namespace tidegate::spec {

class Warnings {
 public:
  explicit Warnings(std::vector<Finding>& out) : out_(out) {}
  void add(std::string path, std::string message) {
    out_.push_back({false, std::move(path), std::move(message)});
  }

 private:
  std::vector<Finding>& out_;
};

/// One variant, with what the advice needs at hand.
struct Case {
  const Model& model;
  const Variant& variant;
  std::string path;
  Duration cold_start;
  std::int64_t floor;
};

/// Of a variant's warmPool (unwise_pool.cc).
void advise_warm_pool(const Case& c, Warnings& warnings);

}  // namespace tidegate::spec
