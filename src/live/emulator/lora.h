#pragma once
// LoRA adapters an engine knows: names, paths and the number core/engine knows them by.
//
//   LoraBook book;
//   std::int32_t slot = book.add("sql-v2", "/adapters/sql-v2").value();
//
// A number is never given twice, so that requests of an adapter that was unloaded stay apart from
// one that was loaded under its name later. At most kMaxAdapters (options.h) at once,
// kMaxAdapterLoads over a life. One owner.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "live/emulator/options.h"

namespace tidegate::live {

class LoraBook {
 public:
  static constexpr std::size_t kMaxAdapterLoads = 100'000;
  struct Entry {
    LoraModule module;
    std::int32_t number = 0;
  };
  Result<std::int32_t> add(const LoraModule& module) {
    if (find(module.name)) {
      return fail("The lora adapter '" + module.name + "' has already been loaded.");
    }
    if (entries_.size() == kMaxAdapters || names_.size() == kMaxAdapterLoads) {
      return fail("Too many LoRA adapters are loaded.");
    }
    entries_.push_back({module, next_++});
    names_.push_back(module.name);
    return entries_.back().number;
  }
  bool remove(std::string_view name) {
    return std::erase_if(entries_, [&](const Entry& e) { return e.module.name == name; }) > 0;
  }
  std::optional<std::int32_t> find(std::string_view name) const {
    for (const Entry& e : entries_) {
      if (e.module.name == name) return e.number;
    }
    return std::nullopt;
  }
  /// Of any number ever given.
  const std::string& name(std::int32_t number) const {
    return names_[static_cast<std::size_t>(number)];
  }
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  std::vector<Entry> entries_;
  std::vector<std::string> names_;
  std::int32_t next_ = 0;
};

}  // namespace tidegate::live
