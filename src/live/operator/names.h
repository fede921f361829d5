#pragma once
// Names: what may exist once over all models of a run: the models' own names, and those that
// clients send. Held by whoever came first; the same words as `tidegate check` on several files.
//
//   Names names;
//   if (auto mine = names.claim("serve/m", model); !mine) refuse(mine.error());
//   names.release("serve/m");
//
// One claim replaces the holder's former one, and changes nothing where it fails. Thread-safety:
// one owner.

#include <map>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/spec/model.h"

namespace tidegate::live {

class Names {
 public:
  Result<void> claim(const std::string& holder, const spec::Model& model);
  void release(const std::string& holder);

 private:
  struct Held {
    std::string model;
    std::vector<std::string> served;
  };
  std::map<std::string, Held> holders_;
  std::map<std::string, std::string> models_;  ///< name -> holder
  std::map<std::string, std::string> served_;  ///< what a client may send -> holder
};

}  // namespace tidegate::live
