#pragma once
// CHECK(condition): an invariant of ours. Stays on in every build; never for input from outside.

namespace tidegate {
[[noreturn]] void check_failed(const char* file, int line, const char* condition);
}

#define TIDEGATE_CHECK(condition)               \
  (__builtin_expect(!!(condition), 1) ? (void)0 \
                                      : ::tidegate::check_failed(__FILE__, __LINE__, #condition))
